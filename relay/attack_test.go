package relay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/wire"
)

// Pages of other sites cannot send a message to the room, however they send their request.
func TestWebPagesCannotSend(t *testing.T) {
	body := "Host: x\r\nOrigin: https://evil.example\r\n\r\nhello\n/nick alice\n"
	for name, parts := range map[string][]string{
		"a connection opened early": {"", "POST / HTTP/1.1\r\n" + body},
		"a long request line":       {"POST /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\n" + body},
		"late and long":             {"", "POST /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\n" + body},
		"in pieces":                 {"PO", "ST / HTTP/1.1\r\n" + body},
		"empty lines first":         {"\r\n\r\n", "GET / HTTP/1.1\r\n" + body},
		"spaces in the path":        {"GET /a b HTTP/1.1\r\n" + body},
		"another method":            {"M-SEARCH * HTTP/1.1\r\n" + body},
		"a preface":                 {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		"ssh":                       {"SSH-2.0-OpenSSH_9.2\r\nx\r\n"},
		"tls, late":                 {"", "\x16\x03\x01\x02\x00\x01\n\x00\n"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
				bob := guest(t, srv, "bob")
				page := join(t, srv, "page")
				for _, part := range parts {
					page.conn.SetWriteDeadline(time.Now().Add(time.Second))
					page.conn.Write([]byte(part))
					time.Sleep(time.Second)
				}
				page.closed()
				time.Sleep(10 * time.Second)
				for len(bob.lines) > 0 {
					if line := <-bob.lines; !strings.HasSuffix(line, " joined") && !strings.HasSuffix(line, " left") {
						t.Errorf("bob got %q", line)
					}
				}
			})
		})
	}
}

// Names and numbers far out of bounds are rejected at once and use no memory.
func TestFarOutOfBounds(t *testing.T) {
	bubble(t, relay.Options{HostToken: "secret-token"}, func(t *testing.T, srv *relay.Server) {
		p, _ := program(t, srv, `{"type":"hello","token":"secret-token","nick":"`+strings.Repeat("\ufdfa", 2000)+`"}`)
		if e := p.event(); e.Code != wire.CodeBadNick {
			t.Errorf("a nick of 6,000 bytes: %+v", e)
		}
		long := strings.Repeat("\ufdfa", 8000)
		for _, kind := range []string{"nick", "ignore", "unignore", "kick", "ban", "unban", "mute", "unmute"} {
			p.send(fmt.Sprintf(`{"type":%q,"nick":%q,"seq":7}`, kind, long))
			if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNoSuchNick && e.Code != wire.CodeBadNick || len(e.Text) > 200 || e.Seq != 7 {
				t.Errorf("%s: %.300v", kind, e)
			}
		}
		p.send(fmt.Sprintf(`{"type":"msg","to":%q,"text":"x"}`, long))
		if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeNoSuchNick || len(e.Text) > 200 {
			t.Errorf("msg: %.300v", e)
		}
		p.send(`{"type":"topic","text":"` + strings.Repeat("é", 5000) + `"}`)
		if e := p.expectEvent(wire.TypeTopic); len(e.Text) > 300 {
			t.Errorf("a topic of %d bytes", len(e.Text))
		}
		p.send(`{"type":"say","text":"one"}`)
		p.expectEvent(wire.TypeMessage)
		late, _ := program(t, srv, `{"type":"hello","since":18446744073709551615}`)
		late.send(`{"type":"ping"}`)
		for e := late.event(); e.Type != wire.TypePong; e = late.event() {
			if e.IsPublicMessage() {
				t.Errorf("since the end of time came %+v", e)
			}
		}
	})
}

// A muted member cannot send text as a nick or a last message either, and no last message can
// pass for a notice of the room.
func TestMutedAndForged(t *testing.T) {
	bubble(t, relay.Options{HostToken: "secret-token"}, func(t *testing.T, srv *relay.Server) {
		host, _ := program(t, srv, `{"type":"hello","nick":"h","token":"secret-token"}`)
		alice, mallory := guest(t, srv, "alice"), guest(t, srv, "mallory")
		host.send(`{"type":"mute","nick":"mallory"}`)
		mallory.expect("* h muted you")
		mallory.next("* h muted mallory")
		mallory.send("/nick BUY-SOUP", "/quit BUY SOUP")
		mallory.next("! an operator muted you")
		alice.expect("mallory joined")
		alice.next("* h muted mallory")
		if line := alice.line(); line != "* mallory left" {
			t.Errorf("alice got %q", line)
		}
		eve := guest(t, srv, "eve")
		eve.send("/quit kicked by h: spam")
		forged := alice.expect("kicked by h")
		guest(t, srv, "eve")
		host.send(`{"type":"kick","nick":"eve","text":"spam"}`)
		if real := alice.expect("kicked by h"); real == forged || real != "* eve was kicked by h: spam" {
			t.Errorf("a forged word reads %q, the room's %q", forged, real)
		}
	})
}

// A client cannot avoid the rate limit by reconnecting.
func TestRateOutlivesTheConnection(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		began := time.Now()
		for range 5 {
			p := joinFrom(t, srv, "10.77.0.2")
			p.send(hello("p"))
			for n := range 150 {
				p.send(fmt.Sprintf(`{"type":"say","text":"line %d"}`, n))
			}
			for e := p.expectEvent(wire.TypeMessage); e.Text != "line 149"; e = p.expectEvent(wire.TypeMessage) {
			}
			p.conn.Close()
			p.closed()
			time.Sleep(time.Second)
		}
		if d := time.Since(began); d < 20*time.Second {
			t.Errorf("750 lines took %v over five connections; 200 at once and 20 a second are more than 25 s", d)
		}
	})
}

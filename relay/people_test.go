package relay_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/wire"
)

func TestPeople(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice := guest(t, srv, "alice")
		bob := join(t, srv, "bob")
		bob.next("* Welcome to kitchen, guest-2 (1 here: alice). /nick NAME to choose a nick, /help for more.")
		bob.send("/nick bob")
		bob.next("* you are now bob")
		alice.next("* bob joined")
		alice.send("soup is ready", "", "  ", "//slash", "/me waves")
		if line := bob.expect("soup"); !regexp.MustCompile(`^\d\d:\d\d <alice> soup is ready$`).MatchString(line) {
			t.Errorf("bob got %q", line)
		}
		bob.next("<alice> /slash")
		bob.next(" * alice waves")
		bob.send("/msg ALICE save me some")
		alice.next("[bob -> you] save me some")
		alice.quiet(time.Second) // not her own lines
		bob.send("/who")
		bob.next("* 2 here: alice, bob")
		bob.send("/topic lunch")
		alice.next("* bob set the topic: lunch")
		bob.next("* The topic is: lunch")
		bob.send("/foo", "/msg zed hi", "/msg bob", "/nick a b", "/kick alice")
		bob.next("! unknown command /foo; /help lists them")
		bob.next("! put // in front to send it: //foo")
		bob.next("! no member is called zed")
		bob.next("! usage: /msg NICK TEXT")
		bob.next("! usage: /nick NAME")
		bob.next("! only operators can use /kick")
		bob.send("/quit soup")
		bob.next("* goodbye")
		bob.closed()
		alice.next("* bob left (soup)")
	})
}

// Where Ctrl-D or Ctrl-Z does not end the input, the terminal sends it as a line.
func TestCtrlDLeaves(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice := join(t, srv, "alice")
		for n, line := range []string{"\x04", "\x1a\r", " \x1a"} {
			bob := guest(t, srv, fmt.Sprint("bob", n))
			bob.send("\x04\x04", line)
			alice.expect("> ␄␄") // not a line of only one
			bob.expect("* goodbye")
			bob.closed()
			alice.next(fmt.Sprintf("* bob%d left", n))
		}
	})
}

func TestEarlyLinesAreNotLost(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice := guest(t, srv, "alice")
		bob := join(t, srv, "bob")
		bob.send("hello at once")
		bob.next("* Welcome")
		alice.expect("* guest-2 joined")
		alice.next("<guest-2> hello at once")
	})
}

func TestHelp(t *testing.T) {
	bubble(t, relay.Options{HostToken: "secret-token"}, func(t *testing.T, srv *relay.Server) {
		alice := guest(t, srv, "")
		alice.send("/help")
		for _, words := range []string{"/me TEXT", "/msg NICK TEXT", "/nick NAME", "/topic [TEXT]", "/history [N]", "/who", "/ignore [NICK]", "/unignore NICK", "/help", "/quit [TEXT]"} {
			alice.expect(words)
		}
		alice.quiet(time.Second)
		host, _ := program(t, srv, `{"type":"hello","nick":"h","token":"secret-token"}`)
		host.send(`{"type":"help"}`)
		if help := host.expectEvent(wire.TypeNotice).Text; !strings.Contains(help, "/kick NICK [REASON]") {
			t.Errorf("the operator's help is %q", help)
		}
	})
}

func TestPrograms(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		a, welcome := program(t, srv, hello("alice"))
		if welcome.Nick != "alice" || welcome.Title != "kitchen" || welcome.Version != 1 || welcome.Token == "" ||
			welcome.Client == "" || welcome.Next != 1 || len(welcome.Room) != 16 {
			t.Errorf("welcome: %+v", welcome)
		}
		b, _ := program(t, srv, hello("bob"))
		carol := guest(t, srv, "carol")
		a.send(`{"type":"say","seq":1,"text":"one\ntwo\u001b[2J"}`)
		for _, p := range []*peer{a, b} {
			e := p.expectEvent(wire.TypeMessage)
			if e.From != "alice" || e.Client != welcome.Client || e.Seq != 1 || e.Text != "one\ntwo␛[2J" || e.ID == 0 || e.Time.IsZero() {
				t.Errorf("message: %+v", e)
			}
		}
		carol.expect("<alice> one")
		carol.next("<alice> two␛[2J")
		a.send(`{"type":"msg","seq":2,"to":"bob","text":"psst"}`)
		for _, p := range []*peer{a, b} {
			if e := p.expectEvent(wire.TypePrivate); e.From != "alice" || e.To != "bob" || e.Seq != 2 || e.Text != "psst" {
				t.Errorf("private: %+v", e)
			}
		}
		a.send(`{"type":"say","seq":2,"text":"again"}`, `{"type":"future"}`, `{"type":"say","future":[1]}`, `{"type":`, `[]`,
			`{"type":"ping"}`, `{"type":"command","seq":7,"text":"/msg zed hi"}`)
		for _, want := range []wire.Code{wire.CodeDuplicate, wire.CodeBadRequest, wire.CodeBadJSON, wire.CodeBadJSON} {
			if e := a.event(); e.Type != wire.TypeError || e.Code != want {
				t.Errorf("got %+v, want the error %s", e, want)
			}
		}
		a.expectEvent(wire.TypePong)
		if e := a.event(); e.Code != wire.CodeNoSuchNick || e.Seq != 7 {
			t.Errorf("got %+v, want no_such_nick for 7", e)
		}
	})
}

func TestFirstLineOfProgram(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		p := join(t, srv, "p")
		p.send(`{"type":"hello",,}`, `{"type":"say","text":"x"}`, strings.Repeat("x", 40_000), `{"type":"hello","version":99,"nick":"p","future":{}}`)
		for _, want := range []wire.Code{wire.CodeBadJSON, wire.CodeBadRequest, wire.CodeTooLong} {
			if e := p.event(); e.Code != want {
				t.Errorf("got %+v, want the error %s", e, want)
			}
		}
		if e := p.event(); e.Type != wire.TypeWelcome || e.Version != 1 {
			t.Errorf("a hello from the future got %+v", e)
		}
	})
}

func TestUnfinishedFirstLine(t *testing.T) {
	for _, start := range []string{`{"type":`, "GET / HT"} {
		bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
			p := join(t, srv, "p")
			p.conn.Write([]byte(start))
			began := time.Now()
			p.next("the first line did not end in time")
			p.closed()
			if d := time.Since(began).Round(time.Second); d != 30*time.Second {
				t.Errorf("%q was given %v, want 30s", start, d)
			}
		})
	}
}

// A TLS handshake is closed without an answer, which its client would show as garbage.
func TestHandshakeIsClosedAtOnce(t *testing.T) {
	for _, start := range []string{"\x16\x03\x01", "\x16\x03\x01\x02\x00\x01\n\x00", "SSH-2.0-OpenSSH_9.2\r\n"} {
		bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
			p := join(t, srv, "p")
			p.conn.Write([]byte(start))
			began := time.Now()
			if rest := p.closed(); len(rest) > 0 {
				t.Errorf("%q was answered with %q", start, rest)
			}
			if d := time.Since(began); d > time.Second {
				t.Errorf("%q was closed after %v, want less than a second", start, d)
			}
		})
	}
}

func TestLateHello(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		bob := guest(t, srv, "bob")
		p := join(t, srv, "p")
		p.expect("* Welcome")
		p.send(hello("late"))
		if e := p.expectAnyEvent(); e.Type != wire.TypeWelcome || e.Nick != "late" {
			t.Fatalf("got %+v, want a welcome", e)
		}
		bob.expect("* late joined")
		p.send(`{"type":"say","text":"hi"}`)
		bob.next("<late> hi") // and no guest joined or left
	})
}

// expectAnyEvent reads the next event, and skips lines for people.
func (p *peer) expectAnyEvent() wire.Event {
	p.t.Helper()
	for {
		line := p.line()
		if e, err := wire.ParseEvent([]byte(line)); err == nil {
			return e
		}
	}
}

func TestProbe(t *testing.T) {
	bubble(t, relay.Options{App: "chat 1"}, func(t *testing.T, srv *relay.Server) {
		bob := guest(t, srv, "bob")
		p := join(t, srv, "p")
		p.send(`{"type":"hello","version":1,"probe":true}`)
		if e := p.event(); e.Type != wire.TypeRoom || e.Title != "kitchen" || e.Count != 1 || e.App != "chat 1" || e.Room != srv.Info().ID {
			t.Errorf("got %+v", e)
		}
		p.closed()
		late := join(t, srv, "late")
		late.next("* Welcome")
		late.send(`{"type":"hello","version":1,"probe":true}`)
		if e := late.expectAnyEvent(); e.Type != wire.TypeRoom {
			t.Errorf("a late probe got %+v", e)
		}
		late.closed()
		bob.quiet(10 * time.Second)
	})
}

func TestWebAndTLSAreRejected(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		bob := guest(t, srv, "bob")
		page := join(t, srv, "page")
		page.conn.SetWriteDeadline(time.Now().Add(time.Second))
		page.conn.Write([]byte("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n/nick eve\nhi\n"))
		if got := strings.Join(page.closed(), "\n"); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, "chat room") {
			t.Errorf("a page got %q", got)
		}
		tls := join(t, srv, "tls")
		tls.conn.Write([]byte("\x16\x03\x01\x02\x00\x01\n"))
		tls.closed()
		bob.quiet(10 * time.Second)
	})
}

func TestNicks(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		guest(t, srv, "alice")
		for _, test := range []struct{ wanted, nick string }{
			{"alice", "alice-2"}, {"ALICE", "ALICE-3"}, {"a1ice", "a1ice-4"}, {"bob", "bob"}, {"host", ""}, {"guest-1", ""}, {"<x>", ""}, {"", ""},
		} {
			p, welcome := program(t, srv, hello(test.wanted))
			if test.nick != "" && welcome.Nick != test.nick {
				t.Errorf("%q became %q, want %q", test.wanted, welcome.Nick, test.nick)
			}
			if test.nick == "" && !strings.HasPrefix(welcome.Nick, "guest-") {
				t.Errorf("%q became %q, want a guest's nick", test.wanted, welcome.Nick)
			}
			if test.nick == "" && test.wanted != "" {
				if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeBadNick {
					t.Errorf("%q: %+v", test.wanted, e)
				}
			}
		}
	})
}

func TestRenameIsShown(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice, bob := guest(t, srv, "alice"), guest(t, srv, "bob")
		alice.expect("bob joined")
		bob.send("/nick bobby", "/nick alice", "/nick alice-2", "/nick [x]")
		alice.next("* bob is now bobby")
		alice.next("* bobby is now alice-2")
		bob.expect("* you are now bobby")
		bob.next("* you are now alice-2 (alice is taken)")
		bob.next("* you are now alice-2")
		bob.next("! a nick has no spaces")
		alice.send("/msg bobby x", "/msg alice-2 x")
		alice.next("! no member is called bobby")
		bob.next("[alice -> you] x")
	})
}

func TestPresenceIsFolded(t *testing.T) {
	bubble(t, relay.Options{MaxSessions: -1}, func(t *testing.T, srv *relay.Server) {
		alice := guest(t, srv, "alice")
		var crowd []*peer
		for range 100 {
			p, _ := program(t, srv, hello("bot"))
			crowd = append(crowd, p)
		}
		alice.next("* bot joined") // announced before the second joined, whose welcome lists it
		alice.next(" and 87 more joined")
		for _, p := range crowd {
			p.conn.Close()
		}
		alice.next(" and 88 more left")
		join(t, srv, "scan").conn.Close()
		alice.quiet(10 * time.Second)
	})
}

func TestIgnore(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice, bob, carol := guest(t, srv, "alice"), guest(t, srv, "bob"), guest(t, srv, "carol")
		p, _ := program(t, srv, hello("p"))
		alice.expect("p joined")
		alice.send("/ignore bob", "/ignore")
		alice.next("* messages from bob are hidden")
		alice.next("* you ignore bob")
		p.send(`{"type":"ignore","nick":"bob"}`)
		p.expectEvent(wire.TypeNotice)
		bob.send("one", "/msg alice two", "/me three", "/nick rob", "four")
		carol.expect("four")
		carol.send("five")
		alice.next("five")
		if e := p.expectEvent(wire.TypeMessage); e.Text != "five" {
			t.Errorf("the program got %+v", e)
		}
		alice.send("/unignore bob")
		alice.next("* messages from bob are shown again")
		bob.send("six")
		alice.next("<rob> six")
	})
}

func TestModeration(t *testing.T) {
	bubble(t, relay.Options{HostToken: "secret-token"}, func(t *testing.T, srv *relay.Server) {
		host, welcome := program(t, srv, `{"type":"hello","nick":"h","token":"secret-token"}`)
		alice, bob := guest(t, srv, "alice"), guest(t, srv, "bob")
		bot, _ := program(t, srv, `{"type":"hello","nick":"bot","token":"bots-own-token"}`)
		alice.expect("bot joined")
		bob.expect("bot joined")
		host.send(`{"type":"mute","nick":"bob","text":"too\nloud"}`)
		bob.expect("* h muted you: your messages are not sent: too loud")
		bob.next("* h muted bob: too loud")
		alice.next("* h muted bob: too loud")
		bob.send("hi", "/msg alice hi", "/me hi", "/topic hi")
		for range 4 {
			bob.next("! an operator muted you")
		}
		host.send(`{"type":"command","text":"/unmute bob"}`)
		host.expect("bob is no longer muted")
		alice.next("* h lifted the mute of bob")
		bob.send("I can speak")
		alice.next("<bob> I can speak")
		host.send(`{"type":"kick","nick":"bob","text":"too loud"}`)
		bob.expect("* you were kicked by h: too loud")
		bob.closed()
		alice.next("* bob was kicked by h: too loud")
		host.send(`{"type":"command","text":"/ban bot"}`)
		if e := bot.expectEvent(wire.TypeBye); e.Code != wire.CodeBanned {
			t.Errorf("the bot got %+v", e)
		}
		alice.next("* bot was banned by h")
		again := join(t, srv, "again")
		again.send(`{"type":"hello","nick":"x","token":"bots-own-token"}`)
		if e := again.event(); e.Code != wire.CodeBanned {
			t.Errorf("the banned bot got %+v", e)
		}
		again.closed()
		host.send(`{"type":"bans"}`)
		host.expect("banned: bot")
		host.send(`{"type":"kick","nick":"h"}`, `{"type":"ban","nick":"127.0.0.1"}`, `{"type":"unban","nick":"bot"}`)
		host.expect("h is an operator")
		host.expect("127.0.0.1 is this machine's own address")
		host.expect("bot is no longer banned")
		program(t, srv, `{"type":"hello","nick":"x","token":"bots-own-token"}`)
		if welcome.Nick != "h" {
			t.Errorf("the operator is %q", welcome.Nick)
		}
	})
}

package relay_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/wire"
)

// say sends a message with a number, as a program.
func (p *peer) say(seq int, text string) {
	p.t.Helper()
	p.send(fmt.Sprintf(`{"type":"say","seq":%d,"text":%q}`, seq, text))
}

// The limits of messages change for members who are in the room.
func TestMessageLimitsChange(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		alice, _ := program(t, srv, hello("alice"))
		defer alice.conn.Close()
		alice.say(1, "one\ntwo\nthree")
		alice.expectEvent(wire.TypeMessage)
		srv.SetLimits(relay.Options{MaxText: 10, MaxTextLines: 2})
		alice.say(2, "more than ten bytes")
		if e := alice.expectEvent(wire.TypeError); e.Code != wire.CodeTooLong || e.Text != "a message has at most 10 bytes; it was not sent" {
			t.Errorf("%+v", e)
		}
		alice.say(3, "1\n2\n3")
		if e := alice.expectEvent(wire.TypeError); e.Text != "a message has at most 2 lines; it was not sent" {
			t.Errorf("%+v", e)
		}
		srv.SetLimits(relay.Options{})
		alice.say(4, "1\n2\n3 and more")
		alice.expectEvent(wire.TypeMessage)
	})
}

// The limits of lines change for new connections. Those that are open keep theirs.
func TestLineLimitsChange(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		long := strings.Repeat("x", 200)
		bob, alice := guest(t, srv, "bob"), guest(t, srv, "alice")
		carol, _ := program(t, srv, hello("carol"))
		srv.SetLimits(relay.Options{MaxLine: 100, MaxJSONLine: 150})
		bob.send(long)
		alice.expect("<bob> " + long)
		carol.say(1, long)
		alice.expect("<carol> " + long)

		dave := guest(t, srv, "dave")
		dave.send(long)
		dave.expect("! a line has at most 100 bytes; this one was dropped")
		erin, _ := program(t, srv, hello("erin"))
		erin.say(1, long)
		if e := erin.expectEvent(wire.TypeError); e.Text != "a line has at most 150 bytes; this one was dropped" {
			t.Errorf("%+v", e)
		}
		if srv.MaxLine() != 150 {
			t.Errorf("requests may have %d bytes", srv.MaxLine())
		}
	})
}

// The time for the first line changes for new connections, the write timeout for all.
func TestTimeoutsChange(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		deaf, theirs := net.Pipe()
		served := make(chan struct{})
		go func() {
			srv.ServeConn(context.Background(), theirs)
			close(served)
		}()
		io.WriteString(deaf, hello("deaf")+"\n")
		if _, err := deaf.Read(make([]byte, 4<<10)); err != nil { // the welcome, and nothing after it
			t.Fatal(err)
		}
		srv.SetLimits(relay.Options{FirstLine: 5 * time.Second, Stall: 3 * time.Second})
		began := time.Now()
		alice := join(t, srv, "alice")
		alice.send(hello("alice"))
		<-served
		if took, n := time.Since(began), srv.Stats().Stalled; took > 5*time.Second || n != 1 {
			t.Errorf("after %v, %d sessions were closed", took, n)
		}

		late := join(t, srv, "late")
		began = time.Now()
		io.WriteString(late.conn, `{"type":`)
		late.closed()
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("the time for the first line was %v", took)
		}
	})
}

// The limits of memory change at once.
func TestMemoryLimitsChange(t *testing.T) {
	bubble(t, relay.Options{Rate: -1}, func(t *testing.T, srv *relay.Server) {
		alice, _ := program(t, srv, hello("alice"))
		defer alice.conn.Close()
		said := 0
		after := func(messages, atLeast, atMost int) {
			t.Helper()
			for range messages {
				said++
				alice.say(said, "soup")
			}
			time.Sleep(time.Second)
			if n := int(srv.Stats().History.Events); n < atLeast || n > atMost {
				t.Errorf("after %d messages, %d events are in memory; want %d to %d", said, n, atLeast, atMost)
			}
		}
		after(3000, 3000, 3001)
		srv.SetLimits(relay.Options{Rate: -1, History: history.Limits{Events: 50}})
		after(0, 50, 1024) // the newest block
		after(60, 50, 60)
		srv.SetLimits(relay.Options{Rate: -1})
		after(500, 550, 560)
		srv.SetLimits(relay.Options{Rate: -1, History: history.Limits{Events: 400, Bytes: 20_000}})
		after(500, 50, 250)
	})
}

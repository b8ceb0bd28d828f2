package client

import (
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// A client reconnects to a host that restarts at a random time within what the host says. If the host does not return, the
// pauses grow as after any lost connection.
func TestHostRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const within = 2 * time.Second
		var pauses []time.Duration
		for range 20 {
			s := &membership{pause: time.Minute}
			goodbye := refused(wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Restart: int(within.Milliseconds())})
			if !IsRestart(goodbye) {
				t.Fatal("the goodbye is not that of a host that restarts")
			}
			pause := s.pauseAfter(goodbye)
			if pause < 0 || pause >= within {
				t.Errorf("the pause is %v", pause)
			}
			pauses = append(pauses, pause)
			for _, want := range []time.Duration{250 * time.Millisecond, 400 * time.Millisecond, 640 * time.Millisecond} {
				if next := s.pauseAfter(errHungUp); next < want*7/10 || next > want*13/10 {
					t.Errorf("the next pause is %v, want about %v", next, want)
				}
			}
		}
		same := true
		for _, p := range pauses {
			same = same && p == pauses[0]
		}
		if same {
			t.Errorf("all wait for %v", pauses[0])
		}
	})
}

// The program learns that the host restarts, and what was not acknowledged is sent again.
func TestResendToARestartedHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScriptedHost(t)
		joined := make(chan *hostEnd)
		go func() { joined <- h.welcome(wire.Event{}) }()
		c, err := Join(t.Context(), Options{Dial: h.dial, Addr: "host:1"})
		if err != nil {
			t.Fatal(err)
		}
		end := <-joined
		if _, err := c.Say(t.Context(), "soup"); err != nil {
			t.Fatal(err)
		}
		end.want(wire.TypeSay)
		end.send(wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Text: "the host restarts", Restart: 100})
		began := time.Now()
		end = h.welcome(wire.Event{})
		if took := time.Since(began); took >= 100*time.Millisecond {
			t.Errorf("the client was back after %v", took)
		}
		if again := end.want(wire.TypeSay); again.Text != "soup" || again.Seq != 1 {
			t.Errorf("the client sent %+v", again)
		}
		end.send(wire.Event{Type: wire.TypeMessage, ID: 1, Client: "me", From: "alice", Seq: 1, Text: "soup"})
		var lost []Disconnected
		for e := range c.Events() {
			switch e := e.(type) {
			case Disconnected:
				lost = append(lost, e)
			case Received:
				if e.Type == wire.TypeMessage {
					go c.Close()
				}
			}
		}
		if len(lost) != 1 || !IsRestart(lost[0].Err) || lost[0].RetryIn >= 100*time.Millisecond {
			t.Errorf("the program got %+v", lost)
		}
	})
}

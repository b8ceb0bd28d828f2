package relay_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/history"
	"chat/relay/wire"
)

func TestBacklog(t *testing.T) {
	bubble(t, relay.Options{Backlog: 3}, func(t *testing.T, srv *relay.Server) {
		alice := guest(t, srv, "alice")
		for n := range 10 {
			alice.send(fmt.Sprintf("line %d", n))
		}
		guest(t, srv, "bob").conn.Close()
		carol := join(t, srv, "carol")
		carol.next("* Welcome")
		for n := 7; n < 10; n++ {
			carol.next(fmt.Sprintf("<alice> line %d", n))
		}
		carol.quiet(100 * time.Millisecond) // nothing about bob, who joined and left before
		for backlog, first := range map[int]string{0: "", 1: "line 9", 100: "line 0"} {
			p, welcome := program(t, srv, fmt.Sprintf(`{"type":"hello","backlog":%d}`, backlog))
			e := wire.Event{}
			if backlog > 0 {
				e = p.event()
			}
			if e.Text != first || e.ID >= welcome.Next {
				t.Errorf("backlog %d begins with %+v (next is %d), want %q", backlog, e, welcome.Next, first)
			}
		}
	})
}

func TestResume(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		bob := guest(t, srv, "bob")
		p, welcome := program(t, srv, `{"type":"hello","nick":"alice","token":"alice-token"}`)
		bob.expect("alice joined")
		p.send(`{"type":"say","seq":1,"text":"one"}`)
		last := p.expectEvent(wire.TypeMessage)
		p.conn.Close()
		bob.expect("alice left")
		bob.send("two", "three")
		time.Sleep(time.Second)
		p, again := program(t, srv, fmt.Sprintf(`{"type":"hello","nick":"alice","token":"alice-token","room":%q,"since":%d}`, welcome.Room, last.ID))
		if again.Client != welcome.Client || again.Nick != "alice" || again.Seq != 1 {
			t.Errorf("welcome back: %+v", again)
		}
		for _, want := range []string{"two", "three"} {
			if e := p.event(); e.Text != want {
				t.Errorf("caught up on %+v, want %q", e, want)
			}
		}
		p.send(`{"type":"say","seq":1,"text":"one"}`, `{"type":"say","seq":2,"text":"four"}`)
		if e := p.expectEvent(wire.TypeError); e.Code != wire.CodeDuplicate || e.Seq != 1 {
			t.Errorf("said twice: %+v", e)
		}
		if e := p.expectEvent(wire.TypeMessage); e.Text != "four" {
			t.Errorf("got %+v", e)
		}
		other := join(t, srv, "other")
		other.send(`{"type":"hello","room":"0123456789abcdef","since":4}`)
		if e := other.event(); e.Code != wire.CodeWrongRoom {
			t.Errorf("another room: %+v", e)
		}
		other.closed()
	})
}

func TestTakeover(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		bob := guest(t, srv, "bob")
		p, _ := program(t, srv, `{"type":"hello","nick":"alice","token":"alice-token"}`)
		bob.next("* alice joined")
		_, welcome := program(t, srv, `{"type":"hello","nick":"alice","token":"alice-token"}`)
		if e := p.expectEvent(wire.TypeBye); e.Code != wire.CodeReplaced {
			t.Errorf("the older connection got %+v", e)
		}
		p.closed()
		if welcome.Nick != "alice" || welcome.Count != 1 {
			t.Errorf("the newer one got %+v", welcome)
		}
		bob.quiet(10 * time.Second)
	})
}

func TestGap(t *testing.T) {
	bubble(t, relay.Options{History: history.Limits{Events: 8}}, func(t *testing.T, srv *relay.Server) {
		alice := guest(t, srv, "alice")
		for n := range 100 {
			alice.send(fmt.Sprintf("line %d", n))
		}
		time.Sleep(time.Second)
		p, welcome := program(t, srv, `{"type":"hello","since":1}`)
		gap, first := p.event(), p.event()
		if gap.Type != wire.TypeGap || gap.Missed != first.ID-2 || welcome.Next-first.ID < 8 {
			t.Errorf("got %+v, then %+v", gap, first)
		}
	})
}

// A since beyond the last ID is from another log. The client gets to know that it may have missed events.
func TestSinceOfAnotherLog(t *testing.T) {
	for since, want := range map[int]string{1: wire.TypePong, 2: wire.TypeGap, 20: wire.TypeGap} {
		bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
			p, _ := program(t, srv, fmt.Sprintf(`{"type":"hello","since":%d}`, since))
			p.send(`{"type":"ping"}`)
			e := p.event()
			for e.Type != wire.TypePong && e.Type != wire.TypeGap {
				e = p.event()
			}
			if e.Type != want || e.Missed != 0 {
				t.Errorf("since %d came %+v, want a %s", since, e, want)
			}
		})
	}
}

// When a room closes, all members receive everything accepted before, and then a bye.
func TestShutdown(t *testing.T) {
	bubble(t, relay.Options{}, func(t *testing.T, srv *relay.Server) {
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		ln := newPipeListener()
		go func() { served <- srv.Serve(ctx, ln) }()
		alice, bob := newPeer(t, "alice", ln.dial()), newPeer(t, "bob", ln.dial())
		stuck := ln.dial() // never reads
		alice.send("a")
		bob.expect("* Welcome")
		for n := range 100 {
			alice.send(fmt.Sprintf("line %d", n))
		}
		synctest.Wait() // until everything is accepted
		cancel()
		began := time.Now()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("the room took %v to close", d)
		}
		rest := bob.closed()
		if len(rest) < 2 || !strings.Contains(rest[len(rest)-2], "line 99") || rest[len(rest)-1] != "* the room is closing; goodbye" {
			t.Errorf("bob got at last %q", rest[max(0, len(rest)-3):])
		}
		alice.closed()
		stuck.Close()
	})
}

// A pipeListener accepts connections made in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{make(chan net.Conn), make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *pipeListener) dial() net.Conn {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return ours
}

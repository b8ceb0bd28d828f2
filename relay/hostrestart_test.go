package relay_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/wire"
)

// A host that is about to return says so, to people in words.
func TestByeOfARestart(t *testing.T) {
	restarts := true
	keptRoom(t, relay.Options{Restarts: func() bool { return restarts }}, func(t *testing.T, k *kept) {
		const programs = 100
		var peers []*peer
		for range programs {
			p, _ := program(t, k.srv, `{"type":"hello"}`)
			peers = append(peers, p)
		}
		person := guest(t, k.srv, "person")
		synctest.Wait()
		k.restart()
		for _, p := range peers {
			if e := p.expectEvent(wire.TypeBye); e.Code != wire.CodeShutdown || e.RestartWithin() != 2*(programs+1)*time.Millisecond {
				t.Fatalf("the bye is %+v", e)
			}
		}
		person.expect("* the host restarts; connect again in a moment")

		p, _ := program(t, k.srv, `{"type":"hello"}`)
		k.restart()
		if e := p.expectEvent(wire.TypeBye); e.RestartWithin() != 50*time.Millisecond {
			t.Errorf("the bye of a small room is %+v", e)
		}
		restarts = false
		p, _ = program(t, k.srv, `{"type":"hello"}`)
		k.restart()
		if e := p.expectEvent(wire.TypeBye); e.Restart != 0 || e.Text != "the room is closing; goodbye" {
			t.Errorf("the bye of a room that closes is %+v", e)
		}
	})
}

// A client that reads nothing does not keep a host from returning.
func TestStalledSessionAtARestart(t *testing.T) {
	keptRoom(t, relay.Options{Restarts: func() bool { return true }}, func(t *testing.T, k *kept) {
		ours, theirs := net.Pipe() // which takes only what is read
		defer ours.Close()
		go k.srv.ServeConn(context.Background(), theirs)
		if _, err := io.WriteString(ours, `{"type":"hello"}`+"\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReaderSize(ours, 16).ReadByte(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		began := time.Now()
		k.restart()
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("closing took %v, want 500 ms", took)
		}
	})
}

// An office behind one router comes back at once, as far as the limit lets it in.
func TestOfficeReturns(t *testing.T) {
	const office = 300
	bubble(t, relay.Options{MaxPerAddress: office, Backlog: -1}, func(t *testing.T, srv *relay.Server) {
		for range office {
			p := joinFrom(t, srv, "10.66.1.4")
			defer p.conn.Close()
			p.send(`{"type":"hello"}`)
			p.expectEvent(wire.TypeWelcome)
		}
	})
}

func TestRestartWithin(t *testing.T) {
	for _, test := range []struct {
		e    wire.Event
		want time.Duration
	}{
		{wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Restart: 400}, 400 * time.Millisecond},
		{wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Restart: -1}, 0},
		{wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Restart: 1<<31 - 1}, 5 * time.Second},
		{wire.Event{Type: wire.TypeBye, Code: wire.CodeBanned, Restart: 400}, 0},
		{wire.Event{Type: wire.TypeNotice, Restart: 400}, 0},
	} {
		if got := test.e.RestartWithin(); got != test.want {
			t.Errorf("%+v: %v, want %v", test.e, got, test.want)
		}
	}
}

// A check of a host succeeds as long as it waits for its disk, and fails if it accepts no connection.
func TestWorkCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := relay.New(relay.Options{})
		ln := newPipeListener()
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ctx, ln) }()
		check := srv.NewWorkCheck()
		for range 3 {
			time.Sleep(15 * time.Second)
			if err := check.Check(); err != nil {
				t.Error(err)
			}
		}
		release := make(chan struct{})
		_, theirs := net.Pipe()
		ln.conns <- unknownPeer{theirs, release}
		synctest.Wait()
		if err := check.Check(); err != nil {
			t.Errorf("at once: %v", err)
		}
		time.Sleep(15 * time.Second)
		if err := check.Check(); err == nil || err.Error() != "no connection was accepted for 15s" {
			t.Errorf("a stuck host: %v", err)
		}
		close(release)
		synctest.Wait()
		if err := check.Check(); err != nil {
			t.Errorf("a host that continues: %v", err)
		}
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// An unknownPeer has no address until it is released.
type unknownPeer struct {
	net.Conn
	release <-chan struct{}
}

func (p unknownPeer) RemoteAddr() net.Addr {
	<-p.release
	return p.Conn.RemoteAddr()
}

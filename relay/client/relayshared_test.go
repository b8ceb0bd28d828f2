package client

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/journal/journaltest"
	"chat/relay/wire"
)

// A realRelay is a relay of a shared room on a port of this machine.
type realRelay struct {
	addr string
	end  func() // closes it, with a goodbye
}

func openRelay(t *testing.T, store *journaltest.Store) *realRelay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &realRelay{addr: ln.Addr().String()}
	srv, err := relay.NewShared(t.Context(), store.Relay(), nil, relay.Options{
		Title: "kitchen", Room: "0123456789abcdef", Secret: "the secret of all relays", Rate: -1, Ways: func() []string { return []string{r.addr} },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		if err := srv.Serve(ctx, ln); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	r.end = sync.OnceFunc(func() {
		cancel()
		served.Wait()
	})
	t.Cleanup(r.end)
	return r
}

// A client moves between real relays, whether its relay says goodbye or is suddenly unreachable, while it sends and receives.
// It stays the same client, and all see every message once, in one order.
func TestMoveInASharedRoom(t *testing.T) {
	store := journaltest.New()
	a, c := openRelay(t, store), openRelay(t, store)
	openRelay(t, store)
	n := newRelayNet()
	n.over = func(ctx context.Context, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}

	alice, err := Join(t.Context(), Options{Addr: a.addr, Nick: "alice", Dial: n.dial, Idle: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	bob, err := Join(t.Context(), Options{Addr: c.addr, Nick: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	const each = 60
	var mu sync.Mutex // guards heard
	heard := make([][]string, 2)
	var reading, sending sync.WaitGroup
	moves := make(chan Connected, 10)
	for i, member := range []*Client{alice, bob} {
		reading.Go(func() {
			for e := range member.Events() {
				switch e := e.(type) {
				case Connected:
					if e.Resumed && member == alice {
						moves <- e
					}
				case Received:
					if e.Type == wire.TypeMessage {
						mu.Lock()
						heard[i] = append(heard[i], fmt.Sprint(e.ID, " ", e.From, ": ", e.Text))
						mu.Unlock()
					}
				}
			}
		})
	}
	for i, member := range []*Client{alice, bob} {
		sending.Go(func() {
			for k := range each {
				if _, err := member.Say(t.Context(), fmt.Sprintf("%d.%d", i, k)); err != nil {
					t.Error(err)
				}
				time.Sleep(30 * time.Millisecond)
			}
		})
	}
	client := alice.Welcome().Client
	time.Sleep(300 * time.Millisecond)
	a.end()
	moved := <-moves
	if moved.Addr == a.addr || !moved.Moved {
		t.Errorf("after the goodbye of its relay: %+v", moved)
	}
	time.Sleep(300 * time.Millisecond)
	n.set("gone", moved.Addr)
	gone := time.Now()
	again := <-moves
	if again.Addr == moved.Addr || again.Addr == a.addr || !again.Moved {
		t.Errorf("after the machine of its relay is gone: %+v", again)
	}
	t.Logf("back after %v", time.Since(gone))
	for _, w := range []wire.Event{moved.Welcome, again.Welcome} {
		if !slices.Equal(w.Members, []string{"bob"}) || w.Count != 1 {
			t.Errorf("after a move there are %d others, %q", w.Count, w.Members)
		}
	}
	if again.Welcome.Client != client || again.Welcome.Nick != "alice" {
		t.Errorf("the client is %s as %s now", again.Welcome.Client, again.Welcome.Nick)
	}
	sending.Wait()
	for _, member := range []*Client{alice, bob} {
		if err := member.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		complete := len(heard[0]) >= 2*each && len(heard[1]) >= 2*each
		mu.Unlock()
		if complete {
			break
		}
	}
	for _, member := range []*Client{alice, bob} {
		if err := member.Close(); err != nil {
			t.Error(err)
		}
	}
	reading.Wait()
	if !slices.Equal(heard[0], heard[1]) || len(heard[0]) != 2*each {
		t.Errorf("alice has %d messages:\n%s\nbob has %d:\n%s", len(heard[0]), strings.Join(heard[0], "\n"), len(heard[1]), strings.Join(heard[1], "\n"))
	}
}

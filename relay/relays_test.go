package relay_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"chat/relay"
	"chat/relay/journal/journaltest"
	"chat/relay/wire"
)

// A room with a single host says nothing of relays.
func TestSingleHostHasNoRelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := relay.New(relay.Options{})
		bot, welcome := program(t, srv, hello("bot"))
		if welcome.Relays != nil {
			t.Errorf("the welcome has the relays %q", welcome.Relays)
		}
		bot.conn.Close()
	})
}

// A room that relays share lists those that live, the best address of each first, and all of them answer a probe as one host.
func TestRelaysOfASharedRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := journaltest.New()
		open := func(addrs ...string) (*relay.Server, func()) {
			srv, err := relay.NewShared(t.Context(), store.Relay(), nil, relay.Options{
				Title: "kitchen", Room: "0123456789abcdef", Secret: sharedSecret, Ways: func() []string { return addrs },
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			var served sync.WaitGroup
			served.Go(func() { srv.Serve(ctx, newClosedListener()) })
			return srv, func() { cancel(); served.Wait() }
		}
		first, endFirst := open("10.0.0.1:1", "10.1.0.1:1")
		defer endFirst()
		synctest.Wait()
		bot, welcome := program(t, first, hello("bot"))
		if !slices.Equal(welcome.Relays, []string{"10.0.0.1:1", "10.1.0.1:1"}) {
			t.Errorf("the welcome has the relays %q", welcome.Relays)
		}
		person := guest(t, first, "alice")
		second, endSecond := open("10.0.0.2:1", "not an address")
		e := bot.expectEvent(wire.TypeRelays)
		best := slices.Sorted(slices.Values(e.Relays[:2]))
		if len(e.Relays) != 3 || !slices.Equal(best, []string{"10.0.0.1:1", "10.0.0.2:1"}) {
			t.Errorf("the relays are %q", e.Relays)
		}
		instances := make(map[string]bool)
		for _, srv := range []*relay.Server{first, second} {
			p := join(t, srv, "probe")
			p.send(`{"type":"hello","version":1,"probe":true,"nonce":"V5J2QK7RX3MTA4NB"}`)
			instances[p.event().Instance] = true
			p.conn.Close()
		}
		if len(instances) != 1 {
			t.Errorf("the relays answer a probe with the instances %v", instances)
		}
		endSecond()
		if e := bot.expectEvent(wire.TypeRelays); !slices.Equal(e.Relays, []string{"10.0.0.1:1", "10.1.0.1:1"}) {
			t.Errorf("after the end of one, the relays are %q", e.Relays)
		}
		synctest.Wait()
		for len(person.lines) > 0 {
			if line := <-person.lines; strings.Contains(line, "10.0.0") {
				t.Errorf("a person got %q", line)
			}
		}
		person.conn.Close()
		bot.conn.Close()
	})
}

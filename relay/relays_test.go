package relay_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/wire"
)

// Programs get the addresses of all hosts of the room with the welcome, and again when they change. People see nothing.
func TestRelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list atomic.Pointer[[]string]
		set := func(addrs ...string) { list.Store(&addrs) }
		set("10.0.0.1:24280", "10.0.0.2:24280", "not an address")
		srv := relay.New(relay.Options{Title: "kitchen", Relays: func() []string { return *list.Load() }})
		person := guest(t, srv, "alice")
		bot, welcome := program(t, srv, hello("bot"))
		if !slices.Equal(welcome.Relays, []string{"10.0.0.1:24280", "10.0.0.2:24280"}) {
			t.Errorf("the welcome has the relays %q", welcome.Relays)
		}
		time.Sleep(time.Second)
		set("10.0.0.2:24280")
		srv.RelaysChanged()
		for {
			e := bot.event()
			if e.Type != wire.TypeRelays {
				continue
			}
			if !slices.Equal(e.Relays, []string{"10.0.0.2:24280"}) || e.ID != 0 {
				t.Errorf("got %+v", e)
			}
			break
		}
		synctest.Wait()
		person.expect("* bot joined")
		select {
		case line := <-person.lines:
			t.Errorf("a person got %q", line)
		default:
		}
		person.conn.Close()
		bot.conn.Close()
	})
}

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

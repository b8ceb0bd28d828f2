package room

import (
	"testing"
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// A deafPeer takes everything and does nothing.
type deafPeer struct{}

func (deafPeer) Start(wire.Event, uint64, uint64, history.View) {}
func (deafPeer) Deliver(*wire.Event, string) bool               { return true }
func (deafPeer) Ignore(map[history.Author]bool)                 {}
func (deafPeer) End(wire.Event)                                 {}

// BenchmarkPost measures a message's way from the session into the log.
func BenchmarkPost(b *testing.B) {
	for name, program := range map[string]bool{"person": false, "program": true} {
		b.Run(name, func(b *testing.B) {
			r := New(Options{FlushIn: func(time.Duration) {}}, history.New(history.Limits{}, func([]history.Waiter) {}))
			m := &Member{Peer: deafPeer{}, Program: program}
			now := time.Now()
			if _, err := r.Enter(m, &wire.Request{Nick: "alice"}, 1, now); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			seq := uint64(0)
			for b.Loop() {
				if program {
					seq++
				}
				if err := r.Post(m, wire.TypeMessage, seq, "the soup is ready, come down before it gets cold (again)", now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package client

import (
	"testing"

	"chat/relay/wire"
)

// Each connection asks for the nick that the program wants, not for the one that the host gave
// it instead.
func TestWantedNick(t *testing.T) {
	tests := []struct {
		name  string
		nick  string      // of the options
		given string      // of the welcome
		event *wire.Event // that follows; nil: none
		want  string      // of the next hello
	}{
		{"given", "alice", "alice", nil, "alice"},
		{"a suffix", "alice", "alice-2", nil, "alice"},
		{"none wanted", "", "guest-3", nil, ""},
		{"changed", "alice", "alice", &wire.Event{Type: wire.TypeNick, Client: "me", Nick: "bob"}, "bob"},
		{"changed to a taken one", "alice", "alice", &wire.Event{Type: wire.TypeNick, Client: "me", Nick: "bob-2", Wanted: "bob"}, "bob"},
		{"free again", "alice", "alice-2", &wire.Event{Type: wire.TypeNick, Client: "me", Nick: "alice"}, "alice"},
		{"taken by the host", "alice", "alice", &wire.Event{Type: wire.TypeNick, Client: "me", Nick: "alice-2", Wanted: "alice"}, "alice"},
		{"of another", "alice", "alice", &wire.Event{Type: wire.TypeNick, Client: "other", Nick: "bob"}, "alice"},
		{"invalid", "alice", "alice", &wire.Event{Type: wire.TypeNick, Client: "me", Nick: "bob", Wanted: "a b"}, "alice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, h, end := join(t, Options{Nick: test.nick}, func(h *scriptedHost) *hostEnd {
					return h.welcome(wire.Event{Client: "me", Nick: test.given})
				})
				nextEvent[Connected](t, c)
				if test.event != nil {
					end.send(*test.event)
					nextEvent[Received](t, c)
				}
				end.conn.Close()
				nextEvent[Disconnected](t, c)
				end = h.accept()
				if hello := end.want(wire.TypeHello); hello.Nick != test.want {
					t.Errorf("it asks for %q, want %q", hello.Nick, test.want)
				}
				end.send(welcomeTo("r1", wire.Event{}))
				nextEvent[Connected](t, c)
				closeClient(t, c, end)
			})
		})
	}
}

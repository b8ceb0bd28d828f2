package room

import (
	"slices"

	"chat/relay/wire"
)

// relays returns the addresses of all hosts that serve the room; nil: there is only this one.
func (r *Room) relays() []string {
	if r.opts.Relays == nil {
		return nil
	}
	return wire.Relays(slices.Clone(r.opts.Relays()))
}

// RelaysChanged sends all programs the addresses of the hosts that serve the room. People, who connect by
// themselves, see nothing.
func (r *Room) RelaysChanged() {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := wire.Event{Type: wire.TypeRelays, Relays: r.relays()}
	for _, m := range r.members {
		if m.Program && !m.Visit {
			m.Peer.Deliver(&e, m.nick)
		}
	}
}

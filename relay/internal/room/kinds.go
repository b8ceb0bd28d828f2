package room

import "chat/relay/wire"

// Kinds count the members of a room by what they use.
type Kinds struct {
	People   int // nc or telnet
	Programs int // chat join, or another program
	Pages    int // the web page, or another program that comes by HTTP
}

// Kinds counts the members. Visits are members only for a moment, and count as programs.
func (r *Room) Kinds() (k Kinds) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		switch {
		case m.Page:
			k.Pages++
		case m.Program:
			k.Programs++
		default:
			k.People++
		}
	}
	return k
}

// NotifyOperators sends a notice to all operators who are in the room.
func (r *Room) NotifyOperators(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		if m.identity.operator {
			m.Peer.Deliver(&wire.Event{Type: wire.TypeNotice, Text: text}, m.nick)
		}
	}
}

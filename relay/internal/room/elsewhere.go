package room

import (
	"time"

	"chat/relay/sshkey"
)

// A MemberElsewhere is a member with a connection to another relay of a shared room.
type MemberElsewhere struct {
	Nick     string
	Tag      string // of its key; "": it has none
	Operator bool
	Muted    bool
	Relay    string // ID
	Since    time.Time
}

// Elsewhere lists the members with connections to other relays, by nick.
func (r *Room) Elsewhere() (list []MemberElsewhere) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.order == nil {
		return nil
	}
	for _, c := range r.state.shared.of("") {
		if c.Relay == r.order.Relay() || r.memberOfLocked(c.Author) != nil {
			continue
		}
		s := c.subject()
		list = append(list, MemberElsewhere{
			Nick: c.Nick, Tag: sshkey.Tag(c.Fingerprint), Operator: s.byRight || r.state.wasMade(s), Muted: isMarked(r.state.mutes, s),
			Relay: c.Relay, Since: c.At.Time,
		})
	}
	return list
}

// RelayMembers returns how many members each relay has, by its ID; nil: one host has the room.
func (r *Room) RelayMembers() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.order == nil {
		return nil
	}
	members := make(map[string]int)
	for _, relay := range r.state.relaysPresent() {
		members[relay] = r.state.shared.relays[relay]
	}
	return members
}

package room

import (
	"slices"
	"time"

	"chat/relay/internal/access"
	"chat/relay/wire"
)

// Regrade applies changes of the keys that let members in, or make them operators, to those in
// the room. level returns the level of a client that has proven a secret of a level, which may be
// access.None, and a key. Members who may no longer send leave the room.
func (r *Room) Regrade(level func(secret access.Level, key *access.Key) access.Level, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	for _, m := range slices.Clone(r.members) {
		if m.Key == nil || m.Level < access.Member {
			continue
		}
		granted := level(m.BySecret, m.Key)
		if granted < access.Member {
			r.leaveLocked(m, left, wire.Event{}, now)
			m.Peer.End(byeEvent(wire.CodeNotMember, "your key is no longer that of a member"))
			continue
		}
		id := m.identity
		if byRight := id.host || granted == access.Operator; byRight != id.byRight {
			id.byRight = byRight
			r.recordClientLocked(m, here, now)
			if before := id.operator; before == r.reviewLocked(m) {
				continue // an operator made it one
			}
			r.recordRankLocked(m, now)
		}
	}
}

package room

import (
	"chat/relay/internal/access"
	"chat/relay/wire"
)

// Renewed notifies everyone present that by replaced the room's secrets. Programs get their new one, for listening
// or for members. Operators keep theirs. Nothing of this is in the log. It returns the nick of by.
func (r *Room) Renewed(by *Member, listen, member string) (nick string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	notice := wire.Event{Type: wire.TypeNotice, Text: by.nick + " replaced the invite: the one before lets no one in. /invite shows the new one"}
	for _, m := range r.members {
		renewed := wire.Event{Type: wire.TypeInvite}
		switch m.Level {
		case access.Listen:
			renewed.Data = listen
		case access.Member:
			renewed.Data = member
		}
		if m.Program && renewed.Data != "" {
			m.Peer.Deliver(&renewed, m.nick)
		}
		m.Peer.Deliver(&notice, m.nick)
	}
	return by.nick
}

package room

import (
	"time"

	"chat/relay/internal/access"
	"chat/relay/wire"
)

// Renewed records that by replaced the room's secrets. Programs get their new one, for listening
// or for members, which is not in the log. Operators by right keep theirs. It returns the nick of by.
func (r *Room) Renewed(by *Member, listen, member string, now time.Time) (nick string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sendSecretsLocked(listen, member)
	r.recordLocked(by, wire.TypeInvite, "", "replaced the invite; the old one no longer works. /invite shows the new one", now)
	return by.nick
}

// SendSecrets sends programs secrets that another relay of the room has made.
func (r *Room) SendSecrets(listen, member string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sendSecretsLocked(listen, member)
}

// sendSecretsLocked sends each program the secret that replaces its own. Whoever entered by key only has none, whatever
// its level.
func (r *Room) sendSecretsLocked(listen, member string) {
	for _, m := range r.members {
		renewed := wire.Event{Type: wire.TypeInvite}
		switch m.BySecret {
		case access.Listen:
			renewed.Data = listen
		case access.Member:
			renewed.Data = member
		}
		if m.Program && renewed.Data != "" {
			m.Peer.Deliver(&renewed, m.nick)
		}
	}
}

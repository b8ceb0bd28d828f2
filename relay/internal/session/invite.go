package session

import (
	"net"
	"strings"

	"chat/relay/internal/access"
	"chat/relay/internal/room"
	"chat/relay/wire"
)

// Invites are what lets others join a room.
type Invites interface {
	// Words returns how others can join, for a member of that level who reached the host at an
	// address; "": not by the network.
	Words(at string, level access.Level) string
	// Renew replaces the secrets of a sealed room, because by asked for it. The error is a
	// [*wire.Fault].
	Renew(by *room.Member) error
}

// invite shows how others can join, or replaces the invite of a sealed room: "new".
func invite(s *Session, req *wire.Request) (*wire.Event, error) {
	switch {
	case strings.TrimSpace(req.Text) == "":
		return notice("%s", s.door.Invites.Words(s.at(), s.member.Level)), nil
	case isNew(req):
		if !s.door.Room.IsOperator(&s.member) {
			return nil, wire.Faultf(wire.CodeNotAllowed, "only operators can use /invite new")
		}
		return nil, s.door.Invites.Renew(&s.member)
	}
	return nil, wire.Faultf(wire.CodeBadRequest, "usage: %s", wire.CommandNamed(wire.TypeInvite).Usage())
}

// isNew reports whether an invite request asks for a new invite.
func isNew(req *wire.Request) bool { return strings.EqualFold(strings.TrimSpace(req.Text), "new") }

// at returns the address at which the client has reached the host, if other machines may reach it there.
func (s *Session) at() string {
	at, ok := s.out.conn.LocalAddr().(*net.TCPAddr)
	if !ok || at.IP.IsLoopback() {
		return ""
	}
	return at.String()
}

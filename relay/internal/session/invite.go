package session

import (
	"net"
	"strings"

	"chat/relay/wire"
)

// invite shows how others can join, or replaces the invite of a sealed room: "new".
func invite(s *Session, req *wire.Request) (*wire.Event, error) {
	switch {
	case strings.TrimSpace(req.Text) == "":
		return notice("%s", s.door.WaysIn(s.at(), s.member.Level)), nil
	case isNew(req):
		if !s.door.Room.IsOperator(&s.member) {
			return nil, wire.Faultf(wire.CodeNotAllowed, "only operators can use /invite new")
		}
		return nil, s.door.RenewInvite(&s.member)
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

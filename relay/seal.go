package relay

import (
	"fmt"
	"net"
	"strings"

	"chat/relay/internal/access"
	"chat/relay/internal/clock"
	"chat/relay/internal/room"
	"chat/relay/seal"
	"chat/relay/wire"
)

// A Seal makes a room a sealed one: only clients with a secret or a key may enter it.
type Seal struct {
	Secrets seal.RoomSecrets

	// Renew replaces the secrets that members and listen-only guests enter the room with, keeps the new
	// ones and returns all. The server then revokes those before, and sends the new ones to those present.
	// Its error is worded for the operator who asked. It may be called concurrently. nil: the secrets
	// cannot be replaced.
	Renew func() (seal.RoomSecrets, error)

	// Invite returns the current invite with a secret, for members who ask for it. nil: the host
	// knows no invite.
	Invite func(seal.Secret) seal.Invite

	// IsMember and IsOperator report whether the key with a fingerprint (SHA256:…) is that of a
	// member or an operator, who then needs no secret. They may be called concurrently, and must
	// not block. If IsMember is not nil, only those keys are members: Secrets.Member lets no one in.
	IsMember, IsOperator func(fingerprint string) bool
}

// gate returns the gate of a room; nil if s is. key is a random string that no client knows. It is the same after a restart
// of the host, also if the room is another one then because it has no history.
func (s *Seal) gate(key string) *access.Gate {
	if s == nil {
		return nil
	}
	return access.NewGate(access.Options{Key: key, Secrets: s.Secrets, IsMember: s.IsMember, IsOperator: s.IsOperator})
}

// Gate returns the room's gate, for requests by HTTP; nil: the room is plain.
func (s *Server) Gate() *access.Gate { return s.gate }

// Invite returns the invite that a client with a level may see. false: there is none.
func (s *Server) Invite(level access.Level) (seal.Invite, bool) {
	if !s.gate.IsSealed() || s.opts.Seal.Invite == nil || level == access.None {
		return seal.Invite{}, false
	}
	return s.opts.Seal.Invite(s.gate.SecretFor(level)), true
}

// invites is the server as its sessions' [session.Invites].
type invites struct{ *Server }

// Words implements [session.Invites].
func (s invites) Words(at string, level access.Level) string {
	if !s.gate.IsSealed() {
		return s.plainWays(at)
	}
	invite, ok := s.Invite(level)
	link := invite.URL()
	if ok {
		link = strings.Join(append([]string{link}, s.programWays(invite.Addr)...), "\n")
	}
	switch {
	case !ok:
		return "this room is sealed; the host can show its invite: chat invite"
	case level == access.Listen:
		return "this link lets others read:\n" + link
	case s.gate.NeedsKey():
		return "others join with this link, if the host has their keys:\n" + link
	}
	return "this link lets others in:\n" + link
}

// programWays returns how others get the program at an address; none if the host does not hand it out.
func (s invites) programWays(addr string) []string {
	if s.opts.Program == nil {
		return nil
	}
	install, system, sum := s.opts.Program(addr)
	if install == "" {
		return nil
	}
	ways := []string{"to install chat:", install}
	if sum != "" {
		ways = append(ways, "SHA-256 of the program for "+system+":", sum)
	}
	return ways
}

// plainWays returns how others can join a plain room.
func (s invites) plainWays(at string) string {
	if s.opts.Ways != nil {
		if ways := s.opts.Ways(); len(ways) > 0 {
			at = ways[0]
		}
	}
	ways := []string{"others can join:", "chat join"}
	if host, port, err := net.SplitHostPort(at); err == nil {
		ways = []string{ways[0], "chat join --addr " + at, fmt.Sprintf("nc %s %s", host, port)}
		if s.opts.Web != nil {
			ways = append(ways, "http://"+at+"/")
			ways = append(ways, s.programWays(at)...)
		}
	}
	return strings.Join(ways, "\n")
}

// Renew implements [session.Invites].
func (s invites) Renew(by *room.Member) error {
	switch {
	case !s.gate.IsSealed():
		return wire.Faultf(wire.CodeBadRequest, "this room is not sealed: it has no invite to replace")
	case s.opts.Seal.Renew == nil:
		return wire.Faultf(wire.CodeBadRequest, "this host cannot replace its invite")
	}
	s.renewing.Lock()
	defer s.renewing.Unlock()
	secrets, err := s.opts.Seal.Renew()
	if err != nil {
		return wire.Faultf(wire.CodeBadRequest, "%v", err)
	}
	s.gate.Replace(secrets)
	s.opts.Log.Info("the invite was replaced", "by", s.room.Renewed(by, string(s.gate.SecretFor(access.Listen)), string(s.gate.SecretFor(access.Member)), clock.Now()))
	return nil
}

// AdoptSecrets replaces the secrets of a sealed room by those that another relay of the room has made, as Seal.Renew does
// here, and sends them to those present.
func (s *Server) AdoptSecrets(secrets seal.RoomSecrets) {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	if !s.gate.Adopt(secrets) {
		return
	}
	s.opts.Log.Info("the invite was replaced at another host of the room")
	s.room.SendSecrets(string(s.gate.SecretFor(access.Listen)), string(s.gate.SecretFor(access.Member)))
}

package relay

import (
	"cmp"
	"crypto/tls"

	"chat/relay/internal/access"
	"chat/relay/internal/clock"
	"chat/relay/internal/room"
	"chat/relay/internal/session"
	"chat/relay/seal"
	"chat/relay/wire"
)

// A Seal makes a room a sealed one: connections are encrypted, and only clients with a secret or a key may enter.
type Seal struct {
	// TLS has the certificate, in Certificates or GetCertificate; the server chooses versions and protocols. nil: no
	// connection from another machine is served.
	TLS *tls.Config

	// Names are the host names, in addition to addresses and localhost, that a redirect to HTTPS may use.
	Names []string

	Secrets seal.RoomSecrets

	// Renew replaces the secrets of members and of listen-only guests, keeps the new ones, and returns all. The server
	// then revokes those before, and sends the new ones to those present. Its error is worded for the operator who
	// asked. One call at a time. nil: the secrets cannot be replaced.
	Renew func() (seal.RoomSecrets, error)

	// Invite returns the current invite with a secret, for members who ask for it. nil: the host
	// knows no invite.
	Invite func(seal.Secret) seal.Invite

	// IsMember and IsOperator report whether the key with a fingerprint (SHA256:…) is that of a
	// member or an operator, who then needs no secret. They may be called concurrently, and must
	// not block. If IsMember is not nil, only those keys are members: Secrets.Member lets no one in.
	IsMember, IsOperator func(fingerprint string) bool

	// HostMemberKey is the public key of the host's own member, as in authorized_keys. The host need not prove it. "": the
	// member has none.
	HostMemberKey string
}

// gate returns the gate of a room; nil if s is. key is a random string that no client knows. It is the same after a restart
// of the host, also if the room is another one then because it has no history.
func (s *Seal) gate(key string) *access.Gate {
	if s == nil {
		return nil
	}
	return access.NewGate(access.Options{Key: key, Secrets: s.Secrets, IsMember: s.IsMember, IsOperator: s.IsOperator})
}

// hostMemberKey returns the key of the host's own member; nil: it has none.
func (s *Server) hostMemberKey() *access.Key {
	if !s.gate.IsSealed() || s.opts.Seal.HostMemberKey == "" {
		return nil
	}
	key, err := access.ParseKey(s.opts.Seal.HostMemberKey)
	if err != nil {
		s.opts.Log.Warn("the host's own member has no key", "error", err)
	}
	return key
}

// Gate returns the room's gate, for requests by HTTP; nil: the room is plain.
func (s *Server) Gate() *access.Gate { return s.gate }

// LogRefusal logs that a request of remote was not let in, unless its address group caused many log lines already; "" is this machine.
func (s *Server) LogRefusal(remote, group string, code wire.Code) {
	if skipped, ok := s.door.Logs.Allow(cmp.Or(group, session.ThisMachine)); ok {
		s.opts.Log.Warn("a request was not let in", append([]any{"remote", remote, "code", string(code)}, skipped...)...)
	}
}

// Invite returns the invite that a client with a level may see. false: there is none.
func (s *Server) Invite(level access.Level) (seal.Invite, bool) {
	if !s.gate.IsSealed() || s.opts.Seal.Invite == nil || level == access.None {
		return seal.Invite{}, false
	}
	return s.opts.Seal.Invite(s.gate.SecretFor(level)), true
}

// renewInvite replaces the secrets of a sealed room, because by asked for it. The error is a [*wire.Fault].
func (s *Server) renewInvite(by *room.Member) error {
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
	s.gate.SetSecrets(secrets)
	s.opts.Log.Info("the invite was replaced", "by", s.room.Renewed(by, string(s.gate.SecretFor(access.Listen)), string(s.gate.SecretFor(access.Member)), clock.Now()))
	return nil
}

// AdoptSecrets replaces the secrets of a sealed room by those that another relay of the room has made, and sends them to
// those present.
func (s *Server) AdoptSecrets(secrets seal.RoomSecrets) {
	s.renewing.Lock()
	defer s.renewing.Unlock()
	if !s.gate.SetSecrets(secrets) {
		return // they are those of this relay
	}
	s.opts.Log.Info("the invite was replaced at another host of the room")
	s.room.SendSecrets(string(s.gate.SecretFor(access.Listen)), string(s.gate.SecretFor(access.Member)))
}

package relay

import (
	"chat/relay/internal/access"
	"chat/relay/seal"
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

// gate returns the gate of the room; nil if s is.
func (s *Seal) gate() *access.Gate {
	if s == nil {
		return nil
	}
	return access.NewGate(access.Options{Secrets: s.Secrets, IsMember: s.IsMember, IsOperator: s.IsOperator})
}

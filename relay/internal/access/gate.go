package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"sync"

	"chat/relay/seal"
	"chat/relay/wire"
)

// Options configure a Gate.
type Options struct {
	Secrets seal.RoomSecrets

	// IsMember and IsOperator report whether the key with a fingerprint is that of a member or an
	// operator, who then needs no secret. If IsMember is not nil, the secret for members lets no one in.
	IsMember, IsOperator func(fingerprint string) bool
}

// A Gate decides who may enter a sealed room. It is safe for concurrent use. A nil Gate is that of a plain
// room, where everyone is a member.
type Gate struct {
	// fixed
	isMember, isOperator func(fingerprint string) bool

	mu      sync.Mutex // guards all below
	secrets seal.RoomSecrets
	sums    [3][sha256.Size]byte // of the secrets, in the order of levels
	wrong   tries
}

// NewGate returns a gate.
func NewGate(o Options) *Gate {
	g := &Gate{isMember: o.IsMember, isOperator: o.IsOperator, wrong: make(tries)}
	g.Replace(o.Secrets)
	return g
}

// IsSealed reports whether the room is sealed.
func (g *Gate) IsSealed() bool { return g != nil }

// Replace replaces the secrets. Those before let no one in any more.
func (g *Gate) Replace(secrets seal.RoomSecrets) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isMember != nil {
		secrets.Member = ""
	}
	g.secrets = secrets
	for i, s := range [...]seal.Secret{secrets.Listen, secrets.Member, secrets.Operator} {
		g.sums[i] = sha256.Sum256([]byte(s))
	}
}

// LevelOf returns what the owner of a proven key may do without a secret.
func (g *Gate) LevelOf(k *Key) Level {
	switch {
	case k == nil:
		return None
	case g.isOperator != nil && g.isOperator(k.Fingerprint):
		return Operator
	case g.isMember != nil && g.isMember(k.Fingerprint):
		return Member
	}
	return None
}

// Check returns what a secret lets a client do. from is its address group; "" is this machine. A wrong
// secret takes WrongDelay, unless canceled is closed before; the error is the [*wire.Fault] for the client.
func (g *Gate) Check(from, secret string, canceled <-chan struct{}) (Level, error) {
	level, err := g.check(from, secret)
	wait(err, canceled)
	return level, err
}

func (g *Gate) check(from, secret string) (Level, error) {
	parsed, _ := seal.ParseSecret(secret) // "" for one that no room has
	sum := sha256.Sum256([]byte(parsed))
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.wrong.lockedOut(from); err != nil {
		return None, err
	}
	level := 0
	for i := range g.sums { // all of them, so that the time does not depend on which one it is
		level = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], g.sums[i][:]), i+1, level)
	}
	if parsed == "" || level == 0 {
		g.wrong.count(from)
		return None, wire.Faultf(wire.CodeAuthFailed, "the secret is wrong, or no longer valid; ask for the current invite")
	}
	return Level(level), nil
}

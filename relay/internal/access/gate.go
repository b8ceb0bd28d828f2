package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"sync"

	"chat/relay/seal"
	"chat/relay/wire"
)

// Options configure a Gate.
type Options struct {
	Key     string // a random string that no client knows; it signs cookies and challenges, and tells rooms apart
	Secrets seal.RoomSecrets

	// IsMember and IsOperator report whether the key with a fingerprint is that of a member or an
	// operator, who then needs no secret. If IsMember is not nil, the secret for members lets no one in.
	IsMember, IsOperator func(fingerprint string) bool
}

// A Gate decides who may enter a sealed room. It is safe for concurrent use. A nil Gate is that of a plain
// room, where everyone is a member.
type Gate struct {
	// fixed
	key                  string
	isMember, isOperator func(fingerprint string) bool

	mu        sync.Mutex // guards all below
	secrets   seal.RoomSecrets
	sums      [Operator + 1]sum      // of the secrets, by level; zero: there is none
	verifiers [Operator + 1]verifier // likewise
	former    []sum                  // of the secrets of earlier invites
	wrong     tries
	refused   Refusals
	exchanges int // that take place

	current    context.Context // ends when the secrets are replaced
	endCurrent context.CancelFunc
}

// A sum is the SHA-256 of a secret: all have the same length, so comparing them reveals nothing about it.
type sum = [sha256.Size]byte

// NewGate returns a gate.
func NewGate(o Options) *Gate {
	g := &Gate{key: o.Key, isMember: o.IsMember, isOperator: o.IsOperator, wrong: make(tries)}
	g.current, g.endCurrent = context.WithCancel(context.Background())
	g.SetSecrets(o.Secrets)
	return g
}

// IsSealed reports whether the room is sealed.
func (g *Gate) IsSealed() bool { return g != nil }

// SetSecrets replaces the secrets: those before let no one in any more. It reports whether they are others.
func (g *Gate) SetSecrets(secrets seal.RoomSecrets) bool {
	if g.isMember != nil {
		secrets.Member = ""
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if secrets == g.secrets {
		return false
	}
	g.secrets, g.former = secrets, secrets.Former.Sums()
	for level, s := range [...]seal.Secret{Listen: secrets.Listen, Member: secrets.Member, Operator: secrets.Operator} {
		if sum := sumOf(s); sum != g.sums[level] {
			g.sums[level], g.verifiers[level] = sum, verifierOf(s, seal.Iterations)
		}
	}
	g.endCurrent()
	g.current, g.endCurrent = context.WithCancel(context.Background())
	return true
}

// sumOf returns the sum of a secret; zero for "".
func sumOf(s seal.Secret) sum {
	if s == "" {
		return sum{}
	}
	return sha256.Sum256([]byte(s))
}

// Current returns a context that ends when the secrets are replaced.
func (g *Gate) Current() context.Context {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.current
}

// SecretFor returns the secret for the invites of those with a level: guests who only listen invite others like
// them. "": the room is entered by key.
func (g *Gate) SecretFor(level Level) seal.Secret {
	g.mu.Lock()
	defer g.mu.Unlock()
	if level < Member {
		return g.secrets.Listen
	}
	return g.secrets.Member
}

// NeedsKey reports whether members enter only by key.
func (g *Gate) NeedsKey() bool { return g.isMember != nil }

// levelOf returns the level of a proven key without a secret.
func (g *Gate) levelOf(k *Key) Level {
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

// Grant returns the credentials of a client that has proven a secret of a level, None for none, and a key, which
// may be nil.
func (g *Gate) Grant(bySecret Level, k *Key) Credentials {
	return Credentials{Level: max(bySecret, g.levelOf(k)), BySecret: bySecret, Key: k}
}

// WhyNot returns the [*wire.Fault] for a client that has proven nothing.
func (g *Gate) WhyNot() error {
	if g.NeedsKey() {
		return wire.Faultf(wire.CodeNotMember, "this room is only for members with certain keys; ask the host to add yours")
	}
	return wire.Faultf(wire.CodeNoSecret, "this room is sealed: its invite has the secret")
}

// Check returns the level of a secret. from is the client's address group; "" is this machine. A wrong
// secret takes WrongDelay, unless canceled is closed before; the error is the [*wire.Fault] for the client.
func (g *Gate) Check(from, secret string, canceled <-chan struct{}) (Level, error) {
	level, err := g.check(from, secret)
	wait(err, canceled)
	return level, err
}

func (g *Gate) check(from, secret string) (Level, error) {
	parsed, _ := seal.ParseSecret(secret) // "" if no room can have it
	given := sumOf(parsed)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.lockedOutLocked(from); err != nil {
		return None, err
	}
	level := int(None)
	for l := Listen; l <= Operator; l++ { // all of them, so that the time does not depend on which one it is
		level = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(given[:], g.sums[l][:]), int(l), level)
	}
	if parsed == "" || Level(level) == None {
		if !slices.Contains(g.former, given) { // an old invite is no guess, and must not lock out others at the same address
			g.countWrongLocked(from, wholeTry)
		}
		return None, wrongSecret()
	}
	return Level(level), nil
}

func wrongSecret() error {
	return wire.Faultf(wire.CodeAuthFailed, "the secret is wrong, or no longer valid; ask for the current invite")
}

// SecretIn returns the secret in a line that a person typed, alone or in an invite. "" is always wrong.
func SecretIn(typed string) string {
	secret, _ := seal.SecretIn(typed, "") // "" if it is none
	return string(secret)
}

package access

import "context"

// A Level is a client's access to a sealed room. The levels are in order: each includes those below.
type Level uint8

const (
	None     Level = iota // not in the room
	Listen                // may read
	Member                // may send, too; in a plain room everyone may
	Operator              // may moderate, too, from anywhere
)

// String returns the name of the level in the protocol.
func (l Level) String() string {
	return [...]string{"none", "listen", "member", "operator"}[min(l, Operator)]
}

// A Key is the public key of a member. It does not change, and many connections may share it.
type Key struct {
	Fingerprint string // SHA256:…, as ssh-keygen prints it
	Tag         string // four characters of another form of the fingerprint, which people compare
}

// Credentials are the level and the key that a connection has proven.
type Credentials struct {
	Level    Level // the higher one of BySecret and that of Key
	BySecret Level // of the secret; it stays if the key is no longer listed
	Key      *Key  // nil: none

	// Valid ends when the secrets are replaced. It is that of before BySecret was proven; see [BySecretNow].
	Valid context.Context
}

// BySecretNow returns the level that a secret still proves, which proved bySecret while valid, a [Gate.Current] of before,
// had not ended. The secret of operators is not replaced.
func BySecretNow(bySecret Level, valid context.Context) Level {
	if bySecret < Operator && valid != nil && valid.Err() != nil {
		return None
	}
	return bySecret
}

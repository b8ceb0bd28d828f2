package seal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Secret lets a client into a sealed room. A generated one has 16 characters of base32, 80 bits.
type Secret string

const (
	generatedLength = 16

	// minLength is how many characters a secret of a person's own choice has at least.
	minLength = 12
	// maxLength is how many bytes a secret has at most.
	maxLength = 128
)

// NewSecret returns a random secret.
func NewSecret() Secret { return Secret(rand.Text()[:generatedLength]) }

// ParseSecret parses a secret as a person may type it: the spaces around it do not count, and a
// generated one may be in groups and in lower case.
func ParseSecret(s string) (Secret, error) {
	s = strings.TrimSpace(s)
	if generated := strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(s)); len(generated) == generatedLength && isBase32(generated) {
		return Secret(generated), nil
	}
	switch {
	case utf8.RuneCountInString(s) < minLength:
		return "", fmt.Errorf("a secret has at least %d characters", minLength)
	case len(s) > maxLength:
		return "", fmt.Errorf("a secret has at most %d bytes", maxLength)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", errors.New("a secret has only printable characters")
	}
	return Secret(s), nil
}

// Groups returns a generated secret in groups of four, and any other as it is.
func (s Secret) Groups() string {
	if len(s) == generatedLength && isBase32(string(s)) {
		return inGroups(string(s))
	}
	return string(s)
}

// String hides the secret from logs and error messages.
func (s Secret) String() string { return "(secret)" }

// GoString is String for %#v.
func (s Secret) GoString() string { return "(secret)" }

// RoomSecrets are the secrets of a sealed room, one for each level.
type RoomSecrets struct {
	Member   Secret `json:"member"`
	Listen   Secret `json:"listen"`   // to read only
	Operator Secret `json:"operator"` // to moderate

	Former FormerSecrets `json:"former,omitempty"`
}

// NewSecrets returns new secrets.
func NewSecrets() RoomSecrets {
	return RoomSecrets{Member: NewSecret(), Listen: NewSecret(), Operator: NewSecret()}
}

// IsValid reports whether all of them are secrets.
func (r RoomSecrets) IsValid() bool {
	for _, s := range []Secret{r.Member, r.Listen, r.Operator} {
		if parsed, err := ParseSecret(string(s)); err != nil || parsed != s {
			return false
		}
	}
	return true
}

// Renewed returns the secrets with new ones for members and for those who only listen. Operators keep theirs.
func (r RoomSecrets) Renewed() RoomSecrets {
	r.Former = r.Former.with(r.Member, r.Listen)
	r.Member, r.Listen = NewSecret(), NewSecret()
	return r
}

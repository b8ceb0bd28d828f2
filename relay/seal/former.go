package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// FormerSecrets are the secrets of a room's earlier invites, each as the SHA-256 in hex, separated by spaces, the last ones at the end.
// A client with one of them does not guess.
type FormerSecrets string

// maxFormer is how many are kept: those of the last 16 invites, each with a secret for members and one to read only.
const maxFormer = 32

// with returns the former secrets after some more.
func (f FormerSecrets) with(more ...Secret) FormerSecrets {
	all := strings.Fields(string(f))
	for _, s := range more {
		sum := sha256.Sum256([]byte(s))
		all = append(all, hex.EncodeToString(sum[:]))
	}
	return FormerSecrets(strings.Join(all[max(0, len(all)-maxFormer):], " "))
}

// Sums returns the SHA-256 of each.
func (f FormerSecrets) Sums() (sums [][sha256.Size]byte) {
	for field := range strings.FieldsSeq(string(f)) {
		if b, err := hex.DecodeString(field); err == nil && len(b) == sha256.Size {
			sums = append(sums, [sha256.Size]byte(b))
		}
	}
	return sums[max(0, len(sums)-maxFormer):]
}

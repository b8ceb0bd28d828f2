package wire

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// ProofOf returns how a host that knows key, the one in a client's welcome, answers that
// client's question: a hello with a nonce that asks for the room asked. room is the one in
// the answer: another one if the host was restarted without a history.
func ProofOf(key, asked, room, client, nonce string) string {
	return MAC(key, "chat proof", asked, room, client, nonce)
}

// MAC returns the HMAC-SHA-256 of lines joined by newlines, in hexadecimal. The first line says
// what it is for.
func MAC(key string, lines ...string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(mac.Sum(nil))
}

// NewNonce returns a random nonce for a question.
func NewNonce() string { return rand.Text() }

package seal

import (
	"errors"

	"github.com/xdg-go/scram"
)

// Mechanism is the one by which host and client show each other that they know a secret without sending it: RFC 5802
// and 7677, bound to the encrypted connection by RFC 9266. If someone in the middle relays it, it fails.
const Mechanism = "SCRAM-SHA-256-PLUS"

// These names stand for the secrets in SCRAM, which has users.
const (
	MemberUser   = "member"
	ListenUser   = "listen"
	OperatorUser = "operator"
)

// Iterations is how many iterations of SCRAM a host asks for; a client, whom they take 30 ms, once, rejects fewer. Someone in the
// middle learns the client's answer and can try guesses on it: each costs them as many. That protects a secret that its
// owner chose.
const Iterations = 100_000

// SCRAM returns the client of SCRAM with a secret. The error does not repeat it.
func (s Secret) SCRAM(user string) (*scram.Client, error) {
	c, err := scram.SHA256.NewClient(user, string(s), "")
	if err != nil { // SASLprep knows no characters after Unicode 3.2; then both sides use the secret as it is
		c, err = scram.SHA256.NewClientUnprepped(user, string(s), "")
	}
	if err != nil {
		return nil, errors.New("the secret cannot be used")
	}
	return c, nil
}

package access

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"sync"

	"github.com/xdg-go/scram"

	"chat/relay/seal"
	"chat/relay/wire"
)

// BindingLabel and BindingLength are those of the keying material that binds an exchange to its connection
// (RFC 9266, section 2).
const (
	BindingLabel  = "EXPORTER-Channel-Binding"
	BindingLength = 32
)

const (
	// maxData is the limit of a message of the mechanism, in bytes of base64.
	maxData = 1 << 10

	// maxExchanges is how many exchanges take place at once, each on a connection of its own. Each has less
	// than 2 KiB. It is more than the connections of a host by default: fewer could keep others out.
	maxExchanges = 1024
)

// userLevels are the names by which clients say which secret they know.
var userLevels = map[string]Level{"": Member, seal.MemberUser: Member, seal.ListenUser: Listen, seal.OperatorUser: Operator}

// A verifier checks that a client knows a secret; see [scram.StoredCredentials].
type verifier func() (scram.StoredCredentials, error)

// verifierOf returns the verifier of a secret. It is computed when the first client needs it.
func verifierOf(s seal.Secret, iterations int) verifier {
	if s == "" {
		return nil
	}
	return sync.OnceValues(func() (scram.StoredCredentials, error) {
		salt := make([]byte, 16)
		rand.Read(salt)
		c, err := s.SCRAM("")
		if err != nil {
			return scram.StoredCredentials{}, err
		}
		return c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	})
}

// An Exchange is one authentication by SCRAM. It is owned by one goroutine, which must call End.
type Exchange struct {
	gate  *Gate
	from  string
	talk  *scram.ServerConversation
	level Level // that the client claims
	sum   sum   // of the secret that it claims to know
	ended bool
}

// errExchange is the error of an exchange whose user has no secret.
var errExchange = errors.New("no such secret")

// Begin begins an exchange. from is the client's address group; "" is this machine. binding is the
// keying material of the connection. The error is a [*wire.Fault].
func (g *Gate) Begin(from, mechanism string, binding []byte) (*Exchange, error) {
	if mechanism != seal.Mechanism {
		return nil, wire.Faultf(wire.CodeBadRequest, "the mechanism of an auth must be %s", seal.Mechanism)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.lockedOutLocked(from); err != nil {
		return nil, err
	}
	if g.exchanges >= maxExchanges {
		return nil, wire.Faultf(wire.CodeBusy, "too many clients authenticate at once; try again in a moment")
	}
	e := &Exchange{gate: g, from: from}
	server, err := scram.SHA256.NewServer(e.lookUp)
	if err != nil {
		return nil, err
	}
	g.exchanges++
	e.talk = server.NewConversationWithChannelBindingRequired(scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: binding})
	return e, nil
}

// lookUp returns the verifier of the secret that the client claims to know.
func (e *Exchange) lookUp(user string) (scram.StoredCredentials, error) {
	level, ok := userLevels[user]
	if !ok {
		return scram.StoredCredentials{}, errExchange
	}
	g := e.gate
	g.mu.Lock()
	verify := g.verifiers[level]
	e.level, e.sum = level, g.sums[level]
	g.mu.Unlock()
	if verify == nil {
		return scram.StoredCredentials{}, errExchange
	}
	return verify()
}

// Step takes a message of the client, in base64, and returns the answer. level is the client's after the last
// message; None before. If the client does not know the secret, that takes WrongDelay, as in
// [Gate.Check]; the error is the [*wire.Fault] for the client, and ends the exchange.
func (e *Exchange) Step(data string, canceled <-chan struct{}) (answer string, level Level, err error) {
	answer, level, err = e.step(data)
	wait(err, canceled)
	return answer, level, err
}

func (e *Exchange) step(data string) (string, Level, error) {
	if len(data) > maxData {
		return "", None, wire.Faultf(wire.CodeTooLong, "the data of an auth has at most %d bytes", maxData)
	}
	message, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return "", None, wire.Faultf(wire.CodeBadRequest, "the data of an auth must be base64")
	}
	answer, err := e.talk.Step(string(message))
	if !e.talk.Done() && err == nil {
		return base64.StdEncoding.EncodeToString([]byte(answer)), None, nil
	}
	g := e.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.lockedOutLocked(e.from); err != nil { // by others that were quicker
		return "", None, err
	}
	isCurrent := subtle.ConstantTimeCompare(e.sum[:], g.sums[e.level][:]) == 1
	if err != nil || !e.talk.Valid() || !isCurrent {
		cost := wholeTry
		if e.level == Member || e.level == Listen {
			cost = halfTry
		}
		g.countWrongLocked(e.from, cost)
		if answer == scram.ErrChannelBindingsDontMatch { // found before the secret is compared
			return "", None, wire.Faultf(wire.CodeIntercepted, "someone between you and the host relays your connection")
		}
		return "", None, wrongSecret()
	}
	return base64.StdEncoding.EncodeToString([]byte(answer)), e.level, nil
}

// End ends the exchange. Only the first call has an effect.
func (e *Exchange) End() {
	if e.ended {
		return
	}
	e.ended = true
	e.gate.mu.Lock()
	defer e.gate.mu.Unlock()
	e.gate.exchanges--
}

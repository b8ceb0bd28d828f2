package client

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/xdg-go/scram"

	"chat/relay/seal"
	"chat/relay/wire"
)

const (
	// scramMechanism is the mechanism of auth requests, RFC 5802 with RFC 7677 and, for the
	// binding to the connection, RFC 9266.
	scramMechanism = "SCRAM-SHA-256-PLUS"

	// These names stand for the secret of members, and that of those who only listen.
	scramMember, scramListener = "member", "listen"

	// maxIterations bounds the work that a host can ask for. Ours wants 100,000, which take 30 ms.
	maxIterations = 1_000_000
)

// authenticate shows the host over l that the client knows the secret of user, without showing it,
// and has the host show the same. It is bound to the connection: relayed by someone between the
// two it fails. Nothing else is sent before. The host must answer within wait.
func (l *link) authenticate(ctx context.Context, user string, secret seal.Secret, wait time.Duration) error {
	conn, ok := l.conn.(*tls.Conn)
	if !ok {
		return errors.New("the connection is not encrypted")
	}
	state := conn.ConnectionState()
	binding, err := scram.NewTLSExporterBinding(&state)
	if err != nil {
		return err
	}
	c, err := newScram(user, secret)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.conn.Close() })()
	l.conn.SetDeadline(time.Now().Add(wait))
	conversation := c.NewConversationWithChannelBinding(binding)
	for challenge := ""; ; {
		first := challenge == ""
		answer, err := conversation.Step(challenge)
		switch {
		case err != nil:
			return fmt.Errorf("%w (%.200q)", ErrIntercepted, err)
		case conversation.Valid():
			l.conn.SetDeadline(time.Time{})
			return nil
		}
		r := wire.Request{Type: wire.TypeAuth, Data: base64.StdEncoding.EncodeToString([]byte(answer))}
		if first {
			r.Mechanism = scramMechanism
		}
		if _, err := l.conn.Write(r.AppendJSON(nil)); err != nil {
			return err
		}
		if challenge, err = l.readAuth(); err != nil {
			return err
		}
	}
}

// readAuth returns the data of the host's next auth event.
func (l *link) readAuth() (string, error) {
	for {
		line, err := firstJSON(l.lines)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = ErrNoAnswer
		}
		if err != nil {
			return "", err
		}
		e, err := wire.ParseEvent(line)
		if err != nil {
			return "", ErrNoRoom
		}
		switch e = sanitize(e); {
		case e.Type == wire.TypeAuth:
			return decodeChallenge(e.Data)
		case e.Type == wire.TypeWelcome, // it lets us in without a proof
			e.Type == wire.TypeError && e.Code == wire.CodeIntercepted:
			return "", ErrIntercepted
		case e.Type == wire.TypeError || e.Type == wire.TypeBye:
			return "", refused(e)
		}
	}
}

// newScram returns the client of SCRAM with a secret.
func newScram(user string, secret seal.Secret) (*scram.Client, error) {
	c, err := scram.SHA256.NewClient(user, string(secret), "")
	if err != nil { // SASLprep knows no characters after Unicode 3.2; then both sides use the secret as it is
		c, err = scram.SHA256.NewClientUnprepped(user, string(secret), "")
	}
	if err != nil {
		return nil, errors.New("the secret cannot be used") // the error may have it
	}
	return c, nil
}

// decodeChallenge decodes a message of the host. One that asks for too much work, as only someone
// else would, is an [ErrIntercepted].
func decodeChallenge(data string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(data)
	challenge := string(b)
	if err != nil || challenge == "" {
		return "", ErrIntercepted
	}
	for field := range strings.SplitSeq(challenge, ",") {
		if value, ok := strings.CutPrefix(field, "i="); ok {
			if n, err := strconv.Atoi(value); err != nil || n > maxIterations {
				return "", ErrIntercepted
			}
		}
	}
	return challenge, nil
}

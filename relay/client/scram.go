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

// maxIterations bounds the work that someone else than a host of ours can ask for.
const maxIterations = 1_000_000

// authenticate proves to the host over l that the client knows the secret of user, without sending it, and has
// the host prove the same. The proofs are bound to the connection: if someone between the two relays them,
// they fail. Nothing else is sent before. The host must answer within wait.
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
	c, err := secret.SCRAM(user)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.conn.Close() })()
	l.conn.SetDeadline(time.Now().Add(wait))
	conversation := c.WithMinIterations(seal.Iterations).NewConversationWithChannelBinding(binding)
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
			r.Mechanism = seal.Mechanism
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

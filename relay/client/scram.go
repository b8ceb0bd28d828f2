package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
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

	// scramBinding is how the host's last message begins if the client's connection is not the
	// one that it has; RFC 5802, section 7.
	scramBinding = "e=channel-bindings-dont-match"
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
	c, err := scram.SHA256.NewClient(user, string(secret), "")
	if err != nil {
		return errors.New("the secret has characters that cannot be in one") // the error may have it
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
		r := wire.Request{Type: wire.TypeAuth, Data: answer}
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
		case e.Type == wire.TypeAuth && e.Data == scramBinding:
			return "", ErrIntercepted
		case e.Type == wire.TypeAuth && e.Data != "":
			return e.Data, nil
		case e.Type == wire.TypeWelcome: // it lets us in without a proof
			return "", ErrIntercepted
		case e.Type == wire.TypeError || e.Type == wire.TypeBye:
			return "", refused(e)
		}
	}
}

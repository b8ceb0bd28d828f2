package client

import (
	"context"
	"errors"
	"fmt"
	"net"

	"chat/relay/wire"
)

// An OperatorToken makes a client an operator of a plain room. It is shown only to a host on this machine, because
// others on the network could read it, and only to one that proves that it has the room.
type OperatorToken struct {
	Token string   // "": there is none
	Host  Identity // without a token: whose key the host has to know
}

// Why a client is no operator, although it has a token.
var (
	ErrOperatorElsewhere = errors.New("the room is plain and on another machine: the operator token would cross the network readable")
	ErrOperatorRoom      = errors.New("the host is not the one that wrote the operator token")
	ErrOperatorToken     = errors.New("the host does not accept the operator token")
)

// showOperator adds the operator token to the hello on l, if there is one and the host may see it.
func (s *membership) showOperator(ctx context.Context, l *link, hello *wire.Request) error {
	o := &s.opts.Operator
	if o.Token == "" || s.seal.isSealed() {
		return nil
	}
	at, ok := l.conn.RemoteAddr().(*net.TCPAddr)
	if !ok || !at.IP.IsLoopback() {
		return ErrOperatorElsewhere
	}
	proven, err := Prove(ctx, at.String(), o.Host)
	if err != nil {
		return fmt.Errorf("ask the host for a proof: %w", err)
	}
	if !proven {
		return ErrOperatorRoom
	}
	hello.Secret = o.Token
	return nil
}

// checkOperator returns an error if the host did not make the client an operator.
func (s *membership) checkOperator(hello *wire.Request, welcome *wire.Event) error {
	if s.opts.Operator.Token != "" && hello.Secret == s.opts.Operator.Token && welcome.Access != "operator" {
		return ErrOperatorToken
	}
	return nil
}

// isOperatorError reports whether err says that the client cannot be an operator.
func isOperatorError(err error) bool {
	return errors.Is(err, ErrOperatorElsewhere) || errors.Is(err, ErrOperatorRoom) || errors.Is(err, ErrOperatorToken)
}

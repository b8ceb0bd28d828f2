package client

import (
	"errors"
	"fmt"

	"chat/relay/seal"
	"chat/relay/wire"
)

var (
	// ErrSealed is returned by [Join] if the room is sealed and Options.Seal does not allow to
	// join it.
	ErrSealed = errors.New("the room is sealed")
	// ErrDowngrade is returned by [Join], and is in a [Disconnected], if the room is known to be
	// sealed and the program at its address does not encrypt. Nothing was sent to it.
	ErrDowngrade = errors.New("the room is sealed, but the program at this address does not encrypt; nothing was sent to it")
	// ErrIntercepted is returned if the host cannot show that it knows the room's secret, or if
	// its connection is not the one that the client has. Neither the secret nor a message was
	// sent.
	ErrIntercepted = errors.New("someone is between you and the host; nothing was sent")
	// ErrNotTrusted is for Questions.Trust: the user does not trust the host.
	ErrNotTrusted = errors.New("the host's pin was not confirmed; nothing was sent")
)

// A PinError reports that the key of a host is not known, or not the one that it must be. Nothing
// was sent to the host.
type PinError struct {
	Host          // its Pin is that of the key that the host has
	Want seal.Pin // the pin that it must have; "": none is known

	File string // where Want is kept; "": it is from an invite, or from the connection before
	Line int    // in the file, from 1
}

// IsChanged reports whether another key was expected.
func (e *PinError) IsChanged() bool { return e.Want != "" }

func (e *PinError) Error() string {
	what := "the host at " + e.Addr
	if e.Title != "" {
		what = fmt.Sprintf("the host of %s at %s", cutReason(e.Title), e.Addr)
	}
	if !e.IsChanged() {
		return fmt.Sprintf("%s is not known; its pin is %s", what, e.Pin.Groups())
	}
	return fmt.Sprintf("%s has another key than before: its pin is %s, not %s; nothing was sent", what, e.Pin.Groups(), e.Want.Groups())
}

// A SecretError reports that the room did not let the client in.
type SecretError struct {
	Code  wire.Code // [wire.CodeNoSecret], [wire.CodeAuthFailed], [wire.CodeTooMany] or [wire.CodeNotMember]
	Title string    // of the room; cleaned; "": not known
}

func (e *SecretError) Error() string {
	room := "the room"
	if e.Title != "" {
		room = cutReason(e.Title)
	}
	switch e.Code {
	case wire.CodeAuthFailed:
		return "the secret of " + room + " is wrong"
	case wire.CodeTooMany:
		return "too many wrong secrets from this address; " + room + " accepts the next one in a minute"
	case wire.CodeNotMember:
		return room + " is only for members with certain keys, and yours is not one of them"
	}
	return room + " is sealed: its secret is needed"
}

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
	// ErrDowngrade is wrapped by each [*DowngradeError].
	ErrDowngrade = errors.New("the connection would not be encrypted")
	// ErrIntercepted is returned if the host cannot show that it knows the room's secret, or if
	// its connection is another than the client's. Neither the secret nor a message was
	// sent.
	ErrIntercepted = errors.New("someone is between you and the host; nothing was sent")
	// ErrNotTrusted is for Questions.Trust: the user does not trust the host.
	ErrNotTrusted = errors.New("the host's pin was not confirmed; nothing was sent")
)

// errIsSealed is the answer to a plain connection that the room is sealed.
var errIsSealed = &RefusedError{Code: wire.CodeSealed, Text: "this room is sealed"}

// A PinError reports that the key of a host is not known, or not the expected one. Nothing
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

// A DowngradeError reports that a room is known to be sealed, and that the program at its address does
// not encrypt. Nothing was sent to it. It ends [Join]; later it is in a [Disconnected].
type DowngradeError struct {
	Host
	Known KnownHost // the room of this title that the user knows; the zero value: the host itself is known

	File string // which says that the host encrypts; "": it is said elsewhere
	Line int    // in the file, from 1
}

func (e *DowngradeError) Error() string {
	if e.Known.Pin != "" {
		return fmt.Sprintf("a plain room called %s is at %s, but the room of that title that you know is sealed; nothing was sent", cutReason(e.Title), e.Addr)
	}
	return fmt.Sprintf("the room is sealed, but the program at %s does not encrypt; nothing was sent", e.Addr)
}

func (e *DowngradeError) Unwrap() error { return ErrDowngrade }

// A SecretError reports that the room did not let the client in.
type SecretError struct {
	Code  wire.Code // [wire.CodeNoSecret], [wire.CodeAuthFailed], [wire.CodeTooMany] or [wire.CodeNotMember]
	Title string    // of the room; cleaned; "": not known
	Text  string    // the host's words, cleaned; "": it was not asked
}

func (e *SecretError) Error() string {
	room := "the room"
	if e.Title != "" {
		room = cutReason(e.Title)
	}
	switch e.Code {
	case wire.CodeAuthFailed:
		if e.Text != "" {
			return "the host says: " + e.Text // the secret may be wrong, or the key
		}
		return "the secret of " + room + " is wrong"
	case wire.CodeTooMany:
		return "too many wrong secrets from this address; " + room + " accepts the next one in a minute"
	case wire.CodeNotMember:
		return room + " is only for members with certain keys, and yours is not one of them"
	}
	return room + " is sealed: its secret is needed"
}

// secretErrorOf returns err as a [*SecretError] if it says that the host did not let us in.
func secretErrorOf(err error, title string) error {
	r, ok := errors.AsType[*RefusedError](err)
	if !ok {
		return err
	}
	switch r.Code {
	case wire.CodeNoSecret, wire.CodeAuthFailed, wire.CodeTooMany, wire.CodeNotMember:
		return &SecretError{Code: r.Code, Title: title, Text: r.Text}
	}
	return err
}

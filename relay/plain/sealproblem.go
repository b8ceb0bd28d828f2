package plain

import (
	"errors"
	"fmt"

	"chat/relay/client"
	"chat/relay/wire"
)

// SealProblem returns the hint and the error, as a shell shows them, of a problem with a sealed room; nil for any other error.
func SealProblem(err error) (hint string, problem error) {
	if pin, ok := errors.AsType[*client.PinError](err); ok && pin.IsChanged() {
		return pinHint(pin), changedKeyError{pin}
	} else if ok {
		return pinHint(pin), pin
	}
	if downgrade, ok := errors.AsType[*client.DowngradeError](err); ok {
		return downgradeHint(downgrade), downgrade
	}
	if secret, ok := errors.AsType[*client.SecretError](err); ok {
		return secretHint(secret), secret
	}
	switch {
	case errors.Is(err, client.ErrIntercepted):
		return "join with the room's invite, which names the host's key", client.ErrIntercepted
	case errors.Is(err, client.ErrNotTrusted):
		return "compare the pin with the one that the host shows with /invite or chat invite", client.ErrNotTrusted
	case errors.Is(err, client.ErrSealed):
		return "join with its invite", client.ErrSealed
	}
	return "", nil
}

// A changedKeyError is a PinError about a changed key, as a shell shows it: with the pins below each
// other.
type changedKeyError struct{ *client.PinError }

func (e changedKeyError) Unwrap() error { return e.PinError }

func (e changedKeyError) Error() string {
	what, wanted, from := "the host at "+e.Addr+" has another key than its invite says", "pin of invite:", ""
	if e.File != "" {
		what = fmt.Sprintf("the key of the host at %s has changed", e.Addr)
		if e.Title != "" {
			what = fmt.Sprintf("the key of the host of %s, at %s, has changed", e.Title, e.Addr)
		}
		wanted, from = "pin until now:", fmt.Sprintf(" (line %d of %s)", e.Line, e.File)
	}
	return fmt.Sprintf("%s; nothing was sent\n  %s  %s%s\n  pin now:        %s", what, wanted, e.Want.Groups(), from, e.Pin.Groups())
}

func pinHint(e *client.PinError) string {
	switch {
	case !e.IsChanged() && e.Namesake.File != "":
		return fmt.Sprintf("you know a room of this title with another key (line %d of %s), so this may be someone else's; join with the room's invite, or once from a terminal", e.Namesake.Line, e.Namesake.File)
	case !e.IsChanged():
		return "join with the room's invite, or once from a terminal, where chat shows the pin and asks"
	case e.File == "":
		return "someone may be between you and the host, or the invite is for another room; ask the host for the current one"
	}
	return fmt.Sprintf("someone may be between you and the host. If it really has a new key, delete line %d of %s and join again", e.Line, e.File)
}

func downgradeHint(e *client.DowngradeError) string {
	switch {
	case e.Known.File != "":
		return fmt.Sprintf("someone may pretend to be that room: ask the host. If it is plain now, delete the lines with this title from %s, such as line %d, or join it by its address", e.Known.File, e.Known.Line)
	case e.File != "":
		return fmt.Sprintf("another program may have the host's address: ask the host. If the room is plain now, delete line %d of %s and join again", e.Line, e.File)
	}
	return "another program may have the host's address: ask the host. If the room is plain now, join it without an invite and without a secret"
}

func secretHint(e *client.SecretError) string {
	switch e.Code {
	case wire.CodeNoSecret:
		return "join with the room's invite, or keep its secret in a file for --secret-file or in CHAT_SECRET"
	case wire.CodeAuthFailed:
		return "ask for the room's current invite"
	case wire.CodeNotMember:
		return "ask the host to add your key; chat doctor shows the one that chat made"
	}
	return "wait a minute, then join with the room's current invite"
}

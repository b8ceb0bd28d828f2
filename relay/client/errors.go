package client

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

var (
	// ErrNoRoom is returned by [Join] and [Probe] when the program at the address does
	// not speak the protocol.
	ErrNoRoom = errors.New("the program at this address is not a chat host")
	// ErrNoAnswer is returned by [Join] when a program accepts the connection and then says
	// nothing.
	ErrNoAnswer = errors.New("the connection opens, but the host does not answer")
	// ErrClosed is returned for calls after [Client.Close].
	ErrClosed = errors.New("the client is closed")
	// ErrTooLong is returned by [Client.Say] and [Client.Do] for a request of more than
	// [MaxRequest] bytes. It was not sent.
	ErrTooLong = errors.New("too long for one message")
	// ErrGaveUp ends a client that could not reconnect in time; see [Options.GiveUp]. It
	// is wrapped together with the error of the last attempt.
	ErrGaveUp = errors.New("gave up reconnecting")

	errSilent    = errors.New("the host has stopped responding")
	errHungUp    = errors.New("the host closed the connection")
	errOtherRoom = errors.New("another room is there now, or its host cannot prove that it is the same one")

	errAddressGone = errors.New("this machine has another address now")
)

// A RefusedError reports that the host refuses this client: in [Join] or [Probe], or in
// [Client.Err] if it ended the session. In a [Disconnected] it is the host's goodbye.
type RefusedError struct {
	Code wire.Code // the reason, for programs; empty if the host gave only a text
	Text string    // the reason, for people; cleaned, one line of at most 300 characters

	// Restart is within what time a host that restarts asks its clients to reconnect. 0: it does not restart.
	Restart time.Duration
}

func (e *RefusedError) Error() string {
	if e.Text == "" {
		return "the host refused: " + string(e.Code)
	}
	return "the host says: " + e.Text
}

// maxRefusal is the longest reason that is shown, in characters.
const maxRefusal = 300

// refused returns the error for an error event or a bye.
func refused(e wire.Event) *RefusedError {
	return &RefusedError{Code: wire.Code(text.Clean(string(e.Code))), Text: cutReason(e.Text), Restart: e.RestartWithin()}
}

// restartOf returns [RefusedError.Restart] of why a connection ended.
func restartOf(err error) time.Duration {
	if r, ok := errors.AsType[*RefusedError](err); ok {
		return r.Restart
	}
	return 0
}

// IsRestart reports whether err is the goodbye of a host that is about to return.
func IsRestart(err error) bool { return restartOf(err) > 0 }

// cutReason cleans a reason and cuts it to maxRefusal characters.
func cutReason(reason string) string {
	characters := []rune(text.Clean(reason))
	return string(characters[:min(len(characters), maxRefusal)])
}

// isFinal reports whether err is a refusal that another attempt would meet again, or the room
// is gone.
func isFinal(err error) bool {
	if r, ok := errors.AsType[*RefusedError](err); ok && r.Code.Final() {
		return true
	}
	secret, ok := errors.AsType[*SecretError](err)
	return ok && secret.Code != wire.CodeTooMany || isElsewhere(err) || errors.Is(err, ErrNotTrusted) || isOperatorError(err)
}

// isElsewhere reports whether err says that another host is at the address: it has another room,
// or another key.
func isElsewhere(err error) bool {
	_, isStranger := errors.AsType[*PinError](err)
	return isStranger || isOtherRoom(err)
}

// isLockedOut reports whether err says that the host accepts no secret from us for a while.
func isLockedOut(err error) bool {
	secret, ok := errors.AsType[*SecretError](err)
	return ok && secret.Code == wire.CodeTooMany
}

// A Rejection is a message that the host rejected, and the reason.
type Rejection struct {
	Seq  uint64
	Said string    // the message's text
	Code wire.Code // the reason, for programs
	Text string    // the reason, for people; cleaned
}

// maxRejections is how many rejections are kept for [Client.Flush]; further ones are only
// counted. Each was delivered as an event too.
const maxRejections = 100

// A RejectedError is returned by [Client.Flush] if the host rejected messages.
type RejectedError struct {
	Count      int         // of rejected messages
	Rejections []Rejection // the first 100
}

func (e *RejectedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the host rejected %s", wire.Counted(e.Count, "message", "messages"))
	for i, r := range e.Rejections {
		if i == 3 {
			b.WriteString("; …")
			break
		}
		fmt.Fprintf(&b, "; %s", r.Text)
	}
	return b.String()
}

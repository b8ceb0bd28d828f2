package client

import (
	"errors"
	"fmt"
	"strings"

	"chat/relay/text"
	"chat/relay/wire"
)

var (
	// ErrNoRoom is returned by [Join] and [Probe] when somebody listens at the
	// address who does not speak the protocol.
	ErrNoRoom = errors.New("what answers there is not a chat room")
	// ErrClosed is returned for what is asked of a client after [Client.Close].
	ErrClosed = errors.New("the client is closed")
	// ErrTooLong is returned by [Client.Say] and [Client.Do] for a request that
	// takes more than [MaxRequest] bytes. It was not sent.
	ErrTooLong = errors.New("too long for one message")
	// ErrGaveUp ends a client whose host did not come back in time; see
	// [Options.GiveUp]. The error of the last attempt is wrapped with it.
	ErrGaveUp = errors.New("the host did not come back")

	errSilent    = errors.New("the host has gone silent")
	errHungUp    = errors.New("the host closed the connection")
	errOtherRoom = errors.New("another room is there now")
)

// A RefusedError is a host's word that it does not want this client: in [Join] or
// [Probe], or in [Client.Err] after the session was ended for good. In a
// [Disconnected] it is the host's goodbye.
type RefusedError struct {
	Code wire.Code // why, for programs; empty when the host said it in words only
	Text string    // why, for people; cleaned, one line of 300 letters at most
}

func (e *RefusedError) Error() string {
	if e.Text == "" {
		return "the host refused: " + string(e.Code)
	}
	return "the host says: " + e.Text
}

// refused makes the error of an error or bye event.
func refused(e wire.Event) *RefusedError {
	message := []rune(text.Clean(e.Text))
	return &RefusedError{Code: wire.Code(text.Clean(string(e.Code))), Text: string(message[:min(len(message), maxRefusal)])}
}

// hasCode reports whether err is a refusal with code.
func hasCode(err error, code wire.Code) bool {
	r, ok := errors.AsType[*RefusedError](err)
	return ok && r.Code == code
}

// final reports whether err is a refusal that the same attempt would meet again.
func final(err error) bool {
	r, ok := errors.AsType[*RefusedError](err)
	return ok && r.Code.Final()
}

// A Rejection is something said that the host did not take, and why.
type Rejection struct {
	Seq  uint64
	Said string    // the text that was not taken
	Code wire.Code // why, for programs
	Text string    // why, for people; cleaned
}

// maxRejections is how many of them are kept for [Client.Flush]; beyond it they
// are only counted. Each was an event too.
const maxRejections = 100

// A RejectedError is returned by [Client.Flush] when the host did not take
// everything that was said.
type RejectedError struct {
	Count      int         // how many
	Rejections []Rejection // the first hundred of them
}

func (e *RejectedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the host did not take %d of the messages", e.Count)
	for i, r := range e.Rejections {
		if i == 3 {
			b.WriteString("; …")
			break
		}
		fmt.Fprintf(&b, "; %s", r.Text)
	}
	return b.String()
}

// maxRefusal is how many letters of a refusal are told: the rest is no reason.
const maxRefusal = 300

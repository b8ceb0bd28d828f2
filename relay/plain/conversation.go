package plain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"chat/relay/client"
	"chat/relay/wire"
)

// Options are the input and the outputs of a conversation, and how to print it.
//
// A person at a terminal types lines; those that begin with "/" are commands. From a pipe
// every line is sent as it is, and the conversation ends when the host has acknowledged
// all of them. A terminal gets all events, in words. A pipe gets only messages, or with
// JSON the events; everything else goes to Err.
type Options struct {
	In       *Input
	Out, Err io.Writer
	Piped    bool        // In is not a terminal
	OutPiped bool        // Out is not a terminal
	JSON     bool        // print events as JSON lines
	Follow   bool        // stay in the room when In has ended
	Log      *Transcript // gets the messages; nil: none

	// OutGone is closed when no one reads Out any more; nil: only a failed write to Out shows it. The
	// conversation then ends when no more input comes from a pipe.
	OutGone <-chan struct{}

	// Width returns the columns of the terminal that Out is, for Rows; nil: they are unknown.
	Width func() int

	// Accessible prints messages as a screen reader reads them well: "alice: soup is
	// ready", without times and brackets.
	Accessible bool

	// HostAddr returns the address, host:port, at which others reach the room now, if this
	// program hosts it; nil: it is that of the connection.
	HostAddr func() string
}

// A conversation connects an input, a client and the outputs. One goroutine sends the
// input, another prints the events.
type conversation struct {
	Options // Out is for the printer only; Err may be written to by any goroutine
	client  *client.Client

	// Owned by the printer.
	out       *bufio.Writer
	outErr    error  // why nothing is printed any more
	nick      string // ours
	addr      string // of the host, as the client reached it last
	toldSmall bool   // the notice about small packets was printed
	resumed   bool   // the client has reconnected before
	moving    bool   // the connection was just lost, and the room has other relays
	sealed    bool   // no one else can read the connection
	blocked   bool   // why a sealed room cannot be reached was printed
	listens   bool   // we may only read
	held      uint64 // seq of the first message that the host could not store for now; 0: none

	// Owned by the sender.
	rejected int // lines that the host rejected
	unsent   int // lines from In that the client did not accept

	transfers transfers // started and canceled by the sender

	unread chan struct{} // closed when a write found that no one reads Out any more; by the printer
}

// stuckWait is how long the last lines may take to be printed: a terminal that was
// stopped with Ctrl-S accepts none.
const stuckWait = 2 * time.Second

// maxUnsent is how many messages are printed at the end that were not sent.
const maxUnsent = 10

// Run sends the input to the room that c has joined, and prints its events. It returns when
// all input is acknowledged (unless Follow is set), the client has ended, or ctx ends.
// Before it returns it closes c, so that the room sees a member leave and not a lost
// connection. The error says how many lines were not delivered.
func Run(ctx context.Context, c *client.Client, opts Options) (err error) {
	defer c.Close()
	out := opts.Out
	if opts.Width != nil && !opts.OutPiped && !opts.JSON {
		out = &Rows{To: out, Width: opts.Width}
	}
	v := &conversation{Options: opts, client: c, out: bufio.NewWriterSize(out, 32<<10), unread: make(chan struct{})}
	v.Err = &lockedWriter{w: opts.Err}
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		v.printEvents(ctx, leave)
	}()
	sent := make(chan error, 1)
	go func() { sent <- v.sendInput(ctx) }()
	outGone, unread := v.OutGone, v.unread
	if v.Piped { // the lines that still come are for the room
		outGone, unread = nil, nil
	}
	select {
	case err = <-sent:
		if err == nil && v.Follow {
			select {
			case <-ctx.Done():
			case <-printed:
			case <-v.OutGone:
			case <-v.unread:
			}
		}
	case <-printed:
		leave()
		err = <-sent
	case <-outGone:
		leave()
		err = <-sent
	case <-unread:
		leave()
		err = <-sent
	}
	leave()
	c.Close() // outcome counts the messages that its error is about
	v.transfers.wait()
	select {
	case <-printed:
	case <-time.After(stuckWait):
		return errors.New("the output is blocked; left without printing the last lines")
	}
	return v.outcome(err)
}

// outcome returns the error of the whole conversation. err is the sender's: it is old news
// if the client has ended, or if we wanted to leave.
func (v *conversation) outcome(err error) error {
	unsent, unconfirmed := v.unsent, 0
	maybe := v.client.Unconfirmed()
	for i, r := range v.client.Pending() {
		lines := 1 + strings.Count(r.Text, "\n")
		if i < maybe {
			unconfirmed += lines
		} else {
			unsent += lines
		}
	}
	if v.Piped {
		unsent += v.In.left()
	}
	lost := ""
	if unconfirmed > 0 {
		lost = fmt.Sprintf("; %s possibly delivered, but not confirmed", wire.Counted(unconfirmed, "line was", "lines were"))
	}
	if unsent > 0 {
		lost += fmt.Sprintf("; %s not delivered", wire.Counted(unsent, "line was", "lines were"))
	}
	err = v.failure(err, lost)
	if unconfirmed > 0 {
		return &UnconfirmedError{err}
	}
	return err
}

// An UnconfirmedError says that the outcome of some lines is unknown: they were sent, and the conversation
// ended before the host confirmed them. A script that sends them again may send them twice.
type UnconfirmedError struct{ err error }

func (e *UnconfirmedError) Error() string { return e.err.Error() }
func (e *UnconfirmedError) Unwrap() error { return e.err }

// failure returns the error of outcome. lost says which lines were lost, "" if none were.
func (v *conversation) failure(err error, lost string) error {
	end := v.client.Err()
	if refusal, ok := errors.AsType[*client.RefusedError](end); ok && refusal.Code == wire.CodeQuit {
		end = nil // we asked for it
	}
	if other, ok := errors.AsType[*client.OtherRoomError](end); ok {
		v.printUnsent()
		return fmt.Errorf("%w%s\nhint: chat join --addr %s joins the room there", other, lost, other.Addr)
	}
	if stranger, ok := errors.AsType[*client.PinError](end); ok { // the caller knows what to do
		v.printUnsent()
		return fmt.Errorf("%w%s", stranger, lost)
	}
	if lockedOut, ok := errors.AsType[*client.SecretError](end); ok {
		v.printUnsent()
		return fmt.Errorf("%w%s", lockedOut, lost)
	}
	switch {
	case v.outErr != nil:
		return fmt.Errorf("write the output: %w%s", v.outErr, lost)
	case errors.Is(end, client.ErrGaveUp):
		return fmt.Errorf("%w%s\nhint: check that chat host is still running; chat join finds it when it is back", client.ErrGaveUp, lost)
	case end != nil && !errors.Is(end, context.Canceled):
		return fmt.Errorf("%w%s", end, lost)
	case lost != "":
		return errors.New(strings.TrimPrefix(lost, "; "))
	case v.Log.failed() != nil:
		return v.Log.failed()
	case v.rejected > 0:
		return fmt.Errorf("the host rejected %s", wire.Counted(v.rejected, "line", "lines"))
	case errors.Is(err, errReadInput):
		return err
	}
	return nil
}

// printUnsent prints the messages that the host did not acknowledge, at most maxUnsent of them.
func (v *conversation) printUnsent() {
	pending, maybe := v.client.Pending(), v.client.Unconfirmed()
	for i, r := range pending[:min(len(pending), maxUnsent)] {
		what := "! not sent: "
		if i < maybe {
			what = "! not confirmed: "
		}
		fmt.Fprintln(v.Err, what+strings.ReplaceAll(r.Text, "\n", "\n  "))
	}
}

// A lockedWriter may be written to by several goroutines.
type lockedWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

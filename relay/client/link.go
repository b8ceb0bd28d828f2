package client

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

// A link is one connection to a host, from the dial to its end.
type link struct {
	conn      net.Conn
	addr      string           // where it goes
	lines     *wire.LineReader // reads by link.Read
	idle      time.Duration    // see Options.Idle
	began     time.Time        // when the host welcomed us
	connected Connected        // the event of it
	out       *outbox          // what is written, once the host has welcomed us

	mu     sync.Mutex // orders setting readBy, and the connection's deadline with it
	readBy time.Time  // when silence has lasted too long

	// The reader's.
	live  bool          // the welcome is there: silence is met with a ping
	quiet bool          // nothing came since the ping
	word  *RefusedError // the host's reason for the end that is coming

	pings chan struct{} // capacity 1; from the reader to the writer
	ended chan struct{} // closed by the reader: nothing more to write
}

func newLink(conn net.Conn, addr string, idle time.Duration) *link {
	l := &link{conn: conn, addr: addr, idle: idle, pings: make(chan struct{}, 1), ended: make(chan struct{})}
	l.lines = wire.NewLineReader(l, wire.MaxJSONLine)
	return l
}

// hello introduces us and returns the welcome.
func (l *link) hello(ctx context.Context, r wire.Request) (wire.Event, error) {
	defer context.AfterFunc(ctx, func() { l.conn.Close() })()
	l.conn.SetDeadline(time.Now().Add(2 * l.idle))
	_, writeErr := l.conn.Write(r.AppendJSON(nil)) // a host that is full may not even read it
	for {
		line, err := firstJSON(l.lines)
		if err != nil {
			if _, said := errors.AsType[*RefusedError](err); writeErr != nil && !said {
				err = writeErr
			}
			return wire.Event{}, err
		}
		e, err := wire.ParseEvent(line)
		if err != nil {
			return wire.Event{}, ErrNoRoom
		}
		switch e = sanitize(e); e.Type {
		case wire.TypeWelcome:
			l.conn.SetDeadline(time.Time{})
			l.live, l.began = true, time.Now()
			return e, nil
		case wire.TypeError, wire.TypeBye:
			return wire.Event{}, refused(e)
		}
	}
}

// firstJSON returns the first line that is a JSON object. A host that took us for
// a person, since our hello was slow, greets in text first: those lines are
// skipped. But "! " in front of a text means that it wants us no more, if nothing
// else comes.
func firstJSON(lines *wire.LineReader) ([]byte, error) {
	refusal, heard := "", false
	for {
		line, err := lines.ReadLine()
		switch {
		case errors.Is(err, wire.ErrLineTooLong):
			heard = true
		case err != nil && refusal != "":
			return nil, &RefusedError{Text: refusal}
		case err != nil && heard:
			return nil, ErrNoRoom
		case err == io.EOF:
			return nil, errHungUp
		case err != nil:
			return nil, err
		case len(line) > 0 && line[0] == '{':
			return line, nil
		default:
			heard = true
			if message, ok := strings.CutPrefix(string(line), "! "); ok {
				refusal = text.Clean(message)
			}
		}
	}
}

// hurried takes the place of the idle time while the host owes an answer: somebody
// waits, and should hear soon that the cable is pulled.
const hurried = 3 * time.Second

// expect sets how long silence may last, as the reader begins to wait.
func (l *link) expect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	patience := l.idle
	if l.out.unacked() > 0 {
		patience = min(patience, hurried)
	}
	l.readBy = time.Now().Add(patience)
	l.conn.SetReadDeadline(l.readBy)
}

// hurry makes that time shorter, for a reader that waits already.
func (l *link) hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if by := time.Now().Add(hurried); l.out.unacked() > 0 && by.Before(l.readBy) {
		l.readBy = by
		l.conn.SetReadDeadline(by)
	}
}

// Read reads from the connection for l.lines. When nothing comes for the idle
// time, it asks for a ping, and once more later it fails with errSilent.
func (l *link) Read(p []byte) (int, error) {
	if !l.live {
		return l.conn.Read(p)
	}
	for {
		l.expect()
		n, err := l.conn.Read(p)
		switch {
		case n > 0:
			l.quiet = false
			return n, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return 0, err
		case l.quiet:
			return 0, errSilent
		}
		l.quiet = true
		select {
		case l.pings <- struct{}{}:
		default: // the writer has not come to the last one yet
		}
	}
}

// next returns the next event, cleaned. Lines that are none are skipped: a later
// host may have such.
func (l *link) next() (wire.Event, error) {
	for {
		line, err := l.lines.ReadLine()
		switch {
		case errors.Is(err, wire.ErrLineTooLong):
			continue
		case err == io.EOF:
			return wire.Event{}, errHungUp
		case err != nil:
			return wire.Event{}, err
		}
		if e, err := wire.ParseEvent(line); err == nil {
			return sanitize(e), nil
		}
	}
}

// write sends what is in the outbox, and pings, until the reader ends or the
// connection fails; then it closes it, which wakes the reader.
//
// A write has no deadline: a host that slows us down may take none of it for a
// minute, and is alive all the same, as the reader sees by the acknowledgements.
// A host that is not is found by the reader, whose Close ends the write.
func (l *link) write() error {
	defer l.conn.Close()
	var buf []byte
	for {
		if buf = l.out.take(buf[:0]); len(buf) == 0 {
			select {
			case <-l.out.wake:
				continue
			case <-l.pings:
				buf = (&wire.Request{Type: wire.TypePing}).AppendJSON(buf)
			case <-l.ended:
				return nil
			}
		}
		l.hurry()
		if _, err := l.conn.Write(buf); err != nil {
			return err
		}
	}
}

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

// A link is one connection to a host. The goroutine of membership.run creates it and reads
// from it; a second goroutine writes.
type link struct {
	// Fixed.
	conn  net.Conn
	addr  string           // as dialed
	lines *wire.LineReader // reads through link.Read
	idle  time.Duration    // see Options.Idle
	// gather is Options.Gather. It is set before the first read.
	gather time.Duration
	busy   *lastTime // when a transfer to the same host made progress

	// Set when the host has welcomed us, before the writer starts.
	began     time.Time // when the welcome came
	connected Connected // the event for the program
	out       *outbox   // what to write

	mu      sync.Mutex    // guards those below, and setting the connection's read deadline with readBy
	readBy  time.Time     // that deadline
	pingAt  time.Time     // when the last ping was written, if nothing has come after it; otherwise zero
	slowest time.Duration // the longest time of late in which the host answered the hello or a ping
	doubtBy time.Time     // something must come by then, or the connection is lost; zero: see idle
	cause   error         // why end closed the connection

	// Owned by the reader.
	live    bool          // the welcome has come: from now on silence causes a ping
	pinged  bool          // nothing has come since the last ping
	silent  time.Time     // when that ping was sent
	drops   int           // how many reads in a row brought little, soon after one another
	goodbye *RefusedError // why the host is about to close the connection

	pings chan struct{} // capacity 1; from the reader to the writer
	ended chan struct{} // closed by the reader: nothing more to write
}

func newLink(conn net.Conn, addr string, idle time.Duration, busy *lastTime) *link {
	l := &link{conn: conn, addr: addr, idle: idle, busy: busy, pings: make(chan struct{}, 1), ended: make(chan struct{})}
	l.lines = wire.NewLineReader(l, wire.MaxJSONLine)
	return l
}

// hello sends the hello and returns the welcome, or the answer to a probe, which must come
// within wait.
func (l *link) hello(ctx context.Context, r wire.Request, wait time.Duration) (wire.Event, error) {
	defer context.AfterFunc(ctx, func() { l.conn.Close() })()
	asked := time.Now()
	l.conn.SetDeadline(asked.Add(wait))
	_, writeErr := l.conn.Write(r.AppendJSON(nil)) // a host that is full may close the connection before it reads this
	for {
		line, err := firstJSON(l.lines)
		if err != nil {
			if _, ok := errors.AsType[*RefusedError](err); writeErr != nil && !ok {
				err = writeErr
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = ErrNoAnswer
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
			l.slowest = l.began.Sub(asked)
			return e, nil
		case wire.TypeRoom:
			if r.Probe {
				return e, nil
			}
		case wire.TypeError, wire.TypeBye:
			return wire.Event{}, refused(e)
		}
	}
}

// firstJSON returns the first line that is a JSON object. If our hello was slow, the host
// takes us for a person and begins with a greeting in text: those lines are skipped. A
// line that begins with "! " is a refusal, unless JSON follows. If there is neither, the program
// is no chat host, unless it began with a greeting.
func firstJSON(lines *wire.LineReader) ([]byte, error) {
	refusal, heard, greeted := "", false, false
	for {
		line, err := lines.ReadLine()
		switch {
		case errors.Is(err, wire.ErrLineTooLong):
			heard = true
		case err != nil && refusal != "":
			return nil, &RefusedError{Text: refusal}
		case err != nil && heard && !greeted:
			return nil, ErrNoRoom
		case err == io.EOF:
			return nil, errHungUp
		case err != nil:
			return nil, err
		case len(line) > 0 && line[0] == '{':
			return line, nil
		default:
			if message, ok := strings.CutPrefix(string(line), "! "); ok {
				refusal = text.Clean(message)
			}
			greeted = greeted || !heard && strings.HasPrefix(string(line), "* ")
			heard = true
		}
	}
}

const (
	// hurriedIdle replaces the idle time while a message is unacknowledged: its sender
	// should learn soon that the connection is lost. On a slow line it is longer: three times
	// as long as the host's answers have taken.
	hurriedIdle = 3 * time.Second

	// maxBusy is how long the host may be silent while an upload or download makes progress,
	// whose bytes ours wait behind.
	maxBusy = time.Minute
)

// extendDeadline allows silence for the idle time from now on. The reader calls it before
// each read.
func (l *link) extendDeadline() {
	l.mu.Lock()
	defer l.mu.Unlock()
	idle := l.idle
	if l.out.unacked() > 0 {
		idle = min(idle, l.hurriedLocked())
	}
	l.readBy = time.Now().Add(idle)
	if !l.doubtBy.IsZero() && l.doubtBy.Before(l.readBy) {
		l.readBy = l.doubtBy
	}
	l.conn.SetReadDeadline(l.readBy)
}

func (l *link) hurriedLocked() time.Duration { return max(hurriedIdle, 3*l.slowest) }

// notePing notes that a ping is about to be written.
func (l *link) notePing() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pingAt = time.Now()
}

// noteInput ends all doubts, and measures how long the host took to answer a ping.
func (l *link) noteInput() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doubtBy = time.Time{}
	if !l.pingAt.IsZero() {
		l.slowest = max(time.Since(l.pingAt), l.slowest*7/8)
		l.pingAt = time.Time{}
	}
}

// doubt asks the host for an answer within doubtTime, or longer on a slow line: there are signs
// that the connection is dead.
func (l *link) doubt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if by := time.Now().Add(max(doubtTime, 3*l.slowest)); l.doubtBy.IsZero() && by.Before(l.readBy) {
		l.doubtBy, l.readBy = by, by
		l.conn.SetReadDeadline(by)
		l.askForPing()
	}
}

// askForPing makes the writer send a ping.
func (l *link) askForPing() {
	select {
	case l.pings <- struct{}{}:
	default: // the writer has not sent the last one yet
	}
}

// isDead reports whether nothing came although there were doubts.
func (l *link) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.doubtBy.IsZero() && !time.Now().Before(l.doubtBy)
}

// end closes the connection because of err.
func (l *link) end(err error) {
	l.mu.Lock()
	l.cause = err
	l.mu.Unlock()
	l.conn.Close()
}

// endedBy returns the error that end was called with; nil: it was not.
func (l *link) endedBy() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// shortenDeadline shortens it to hurriedIdle if a message is unacknowledged. The writer
// calls it before it writes: the reader is waiting already.
func (l *link) shortenDeadline() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if by := time.Now().Add(l.hurriedLocked()); l.out.unacked() > 0 && by.Before(l.readBy) {
		l.readBy = by
		l.conn.SetReadDeadline(by)
	}
}

// Read reads from the connection, for l.lines. After the idle time without input it asks
// the writer for a ping. After the same time again it fails with errSilent.
func (l *link) Read(p []byte) (int, error) {
	if !l.live {
		return l.conn.Read(p)
	}
	for {
		l.extendDeadline()
		n, err := l.readGathered(p)
		switch {
		case n > 0:
			l.pinged = false
			l.noteInput()
			return n, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return 0, err
		case l.isDead():
			return 0, errSilent
		case l.pinged && l.busy.within(hurriedIdle) && time.Since(l.silent) < maxBusy:
			continue
		case l.pinged:
			return 0, errSilent
		}
		l.pinged, l.silent = true, time.Now()
		l.askForPing()
	}
}

// What makes a stream: so many reads in a row, each of so few bytes. A backlog comes in larger
// pieces, and is read as fast as it comes.
const (
	streamReads = 8
	streamBytes = 4 << 10
)

// readGathered reads from the connection. In a stream it waits for the gather time before it
// reads: all that came meanwhile costs one read and one wakeup. It waits neither for a backlog
// nor for a message after a silence.
func (l *link) readGathered(p []byte) (int, error) {
	if l.gather > 0 && l.drops >= streamReads {
		time.Sleep(l.gather)
	}
	began := time.Now()
	n, err := l.conn.Read(p)
	if n == 0 || n == len(p) || n > streamBytes || time.Since(began) >= l.gather/2 {
		l.drops = 0
	} else {
		l.drops++
	}
	return n, err
}

// next returns the next event, sanitized. Lines that are not events are skipped: a newer
// host may send them.
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

// write sends requests from the outbox, and pings, until the reader ends or a write fails.
// Then it closes the connection, which wakes the reader.
//
// A write has no deadline: a host that slows us down may take nothing for a minute, and the
// reader still sees its acknowledgements. If the host is dead, the reader notices and
// closes the connection, which ends the write.
func (l *link) write() error {
	defer l.conn.Close()
	var buf []byte
	for {
		if buf = l.out.nextBatch(buf[:0]); len(buf) == 0 {
			select {
			case <-l.out.wake:
				continue
			case <-l.pings:
				l.notePing()
				buf = (&wire.Request{Type: wire.TypePing}).AppendJSON(buf)
			case <-l.ended:
				return nil
			}
		}
		l.shortenDeadline()
		if _, err := l.conn.Write(buf); err != nil {
			return err
		}
	}
}

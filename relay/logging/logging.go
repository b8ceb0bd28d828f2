// Package logging writes the host's log lines without ever making the room wait.
//
// A [Queue] stands between the logger and its output: a stopped terminal, a full pipe or
// a hung disk costs log lines, which are counted, and not time. [Lines] feeds warnings to
// the host's own screen instead.
package logging

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say which log records are written, and how. The zero value writes records of
// level Info and above as text, each with its time and level.
type Options struct {
	Level slog.Level // the lowest level written
	JSON  bool       // JSON lines instead of key=value text
	Bare  bool       // sentences without time and level, for a screen that shows its own; JSON and Journal do not matter then

	// Journal begins each line with its priority, as systemd's journal takes it from there; see sd-daemon(3). The
	// journal has the time, so lines of text leave it out.
	Journal bool
}

// New returns a logger that writes to out as opts say.
func New(out io.Writer, opts Options) *slog.Logger {
	if opts.Bare {
		return slog.New(&sentence{out: out, level: opts.Level})
	}
	handler := &slog.HandlerOptions{Level: opts.Level}
	if opts.Journal {
		return slog.New(newJournal(out, opts.JSON, handler))
	}
	return slog.New(newHandler(out, opts.JSON, handler))
}

func newHandler(out io.Writer, json bool, opts *slog.HandlerOptions) slog.Handler {
	if json {
		return slog.NewJSONHandler(out, opts)
	}
	return slog.NewTextHandler(out, opts)
}

const (
	// QueueLines is how many log lines wait for the output before further ones are dropped.
	QueueLines = 1000

	// closeTimeout is how long Close waits for the last lines to be written.
	closeTimeout = 500 * time.Millisecond
)

// A Queue passes log lines on to an output. Lines that do not fit are dropped and
// counted; the next line written is preceded by their number. All methods may be called
// concurrently.
type Queue struct {
	out     io.Writer
	lines   chan []byte // never closed: a late Write must not panic
	dropped atomic.Int64
	lost    atomic.Uint64 // all that were dropped
	lostAt  atomic.Int64  // when the last one was, in nanoseconds since 1970

	closing chan struct{} // closed by Close
	close   sync.Once     // guards closing
	written chan struct{} // closed by run when it has written the last line
}

// NewQueue returns a Queue that writes to out, one line per Write, until it is closed.
func NewQueue(out io.Writer) *Queue {
	q := &Queue{
		out:     out,
		lines:   make(chan []byte, QueueLines),
		closing: make(chan struct{}),
		written: make(chan struct{}),
	}
	go q.run() // until Close; if it hangs in a write, it ends with the program
	return q
}

// Write queues a copy of line. It never blocks and never fails. After Close it drops line.
func (q *Queue) Write(line []byte) (int, error) {
	select {
	case <-q.closing:
		return len(line), nil
	default:
	}
	select {
	case q.lines <- bytes.Clone(line):
	default:
		q.dropped.Add(1)
		q.lost.Add(1)
		q.lostAt.Store(time.Now().UnixNano())
	}
	return len(line), nil
}

// Lost returns how many lines were dropped, and when the last one was.
func (q *Queue) Lost() (lines uint64, last time.Time) {
	if lines = q.lost.Load(); lines > 0 {
		last = time.Unix(0, q.lostAt.Load())
	}
	return lines, last
}

// run writes the queued lines until the queue is closed and empty.
func (q *Queue) run() {
	defer close(q.written)
	for {
		select {
		case line := <-q.lines:
			q.writeLine(line)
		case <-q.closing:
			q.drain()
			return
		}
	}
}

// drain writes the lines that were queued before Close, and reports the dropped ones.
func (q *Queue) drain() {
	for {
		select {
		case line := <-q.lines:
			q.writeLine(line)
		default:
			q.reportDropped()
			return
		}
	}
}

func (q *Queue) writeLine(line []byte) {
	q.reportDropped()
	q.out.Write(line)
}

func (q *Queue) reportDropped() {
	if n := q.dropped.Swap(0); n > 0 {
		fmt.Fprintf(q.out, "%d log lines dropped: the output is too slow\n", n)
	}
}

// Close stops accepting lines and waits up to half a second until the queued ones are
// written. It may be called more than once.
func (q *Queue) Close() {
	q.close.Do(func() { close(q.closing) })
	select {
	case <-q.written:
	case <-time.After(closeTimeout):
	}
}

// Lines is a channel of log lines for a screen. It is an [io.Writer]: each Write sends one
// line without its newline, or drops it if the channel is full.
type Lines chan string

// NewLines returns a channel that holds up to [QueueLines] lines.
func NewLines() Lines { return make(Lines, QueueLines) }

func (l Lines) Write(line []byte) (int, error) {
	select {
	case l <- strings.TrimSpace(string(line)):
	default:
	}
	return len(line), nil
}

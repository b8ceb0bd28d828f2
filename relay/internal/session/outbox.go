package session

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"chat/relay/history"
	"chat/relay/internal/fanout"
	"chat/relay/wire"
)

// An outbox is everything that goes to one session: the log from a cursor on, and beside
// it a bounded queue of events for this session only. It is the session as the room
// (room.Peer) and the fanout (fanout.Target) know it. It is safe for concurrent use.
type outbox struct {
	// fixed
	door   *Door
	conn   net.Conn
	socket *socket // the frames of a WebSocket; nil: there are none

	mu       sync.Mutex     // guards all below but writer
	format   history.Format // changed by the session's reading goroutine only
	started  bool           // there was a welcome, and cursor is a place in the log
	waiting  bool           // on the log's list of those who wait
	writing  bool           // it is being written to, or nothing will be any more
	ending   bool           // nothing more is taken
	cursor   history.Cursor
	cursors  int           // how many cursors there have been
	counts   Counts        // but Gaps
	queue    [][]byte      // encoded events, to be written before more of the log
	queued   int           // bytes in queue
	bye      *wire.Event   // the last event; nil: none
	deadline time.Time     // for writing, once the outbox is ending
	space    chan struct{} // closed when queue is taken; nil while no one waits for it
	ended    chan struct{} // closed when ending is set; nil while no one waits for it

	writer sync.WaitGroup // of what writing stands for
}

// Counts are what sessions were sent.
type Counts struct {
	Delivered uint64 // events of the log; some of them were not for the session
	Sent      uint64 // bytes of lines, without frames
	Missed    uint64 // events that the log dropped before they were read
	Gaps      uint64 // sessions that missed some
}

// Add adds those of another session.
func (c *Counts) Add(other Counts) {
	c.Delivered += other.Delivered
	c.Sent += other.Sent
	c.Missed += other.Missed
	c.Gaps += other.Gaps
}

// maxQueue is how many bytes may wait in an outbox's queue, or one event that is longer.
// Beyond it private notices to the session are dropped, and its own requests wait.
const maxQueue = 256 << 10

func (o *outbox) log() *slog.Logger {
	return o.door.Logger.With("remote", o.conn.RemoteAddr().String())
}

// Start implements [room.Peer]. A person, whose terminal shows what is typed, does not get
// its own messages.
func (o *outbox) Start(welcome wire.Event, from, live uint64, v history.View) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.putLocked(o.encode(&welcome, welcome.Nick))
	o.cursors++
	o.cursor = o.door.Log.Cursor(from, live, v)
	o.started = true
}

// Deliver implements [room.Peer].
func (o *outbox) Deliver(e *wire.Event, nick string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.ending && o.offerLocked(o.encode(e, nick))
}

// Ignore implements [room.Peer].
func (o *outbox) Ignore(authors map[history.Author]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cursor.Ignore(authors)
}

// End implements [room.Peer]: what is in the log and the queue goes out, bye last, within
// drain. Only the first call counts.
func (o *outbox) End(bye wire.Event) { o.end(&bye) }

// endQuietly is End without a last event.
func (o *outbox) endQuietly() { o.end(nil) }

func (o *outbox) end(bye *wire.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending {
		return
	}
	o.ending, o.bye = true, bye
	o.deadline = time.Now().Add(drain)
	o.conn.SetDeadline(o.deadline) // wakes a write that hangs
	o.conn.SetReadDeadline(time.Now())
	if o.ended != nil {
		close(o.ended)
	}
	o.startWritingLocked()
}

// pause takes the place in the log away again.
func (o *outbox) pause() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.started = false
}

// speakJSON has events encoded for a program.
func (o *outbox) speakJSON() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.format = history.JSON
}

// view returns what of the log this session gets.
func (o *outbox) view() history.View {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cursor.View()
}

func (o *outbox) isEnding() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ending
}

// hasEnded returns a channel that is closed once the outbox is ending.
func (o *outbox) hasEnded() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended == nil {
		o.ended = make(chan struct{})
		if o.ending {
			close(o.ended)
		}
	}
	return o.ended
}

// readBy sets when the next reads fail, unless the outbox is ending.
func (o *outbox) readBy(t time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ending {
		o.conn.SetReadDeadline(t)
	}
}

func (o *outbox) countsNow() Counts {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.counts
	if c.Missed > 0 {
		c.Gaps = 1
	}
	return c
}

func (o *outbox) encode(e *wire.Event, nick string) []byte {
	if o.format == history.JSON {
		return e.AppendJSON(nil)
	}
	return e.AppendText(nil, wire.Viewer{Zone: o.door.Log.Zone(), Nick: nick})
}

// put queues bytes whatever waits already.
func (o *outbox) put(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.putLocked(b)
}

// putOrWait queues b, and waits before that while the queue is full. It is for the
// session's reading goroutine.
func (o *outbox) putOrWait(b []byte) {
	o.awaitSpace(func() bool { return o.offerLocked(b) })
}

// awaitEmpty waits until the queue was taken: what a large reply is made of is not held
// while the session does not take the one before.
func (o *outbox) awaitEmpty() { o.awaitSpace(func() bool { return o.queued == 0 }) }

// awaitSpace calls try, under the lock, whenever the queue was taken, until it returns
// true or the outbox is ending.
func (o *outbox) awaitSpace(try func() bool) {
	for {
		space := o.tryOrSpace(try)
		if space == nil {
			return
		}
		o.door.wakeLog() // what the session sent before does not wait with it
		select {
		case <-space:
		case <-o.hasEnded():
			return
		}
	}
}

// tryOrSpace calls try. If it fails, it returns a channel that is closed when the queue is
// taken next: both under one lock, or it could be taken between.
func (o *outbox) tryOrSpace(try func() bool) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending || try() {
		return nil
	}
	if o.space == nil {
		o.space = make(chan struct{})
	}
	return o.space
}

// offerLocked queues b if there is space for it.
func (o *outbox) offerLocked(b []byte) bool {
	if o.queued > 0 && o.queued+len(b) > maxQueue {
		return false
	}
	o.putLocked(b)
	return true
}

func (o *outbox) putLocked(b []byte) {
	o.queue = append(o.queue, b)
	o.queued += len(b)
	o.startWritingLocked()
}

// startWritingLocked has the outbox written, if it is not already.
func (o *outbox) startWritingLocked() {
	if o.beginLocked() {
		o.door.Fanout.Write(o)
	}
}

// Begin implements [fanout.Target].
func (o *outbox) Begin() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = false
	return o.beginLocked()
}

func (o *outbox) beginLocked() bool {
	if o.writing {
		return false
	}
	o.writing = true
	o.writer.Add(1)
	return true
}

// collect appends what is to be written next to runs: the queue, then the log from the
// cursor on. If there is nothing, writing ends: it begins again by the log, by the queue,
// or never if the session is over.
//
// onDisk is true if the next events are on disk, and there is nothing else: see fetch.
func (o *outbox) collect(runs [][]byte) (_ [][]byte, onDisk bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.socket.isClosed() {
		return nil, false
	}
	for {
		runs = o.takeQueueLocked(runs)
		runs, onDisk = o.readLogLocked(runs)
		switch {
		case len(runs) > 0 || o.socket.hasControl():
			return o.frameLocked(runs), false
		case onDisk && !(o.ending && time.Now().After(o.deadline)):
			return runs, true
		case o.bye != nil || o.ending && o.socket.isOpen():
			return o.farewellLocked(runs), false
		case o.ending:
			return nil, false
		case !o.started || o.waiting || o.cursor.Wait(o):
			o.waiting = o.started
			o.writing = false
			return nil, false
		}
	}
}

// frameLocked counts the lines that are written next, and puts them into frames if the
// connection has frames.
func (o *outbox) frameLocked(runs [][]byte) [][]byte {
	for _, run := range runs {
		o.counts.Sent += uint64(len(run))
	}
	if o.socket != nil {
		runs = o.socket.frame(runs)
	}
	return runs
}

// farewellLocked appends the last event, if there is one, and the close frame of a
// WebSocket.
func (o *outbox) farewellLocked(runs [][]byte) [][]byte {
	if o.bye != nil {
		runs = o.frameLocked(append(runs, o.encode(o.bye, "")))
		o.bye = nil
	}
	if o.socket != nil {
		runs = o.socket.appendClose(runs)
	}
	return runs
}

// takeQueueLocked empties the queue.
func (o *outbox) takeQueueLocked(runs [][]byte) [][]byte {
	runs = append(runs, o.queue...)
	o.queue, o.queued = nil, 0
	if o.space != nil {
		close(o.space)
		o.space = nil
	}
	return runs
}

// readLogLocked reads the log from the cursor on.
func (o *outbox) readLogLocked(runs [][]byte) (_ [][]byte, onDisk bool) {
	if !o.started {
		return runs, false
	}
	before, place := len(runs), o.cursor.Place()
	runs, missed, onDisk := o.cursor.Next(runs)
	o.counts.Delivered += o.cursor.Place() - place - missed
	return o.insertGapLocked(runs, before, missed), onDisk
}

// insertGapLocked reports missed events in front of the runs that came after them.
func (o *outbox) insertGapLocked(runs [][]byte, before int, missed uint64) [][]byte {
	if missed == 0 {
		return runs
	}
	o.counts.Missed += missed
	return slices.Insert(runs, before, o.encode(&wire.Event{Type: wire.TypeGap, Missed: missed}, ""))
}

// fetch is collect for a session whose next events are on disk. Nothing waits for it:
// events may be queued while it reads.
func (o *outbox) fetch(runs [][]byte) [][]byte {
	o.mu.Lock()
	place, number := o.cursor, o.cursors
	o.mu.Unlock()
	before := len(runs)
	runs, missed, err := place.Fetch(runs)
	if err != nil {
		o.log().Error("cannot read the events that a session missed", "error", err)
	}
	if err != nil && !errors.Is(err, history.ErrDamaged) { // it may be readable the next time
		o.pause()
		o.End(wire.Event{Type: wire.TypeBye, Code: wire.CodeNotRead, Text: "the host cannot read its history right now"})
		return runs[:before]
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cursors != number { // a late hello has started another
		return runs[:before]
	}
	o.counts.Delivered += place.Place() - o.cursor.Place() - missed
	o.cursor.MoveTo(&place)
	return o.frameLocked(o.insertGapLocked(runs, before, missed))
}

// WriteSome implements [fanout.Target]. If the connection does not take everything, the
// outbox continues in a goroutine of its own.
func (o *outbox) WriteSome(w *fanout.Writer) (more bool) {
	var onDisk bool
	w.Runs, onDisk = o.collect(w.Runs[:0])
	if onDisk {
		go o.writeLoop(nil)
		return false
	}
	if len(w.Runs) == 0 {
		o.writer.Done()
		return false
	}
	rest := w.Runs
	if eager, ok := o.conn.(fanout.EagerConn); ok {
		began := o.door.Times.Begin()
		var err error
		rest, err = eager.WriteEagerly(w, w.Runs)
		o.door.Times.End(began)
		if err != nil {
			go func() { // a logger that blocks must not hold up the worker
				defer o.writer.Done()
				o.lost(err)
			}()
			return false
		}
	}
	if len(rest) == 0 {
		return true
	}
	go o.writeLoop(slices.Clone(rest))
	return false
}

// writeLoop writes runs, and what comes after them until there is nothing more.
func (o *outbox) writeLoop(runs [][]byte) {
	defer o.writer.Done()
	for {
		if err := o.write(runs); err != nil {
			o.lost(err)
			return
		}
		var onDisk bool
		runs, onDisk = o.collect(runs[:0])
		if onDisk {
			runs = o.fetch(runs)
		} else if len(runs) == 0 {
			return
		}
	}
}

// write writes runs. A connection that takes no byte within Limits.Stall ends it with an
// error; one that takes some, however few, continues.
func (o *outbox) write(runs [][]byte) error {
	for buffers := net.Buffers(runs); len(buffers) > 0; {
		o.setWriteDeadline()
		began := o.door.Times.Begin()
		n, err := buffers.WriteTo(o.conn)
		o.door.Times.End(began)
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) || o.isOver()) {
			return err
		}
	}
	o.clearWriteDeadline()
	return nil
}

// setWriteDeadline sets when the next write fails.
func (o *outbox) setWriteDeadline() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending {
		o.conn.SetWriteDeadline(o.deadline)
		return
	}
	o.conn.SetWriteDeadline(time.Now().Add(o.door.Limits.Stall))
}

// clearWriteDeadline lifts the deadline of a write: after it, the next write that does not
// wait would fail.
func (o *outbox) clearWriteDeadline() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ending {
		o.conn.SetWriteDeadline(time.Time{})
	}
}

// isOver reports whether the time for the last events has run out.
func (o *outbox) isOver() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ending && !time.Now().Before(o.deadline)
}

// lost ends the session after a failed write: its read loop may be reading, or waiting for
// its replies to be taken.
func (o *outbox) lost(err error) {
	o.endQuietly()
	o.conn.Close()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		o.door.Stalled.Add(1)
		o.log().Warn("closed a session that takes no data", "stall", o.door.Limits.Stall)
		return
	}
	o.log().Debug("write failed", "error", err)
}

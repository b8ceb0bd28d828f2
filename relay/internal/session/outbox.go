package session

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chat/relay/history"
	"chat/relay/internal/fanout"
	"chat/relay/wire"
)

// An outbox sends events to the client of one session: the log from a cursor, and a bounded
// queue of events for this session only. The room knows it as a [room.Peer], the fanout as
// a [fanout.Target]. It is safe for concurrent use.
type outbox struct {
	// fixed
	door   *Door
	conn   net.Conn
	remote net.Addr // of the client
	payer  string   // see Costs
	socket *socket  // the frames of a WebSocket; nil: there are none

	mu       sync.Mutex     // guards all below but ending and writer
	format   history.Format // changed only by the session's read loop
	started  bool           // the welcome is queued, and cursor is a place in the log
	waiting  bool           // registered with the log, which calls Begin on new events
	writing  bool           // a worker or writeLoop writes, or writing has ended for ever
	cursor   history.Cursor
	live     uint64        // ID of the first event that is new to the session; it asked for those before
	cursors  int           // how many cursors there have been
	counts   Counts        // without Gaps
	queue    [][]byte      // encoded events, to be written before more of the log
	held     [][]byte      // encoded events about now, for the queue once the past is written
	queued   int           // bytes in queue and held
	bye      *wire.Event   // the last event; nil: none
	deadline *time.Time    // for writing, once the outbox is ending; until then nil
	space    chan struct{} // closed when queue is emptied; nil while no one waits for it
	ended    chan struct{} // closed when ending is set; nil while no one waits for it

	ending atomic.Bool    // accepts no more events; set under mu
	writer sync.WaitGroup // the worker or writeLoop that writes
}

// logPassing logs a line about the connection, unless its address caused many already.
func (o *outbox) logPassing(level slog.Level, message string, args ...any) {
	if !o.door.Logger.Enabled(context.Background(), level) {
		return
	}
	if skipped, ok := o.door.Logs.Allow(o.payer); ok {
		o.log().Log(context.Background(), level, message, append(args, skipped...)...)
	}
}

// Counts are the counters of sessions.
type Counts struct {
	Delivered uint64 // events that cursors passed, including a few not meant for the session
	Sent      uint64 // bytes of lines, without frames
	Missed    uint64 // events that the log dropped before they were read
	Gaps      uint64 // sessions that missed events
}

// Add adds the counters of another session.
func (c *Counts) Add(other Counts) {
	c.Delivered += other.Delivered
	c.Sent += other.Sent
	c.Missed += other.Missed
	c.Gaps += other.Gaps
}

// maxQueue is the limit of an outbox's queue in bytes, unless it has a single longer event.
// Beyond it, notices from the room are dropped, and the session's own requests wait. Faults from the room are queued
// all the same, because each answers a request: at most 4,096 requests wait for the disk or the cluster, and their
// faults have about 1 MB.
const maxQueue = 256 << 10

func (o *outbox) log() *slog.Logger {
	return o.door.Logger.With("remote", o.remote.String())
}

// Start implements [room.Peer].
func (o *outbox) Start(welcome wire.Event, from, live uint64, v history.View) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.putLocked(o.encode(&welcome, welcome.Nick))
	o.cursors++
	v.Home = o.home()
	o.cursor, o.live = o.door.Log.Cursor(from, live, v), live
	o.started = true
}

// Deliver implements [room.Peer]. Events about now come after those of the past; a gap is a part of
// them.
func (o *outbox) Deliver(e *wire.Event, nick string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.ending.Load() && o.offerLocked(o.encode(e, nick), e.Type != wire.TypeGap, e.Type == wire.TypeError)
}

// Ignore implements [room.Peer].
func (o *outbox) Ignore(authors map[history.Author]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cursor.Ignore(authors)
}

// End implements [room.Peer]: within drain, the outbox still sends the rest of the log and
// the queue, and then bye. Only the first call has an effect.
func (o *outbox) End(bye wire.Event) { o.end(&bye) }

// endQuietly is End without a last event.
func (o *outbox) endQuietly() { o.end(nil) }

func (o *outbox) end(bye *wire.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending.Load() {
		return
	}
	o.bye = bye
	o.ending.Store(true)
	rest := drain
	if bye != nil && bye.Restart > 0 {
		rest = restartDrain
	}
	deadline := time.Now().Add(rest)
	o.deadline = &deadline
	o.conn.SetDeadline(deadline) // bounds a blocked write
	o.conn.SetReadDeadline(time.Now())
	if o.ended != nil {
		close(o.ended)
	}
	o.startWritingLocked()
}

// pause stops sending the log, until Start.
func (o *outbox) pause() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.started = false
}

// speakJSON encodes events for a program from now on.
func (o *outbox) speakJSON() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.format = history.JSON
}

// view returns which events of the log this session receives, and how they are encoded.
func (o *outbox) view() history.View {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cursor.View()
}

// endingChan returns a channel that is closed once ending is set.
func (o *outbox) endingChan() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended == nil {
		o.ended = make(chan struct{})
		if o.ending.Load() {
			close(o.ended)
		}
	}
	return o.ended
}

// readBy sets the read deadline, unless the outbox is ending.
func (o *outbox) readBy(t time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ending.Load() {
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
	return e.Linked(o.home()).AppendText(nil, wire.Viewer{Zone: o.door.Log.Zone(), Nick: nick, Fold: true})
}

// home returns the address of the host as its client reaches it: that works, whatever other
// addresses the host has or had.
func (o *outbox) home() string {
	if at, ok := o.conn.LocalAddr().(*net.TCPAddr); ok {
		return wire.Home(at.String(), o.door.Gate.IsSealed())
	}
	return ""
}

// put queues b even if the queue is full.
func (o *outbox) put(b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.putLocked(b)
}

// putOrWait waits while the queue is full, and then queues b, the reply to a request. A person reads it
// after the past; a program gets it at once, as it may measure the connection by it. Only the session's
// read loop calls it.
func (o *outbox) putOrWait(b []byte) {
	o.awaitSpace(func() bool { return o.offerLocked(b, o.format == history.Text, false) })
}

// awaitEmpty waits until the queue is empty, so that the host does not read a large reply
// into memory before the client has read the one before.
func (o *outbox) awaitEmpty() { o.awaitSpace(func() bool { return o.queued == 0 }) }

// awaitSpace calls try, under the lock, whenever the queue has been emptied, until try
// returns true or the outbox is ending.
func (o *outbox) awaitSpace(try func() bool) {
	for {
		space := o.tryOrSpace(try)
		if space == nil {
			return
		}
		o.door.wakeLog() // deliver the session's messages before it waits
		select {
		case <-space:
		case <-o.endingChan():
			return
		}
	}
}

// tryOrSpace calls try. If it fails, tryOrSpace returns a channel that is closed when the
// queue is next emptied. It holds the lock for both, so that it misses no emptying between.
func (o *outbox) tryOrSpace(try func() bool) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending.Load() || try() {
		return nil
	}
	if o.space == nil {
		o.space = make(chan struct{})
	}
	return o.space
}

// offerLocked queues b if there is space for it, or it must not be dropped; with isNow, after the events of the past.
func (o *outbox) offerLocked(b []byte, isNow, must bool) bool {
	if o.queued > 0 && o.queued+len(b) > maxQueue && !must {
		return false
	}
	if isNow && o.isPastLocked() {
		o.held = append(o.held, b)
		o.queued += len(b)
		o.startWritingLocked()
		return true
	}
	o.putLocked(b)
	return true
}

// isPastLocked reports whether the cursor is still at events from before the session.
func (o *outbox) isPastLocked() bool { return o.started && o.cursor.Place() < o.live }

func (o *outbox) putLocked(b []byte) {
	o.queue = append(o.queue, b)
	o.queued += len(b)
	o.startWritingLocked()
}

// startWritingLocked hands the outbox to the fanout, unless it is being written already.
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

// beginLocked marks the outbox as being written. It returns false if it is already.
func (o *outbox) beginLocked() bool {
	if o.writing {
		return false
	}
	o.writing = true
	o.writer.Add(1)
	return true
}

// collect appends the next bytes to write to runs: the queue, then the log from the cursor.
// If there are none, writing ends, and begins again with new events in the log or the
// queue, or never if the session has ended.
//
// onDisk is true if there is nothing but events on disk: see fetch.
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
		case onDisk && !(o.ending.Load() && time.Now().After(*o.deadline)):
			return runs, true
		case len(o.held) > 0 && !o.isPastLocked(): // next
		case o.bye != nil || o.ending.Load() && o.socket.isOpen():
			return o.farewellLocked(runs), false
		case o.ending.Load():
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
	if !o.isPastLocked() {
		runs, o.held = append(runs, o.held...), nil
	}
	runs = append(runs, o.queue...)
	o.queue, o.queued = nil, 0
	for _, b := range o.held {
		o.queued += len(b)
	}
	if o.space != nil {
		close(o.space)
		o.space = nil
	}
	return runs
}

// readLogLocked reads the log from the cursor, as far as it is in memory.
func (o *outbox) readLogLocked(runs [][]byte) (_ [][]byte, onDisk bool) {
	if !o.started {
		return runs, false
	}
	before, place := len(runs), o.cursor.Place()
	runs, missed, onDisk := o.cursor.Next(runs)
	o.counts.Delivered += o.cursor.Place() - place - missed
	if place < o.live {
		o.charge(runs[before:])
	}
	return o.insertGapLocked(runs, before, missed), onDisk
}

// insertGapLocked inserts a gap event before the runs that followed the missed events.
func (o *outbox) insertGapLocked(runs [][]byte, before int, missed uint64) [][]byte {
	if missed == 0 {
		return runs
	}
	o.counts.Missed += missed
	return slices.Insert(runs, before, o.encode(&wire.Event{Type: wire.TypeGap, Missed: missed}, ""))
}

// charge charges the session for past events, and returns how long it should wait.
func (o *outbox) charge(runs [][]byte) time.Duration {
	size := 0
	for _, run := range runs {
		size += len(run)
	}
	return o.door.Costs.Bytes(o.payer, size)
}

// maxFetchDelay bounds the pause before events from the disk are sent, so that answers to
// pings come in time.
const maxFetchDelay = time.Second

// fetch is collect for a session whose next events are on disk. It reads without holding
// the lock, so events may be queued meanwhile.
func (o *outbox) fetch(runs [][]byte) [][]byte {
	o.mu.Lock()
	place, number := o.cursor, o.cursors
	o.mu.Unlock()
	before := len(runs)
	runs, missed, err := place.Fetch(runs)
	if wait := o.charge(runs[before:]); wait > 0 {
		select {
		case <-time.After(min(wait, maxFetchDelay)):
		case <-o.endingChan():
		}
	}
	if err != nil {
		o.log().Error("cannot read the events that a session missed", "error", err)
	}
	if err != nil && !errors.Is(err, history.ErrDamaged) { // the client may reconnect and retry
		o.pause()
		o.End(wire.Event{Type: wire.TypeBye, Code: wire.CodeNotRead, Text: "the host cannot read its history right now"})
		return runs[:before]
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cursors != number { // a late hello has replaced the cursor
		return runs[:before]
	}
	o.counts.Delivered += place.Place() - o.cursor.Place() - missed
	o.cursor.MoveTo(&place)
	return o.frameLocked(o.insertGapLocked(runs, before, missed))
}

// WriteSome implements [fanout.Target]. If the connection does not accept everything at
// once, a goroutine of the outbox's own continues.
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
	if len(rest) == 0 && !fanout.HasUnsent(o.conn) {
		return !o.park()
	}
	go o.writeLoop(slices.Clone(rest))
	return false
}

// park ends writing if the cursor only has to wait for the log. In a flood it waits though the log
// has new events, until enough have gathered for another write.
func (o *outbox) park() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.started || o.waiting || o.ending.Load() || len(o.queue)+len(o.held) > 0 ||
		o.socket.isClosed() || o.socket.hasControl() || !o.cursor.Wait(o) {
		return false
	}
	o.waiting, o.writing = true, false
	o.writer.Done()
	return true
}

// writeLoop writes runs and all that follows, until there is nothing more to write.
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

// write writes runs. It returns an error if the connection accepts no byte within
// Limits.Stall; a single byte is enough to continue.
func (o *outbox) write(runs [][]byte) error {
	for buffers := net.Buffers(runs); len(buffers) > 0 || fanout.HasUnsent(o.conn); {
		o.setWriteDeadline()
		began := o.door.Times.Begin()
		n, err := fanout.WriteRuns(o.conn, &buffers)
		o.door.Times.End(began)
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) || o.isOver()) {
			return err
		}
	}
	o.clearWriteDeadline()
	return nil
}

// setWriteDeadline sets the deadline of the next write.
func (o *outbox) setWriteDeadline() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ending.Load() {
		o.conn.SetWriteDeadline(*o.deadline)
		return
	}
	o.conn.SetWriteDeadline(time.Now().Add(o.door.CurrentLimits().Stall))
}

// clearWriteDeadline removes the write deadline: once it has passed, a write of the fanout
// would fail.
func (o *outbox) clearWriteDeadline() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ending.Load() {
		o.conn.SetWriteDeadline(time.Time{})
	}
}

// isOver reports whether the time for the last events has passed.
func (o *outbox) isOver() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ending.Load() && !time.Now().Before(*o.deadline)
}

// lost ends the session after a failed write. Its read loop may be reading, or waiting for
// space in the queue.
func (o *outbox) lost(err error) {
	o.endQuietly()
	o.conn.Close()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		o.door.Stalled.Add(1)
		o.logPassing(slog.LevelWarn, "closed a session that accepted no data", "stall", o.door.CurrentLimits().Stall)
		return
	}
	o.log().Debug("write failed", "error", err)
}

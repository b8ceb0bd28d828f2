package history

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"

	"chat/relay/internal/progress"
	"chat/relay/wire"
)

// A committer writes the events that are appended to a log to its file, and wakes the log's
// readers once they are on disk. All events that are appended while it writes go into the next
// transaction, so that one wait for the disk serves them all.
//
// If the file cannot be written (the disk is full), the pending messages are rejected, and so are
// new ones. Joins, leaves, hidden events and acts of operators are held. The committer tries again every second.
type committer struct {
	// fixed
	log   *Log
	file  *File
	fold  Fold
	owner Owner // nil if copies
	warn  *slog.Logger
	wake  chan struct{} // capacity 1: run has something to do
	done  chan struct{} // closed when run has returned

	copies bool // the file is a copy: see NewOrderedOn

	// owned by run
	unindexable bool   // indexing failed within the last minute
	encoded     []byte // the JSON of a batch, reused for the next one

	// atDisk: run reads or writes the file, and a disk may take any time.
	atDisk atomic.Bool

	mu             sync.Mutex       // locked after the log's
	pending        []pending        // in the order of their tickets; guarded by mu, as all below
	bytes          int              // of the texts in pending
	spare          []pending        // an empty list with room for the next events; nil if there is none
	tickets        uint64           // the last ticket that was given
	settled        uint64           // all tickets up to this one are on disk or rejected
	settledWaiters progress.Waiters // of tickets
	pendingSince   time.Time        // when something was settled last, or the first became pending; zero: all is settled
	errors         uint64           // attempts to write that failed
	failing        error            // why the file cannot be written; nil: it can
	heldPresence   int              // joins and leaves in pending; counted while failing
	heldHidden     int              // events of isOwed in pending; counted while failing
	closing        bool             // nothing is appended any more
	position       uint64           // of a copy: pending has all events up to it
	abandoned      bool             // the copy has ended
	spaceFreed     chan struct{}    // closed when pending is emptied next; nil: no one waits for it
}

// A pending is an event that is not on disk yet.
type pending struct {
	event  wire.Event // without a type: the event is hidden
	by     Origin
	at     time.Time // as in Fold.Apply
	json   []byte    // of a hidden event; of another one, from prepareBatch on, the event with a newline
	ticket uint64
}

func (p *pending) isHidden() bool { return p.event.Type == "" }

// isOwed reports whether the event is held while the file cannot be written, and never dropped: it
// records what happened already, and no one sends it again.
func (p *pending) isOwed() bool { return p.isHidden() || p.event.Type == wire.TypeOperator }

// isMessage reports whether a member wrote the event and can send it again.
func (p *pending) isMessage() bool {
	return p.event.IsMessage()
}

// isPresence reports whether the event is a join or a leave. The room's state does not depend
// on these.
func (p *pending) isPresence() bool {
	return p.event.Type == wire.TypeJoin || p.event.Type == wire.TypeLeave
}

const (
	// maxPending is how many events may be pending before members who send more have to
	// wait; see [Log.Full].
	maxPending = 4096

	// maxPendingBytes is likewise how many bytes their texts may have.
	maxPendingBytes = 1 << 20

	// maxHeld is how many joins and leaves are held while the file cannot be written. Older
	// ones are dropped.
	maxHeld = 1000

	// maxHeldHidden is how many hidden events, and acts of operators, are held while the file cannot be written.
	// After that, AppendHidden and Append return an error. All are applied again, with the room's lock
	// held, whenever the file cannot be written after all.
	maxHeldHidden = 20_000

	retryEvery = time.Second // while the file cannot be written
	trimEvery  = time.Minute // old events are deleted, see Keep

	// closeTimeout is how long Log.Close, and File.Close after it, wait for a disk that hangs.
	closeTimeout = 5 * time.Second
)

// NewOn returns a log of the events in f, the last of which it has in memory. wake is as in
// [New]. fold has the state of the records in f, see [File.Records]; it may be nil. owner is
// called when f cannot be written and when it can be again; warn gets all other
// failures. Close the log before f. The error is that of reading f.
func NewOn(f *File, limits Limits, wake func(waiters []Waiter), fold Fold, owner Owner, warn *slog.Logger) (*Log, error) {
	l := New(limits, wake)
	if err := l.load(f); err != nil {
		return nil, fmt.Errorf("read history %s: %w", f.path, err)
	}
	if fold == nil {
		fold = noFold{}
	}
	if err := f.exec(`DELETE FROM meta WHERE name = 'position'`); err != nil { // it is no copy of a shared room any more
		return nil, fmt.Errorf("write history %s: %w", f.path, fileError(err))
	}
	l.committer = newCommitter(l, f, fold, warn)
	l.committer.owner = owner
	go l.committer.run()
	return l, nil
}

func newCommitter(l *Log, f *File, fold Fold, warn *slog.Logger) *committer {
	c := &committer{log: l, file: f, fold: fold, warn: warn, wake: make(chan struct{}, 1), done: make(chan struct{})}
	f.writing = c.done
	return c
}

// load reads the last events of f into memory.
func (l *Log) load(f *File) error {
	last := f.lastID
	from := uint64(1)
	if keep := uint64(l.maxEvents); last > keep {
		from = last - keep + 1
	}
	l.next = last + 1
	for r, err := range f.rowsFrom(from) {
		if err != nil {
			return err
		}
		e, err := r.event()
		if err != nil {
			return err
		}
		if l.events == 0 {
			l.blocks[0].first, l.next = r.id, r.id
		}
		if r.id != l.next {
			return fmt.Errorf("%w: event %d is missing", ErrDamaged, l.next)
		}
		l.appendLocked(&e, Origin{Author: r.author, To: r.to}, nil)
	}
	if l.events == 0 {
		l.blocks[0].first = l.next
	}
	l.appended = false
	return nil
}

// Durable reports whether the log is also kept elsewhere, so that events are in it some time after they were appended.
func (l *Log) Durable() bool { return l.committer != nil || l.queue != nil }

// Settled reports whether the event with that ticket of [Log.Append] or [Log.AppendHidden], and
// all before it, are on disk or were rejected. It is always true for a log in memory.
func (l *Log) Settled(ticket uint64) bool {
	if l.queue != nil {
		return l.queue.Settled(ticket)
	}
	if l.committer == nil {
		return true
	}
	l.committer.mu.Lock()
	defer l.committer.mu.Unlock()
	return ticket <= l.committer.settled
}

// WhenSettled returns a channel that is closed once [Log.Settled] is true for ticket. An event
// that is held while the file cannot be written is not settled, and never is
// if the log is closed before it can be.
func (l *Log) WhenSettled(ticket uint64) <-chan struct{} {
	if l.queue != nil {
		return l.queue.WhenSettled(ticket)
	}
	if l.committer == nil {
		return progress.Reached
	}
	return l.committer.whenSettled(ticket)
}

// Full returns nil, or, while too much is pending, a channel that is closed once more may be
// appended.
func (l *Log) Full() <-chan struct{} {
	if l.queue != nil {
		return l.queue.Full()
	}
	if l.committer == nil {
		return nil
	}
	return l.committer.full()
}

// Close writes the pending events. Nothing may be appended any more. It gives up on a disk
// that does not answer within 5 s, and returns an error. The file stays open.
func (l *Log) Close() error {
	if l.committer == nil {
		return nil
	}
	return l.committer.close()
}

// addEvent makes a copy of e pending and returns its ticket. Its time becomes that which the file
// gives back, so that a fold gets the same event from it.
func (c *committer) addEvent(e *wire.Event, by Origin) (ticket uint64, err error) {
	p := pending{event: *e, by: by}
	p.event.Time = e.Time.UTC().Truncate(time.Millisecond)
	p.at = p.event.Time
	return c.add(p)
}

// add makes p pending and returns its ticket; see [Log.Settled].
func (c *committer) add(p pending) (ticket uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failing != nil {
		if err := c.holdLocked(&p); err != nil {
			return 0, err
		}
	}
	if c.tickets == c.settled {
		c.pendingSince = time.Now()
	}
	c.tickets++
	p.ticket = c.tickets
	c.pending = append(c.pending, p)
	c.bytes += len(p.event.Text) + len(p.json)
	if len(c.pending) == 1 {
		c.wakeRun()
	}
	return p.ticket, nil
}

// holdLocked returns why p is rejected while the file cannot be written, or nil if it is held.
func (c *committer) holdLocked(p *pending) error {
	switch {
	case p.isOwed() && c.heldHidden < maxHeldHidden:
		c.heldHidden++
	case p.isPresence():
		if c.heldPresence >= 2*maxHeld { // seldom, so that dropping costs little for each
			c.pending = dropOldestPresence(c.pending, maxHeld)
			c.heldPresence = maxHeld
		}
		c.heldPresence++
	default:
		return c.failing
	}
	return nil
}

// dropOldestPresence returns list with only the last most joins and leaves of it.
func dropOldestPresence(list []pending, most int) []pending {
	excess := countPending(list, (*pending).isPresence) - most
	return slices.DeleteFunc(list, func(p pending) bool {
		excess--
		if !p.isPresence() {
			excess++
			return false
		}
		return excess >= 0
	})
}

func countPending(list []pending, is func(*pending) bool) (n int) {
	for i := range list {
		if is(&list[i]) {
			n++
		}
	}
	return n
}

// wakeRun makes run look for work.
func (c *committer) wakeRun() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *committer) full() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) < maxPending && c.bytes < maxPendingBytes || c.failing != nil {
		return nil
	}
	if c.spaceFreed == nil {
		c.spaceFreed = make(chan struct{})
	}
	return c.spaceFreed
}

// freeSpaceLocked wakes those who wait until more may be appended.
func (c *committer) freeSpaceLocked() {
	if c.spaceFreed != nil {
		close(c.spaceFreed)
		c.spaceFreed = nil
	}
}

func (c *committer) whenSettled(ticket uint64) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settledWaiters.When(ticket, c.settled)
}

// settleLocked notes that all tickets before the first pending one are on disk or rejected, and
// closes the channels that wait for them.
func (c *committer) settleLocked() {
	c.settled = c.tickets
	if len(c.pending) > 0 {
		c.settled = c.pending[0].ticket - 1
	}
	if c.pendingSince = (time.Time{}); c.settled < c.tickets {
		c.pendingSince = time.Now()
	}
	c.settledWaiters.Reach(c.settled)
}

func (c *committer) close() error {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.wakeRun()
	select {
	case <-c.done:
		return nil
	case <-time.After(c.file.closeTimeout):
		return errors.New("the disk does not answer; the last messages may be missing from the history")
	}
}

// run writes until the log is closed. Between batches, old events are deleted and messages are
// indexed, in steps so short that they do not delay the next batch for long.
func (c *committer) run() {
	defer close(c.done)
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	trimmer := trimmer{file: c.file, log: c.log, warn: c.warn}
	trimmer.announce()
	trim, index := false, false
	for {
		batch, position, closing := c.takePending()
		if len(batch) > 0 {
			index = false // the pause is over
		}
		if len(batch) == 0 && closing || len(batch) > 0 && !c.writeBatch(batch, position) {
			return
		}
		switch {
		case trim:
			c.atDisk.Store(true)
			trim = trimmer.trim()
			c.atDisk.Store(false)
		case index || len(batch) > 0 && !c.unindexable && c.file.isIndexDue():
			index = c.indexSome() && len(batch) == 0
		case len(batch) == 0:
			select {
			case <-c.wake:
			case <-ticker.C:
				trim, c.unindexable = true, false
			case <-c.indexLater():
				index = true
			}
		}
		select {
		case <-ticker.C:
			trim, c.unindexable = true, false
		default:
		}
	}
}

// takePending returns the events to write next, which are no longer in c.pending.
func (c *committer) takePending() (batch []pending, position uint64, closing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch, c.pending, c.spare, c.bytes = c.pending, c.spare[:0], nil, 0
	c.freeSpaceLocked()
	return batch, c.position, c.closing
}

// writeBatch commits or copies a batch. It returns false if the log is closed and the file cannot be written.
func (c *committer) writeBatch(batch []pending, position uint64) bool {
	if c.copies {
		return c.copyBatch(batch, position)
	}
	return c.commitBatch(batch)
}

// commitBatch writes a batch and publishes it, or rejects it. It returns false if the log is
// closed and the file cannot be written.
func (c *committer) commitBatch(batch []pending) bool {
	c.encoded = prepareBatch(batch, c.log.Next(), c.encoded[:0])
	if cap(c.encoded) > maxEncoded {
		c.encoded = nil
	}
	if !waitForDisk {
		c.publish(batch)
	}
	written := c.reportIfSlow()
	c.atDisk.Store(true)
	err := c.file.writeBatch(batch, c.fold)
	c.atDisk.Store(false)
	written()
	if err != nil {
		c.fold.Rollback()
		return c.rejectUnsaved(batch, writeError(err))
	}
	c.fold.Commit()
	if waitForDisk {
		c.publish(batch)
	}
	c.atDisk.Store(true)
	err = c.file.truncateWAL()
	c.atDisk.Store(false)
	if err != nil {
		c.warn.Warn("cannot truncate the write-ahead log of the history", "error", err)
	}
	clear(batch)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spare = batch
	return true
}

// slowWrite is how long writing a batch takes at most until it is slow.
const slowWrite = time.Second

// reportIfSlow calls Owner.Slow if written is not called soon.
func (c *committer) reportIfSlow() (written func()) {
	reported := make(chan struct{})
	timer := time.AfterFunc(slowWrite, func() {
		defer close(reported)
		c.owner.Slow()
	})
	return func() {
		if !timer.Stop() {
			<-reported
		}
	}
}

// maxEncoded is the size in bytes of the largest buffer that is kept for the next batch.
const maxEncoded = 4 << 20

// prepareBatch gives ids from first on to the visible events of a batch and encodes them, which
// are the bytes for both the file and memory. It appends these to buf and returns it.
func prepareBatch(batch []pending, first uint64, buf []byte) []byte {
	for i := range batch {
		p := &batch[i]
		if p.isHidden() {
			continue
		}
		p.event.ID = first
		first++
		start := len(buf)
		buf = p.event.AppendJSON(buf)
		p.json = buf[start:len(buf):len(buf)]
	}
	return buf
}

// publish puts a batch that is on disk into memory, settles its tickets, and wakes the log's
// readers. No one can read an event whose ticket is not settled: its sender would have its answer,
// and a resent message would be taken for a pending one, to which another answer is to come.
func (c *committer) publish(batch []pending) {
	c.append(batch)
	c.log.Wake()
}

func (c *committer) append(batch []pending) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	for i := range batch {
		if p := &batch[i]; !p.isHidden() {
			c.log.appendLocked(&p.event, p.by, p.json)
		}
	}
	c.mu.Lock() // after the log's
	defer c.mu.Unlock()
	c.settleLocked()
}

// rejectUnsaved rejects the messages in batch and in c.pending, then waits until the file can be
// written again. It returns false if the log is closed before.
func (c *committer) rejectUnsaved(batch []pending, err error) bool {
	isSplit := false
	split := func() (rejected []Rejected, held []Held) {
		if isSplit {
			return nil, nil
		}
		isSplit = true
		return c.splitUnsaved(batch, err)
	}
	c.countError()
	c.owner.Failed(err, split)
	split() // if the owner did not
	c.mu.Lock()
	c.settleLocked() // not earlier: rejected messages would seem to be written
	c.mu.Unlock()
	for again := true; again; again = c.probe() != nil {
		if closing := c.waitToRetry(); closing {
			c.mu.Lock()
			lost := len(c.pending)
			c.mu.Unlock()
			c.warn.Error("the history could not be written before the room closed", "events_lost", lost, "error", err)
			return false
		}
	}
	c.mu.Lock()
	c.failing = nil
	if !c.pendingSince.IsZero() {
		c.pendingSince = time.Now()
	}
	c.pending = dropOldestPresence(c.pending, maxHeld)
	c.mu.Unlock()
	c.owner.Recovered()
	return true
}

// probe returns an error if the file cannot be written.
func (c *committer) probe() error {
	err := c.file.probeWrite()
	if err != nil {
		c.countError()
	}
	return err
}

func (c *committer) countError() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errors++
}

// splitUnsaved splits batch and c.pending into the messages, which it returns as rejected, and
// the rest, which stays pending.
func (c *committer) splitUnsaved(batch []pending, err error) (rejected []Rejected, held []Held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing = err
	var rest []pending
	for _, p := range append(batch, c.pending...) {
		p.event.ID = 0
		if p.isMessage() {
			rejected = append(rejected, Rejected{p.event, p.by})
		} else {
			rest = append(rest, p)
		}
	}
	c.pending = dropOldestPresence(rest, maxHeld)
	c.heldPresence = countPending(c.pending, (*pending).isPresence)
	c.heldHidden = countPending(c.pending, (*pending).isOwed)
	held = make([]Held, len(c.pending))
	for i, p := range c.pending {
		held[i] = Held{By: p.by, At: p.at}
		if p.isHidden() {
			held[i].Hidden = p.json
		} else {
			held[i].Event = &p.event // p is a copy
		}
	}
	c.freeSpaceLocked()
	return rejected, held
}

// waitToRetry waits until it is time to write again, and reports whether the log is closed.
func (c *committer) waitToRetry() (closing bool) {
	retry := time.NewTimer(retryEvery)
	defer retry.Stop()
	for !c.isClosing() {
		select {
		case <-c.wake:
		case <-retry.C:
			return c.isClosing()
		}
	}
	return true
}

func (c *committer) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// indexLater returns a channel that is ready when the rest should be indexed, or nil if all is.
func (c *committer) indexLater() <-chan time.Time {
	if c.file.unindexed == 0 || c.unindexable {
		return nil
	}
	return time.After(indexPause)
}

// indexSome indexes some messages, and reports whether there are more. If it fails, it is tried again
// within a minute; until then, a search reads the messages themselves.
func (c *committer) indexSome() (more bool) {
	c.atDisk.Store(true)
	more, err := c.file.indexSome()
	c.atDisk.Store(false)
	if err != nil {
		c.warn.Warn("cannot index messages of the history; searches are slower", "error", err)
		c.unindexable = true
	}
	return more && err == nil
}

// Why a file cannot be written; see [Owner].
var (
	ErrDiskFull = errors.New("the host's disk is full")
	ErrWrite    = errors.New("the host cannot write its history")
)

// writeError returns err as [ErrDiskFull] or [ErrWrite].
func writeError(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && primary(e) == codeFull {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return fmt.Errorf("%w: %w", ErrWrite, err)
}

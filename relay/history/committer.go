package history

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"modernc.org/sqlite"

	"chat/relay/wire"
)

// A committer writes to a log's file what is put into the log, and has the log's readers
// told of it once it is on disk. What comes while it writes goes into the next
// transaction, so that one wait for the disk serves all that came meanwhile.
//
// When the file takes nothing any more (a full disk), what was said and is not on disk
// is handed back to those who said it, and from then on refused; what happened (joins,
// leaves) waits. The committer tries again every second.
type committer struct {
	log     *Log
	file    *File
	refused func([]Refused, error)
	warn    *slog.Logger
	wake    chan struct{} // capacity 1: there is something to do
	done    chan struct{} // closed when the goroutine has ended

	unindexable bool // indexing failed within the last minute; the goroutine's

	mu      sync.Mutex
	pending []pending     // in order; under mu
	bytes   int           // of texts in pending; under mu
	spare   []pending     // an array for the next ones; under mu
	tickets uint64        // how many there have been; under mu
	settled uint64        // how many of them are known to be on disk, or were handed back; under mu
	failing error         // why the file takes nothing; nil while it does; under mu
	closing bool          // nothing comes any more; under mu
	taken   chan struct{} // closed when pending is next taken; nil while nobody waits for it; under mu
}

// A pending is an event on its way to disk, or, without a type, what is to be kept of a client.
type pending struct {
	event wire.Event
	by    Origin
}

func (p *pending) isEvent() bool { return p.event.Type != "" }

// isSaid reports whether somebody said it, and has it to say again.
func (p *pending) isSaid() bool { return p.event.Said() || p.event.Type == wire.TypePrivate }

// A Refused is what somebody said that did not get to disk.
type Refused struct {
	Event wire.Event
	By    Origin
}

const (
	// maxPending is how many events may be on their way to disk before those who
	// bring more have to wait; see [Log.Full].
	maxPending = 4096

	// maxPendingBytes bounds their texts likewise.
	maxPendingBytes = 1 << 20

	// maxHeld is how many events that nobody said wait while the file takes nothing: who came
	// and went, topics, nicks, what is known of clients. Older ones are lost.
	maxHeld = 1000

	retryEvery = time.Second // while the file takes nothing
	trimEvery  = time.Minute // Keep is looked at

	// closeTime is how long Close waits for a disk that hangs.
	closeTime = 5 * time.Second
)

// NewOn makes a log of a file's events, of which it has the last in memory. wake is as in
// [New]. refused is called with what was said and could not be written, in order, and
// why; until it returns nothing more is taken. It is called without error once the file
// takes something again. warn is told of what fails beside that. The log has to be closed.
// An error is that of reading the file.
func NewOn(f *File, limits Limits, wake func(idle []Reader), refused func([]Refused, error), warn *slog.Logger) (*Log, error) {
	l := New(limits, wake)
	if err := l.load(f); err != nil {
		return nil, fmt.Errorf("read history %s: %w", f.path, err)
	}
	l.committer = &committer{log: l, file: f, refused: refused, warn: warn, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.committer.run()
	return l, nil
}

// load puts the last events of f into memory.
func (l *Log) load(f *File) error {
	last, err := f.last()
	if err != nil {
		return err
	}
	from := uint64(1)
	if keep := uint64(l.maxEvents); last > keep {
		from = last - keep + 1
	}
	l.next = last + 1
	for r, err := range f.from(from) {
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
			return fmt.Errorf("%w: event %d is not there", ErrDamaged, l.next)
		}
		l.putLocked(&e, Origin{Author: r.author, To: r.to})
	}
	if l.events == 0 {
		l.blocks[0].first = l.next
	}
	l.fresh = false
	return nil
}

// Durable reports whether the log is on disk too.
func (l *Log) Durable() bool { return l.committer != nil }

// Remember keeps what is known of a client but its Seq, if the log is on disk: that goes
// with what it said.
func (l *Log) Remember(c Client) {
	if l.committer != nil {
		c.Seq = 0
		l.committer.add(&wire.Event{}, Origin{Author: c.Author, Client: &c})
	}
}

// Settled reports whether the event with that ticket of [Log.Append]'s, and all before
// it, are on disk or were handed back.
func (l *Log) Settled(ticket uint64) bool {
	if l.committer == nil {
		return true
	}
	l.committer.mu.Lock()
	defer l.committer.mu.Unlock()
	return ticket <= l.committer.settled
}

// Full returns nil, or, while too much is on its way to disk, a channel that is closed
// once more may come.
func (l *Log) Full() <-chan struct{} {
	if l.committer == nil {
		return nil
	}
	return l.committer.full()
}

// Close writes what is still on its way. Nothing may be appended any more. The file stays open.
func (l *Log) Close() error {
	if l.committer == nil {
		return nil
	}
	return l.committer.close()
}

// add takes an event on its way to disk and returns its ticket; see [Log.Settled].
func (c *committer) add(e *wire.Event, by Origin) (ticket uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := pending{*e, by}
	switch {
	case c.failing != nil && p.isSaid():
		return 0, c.failing
	case c.failing != nil && len(c.pending) >= maxHeld:
		clear(c.pending[:1])
		c.pending = c.pending[1:]
	}
	c.pending = append(c.pending, p)
	c.bytes += len(e.Text)
	c.tickets++
	if len(c.pending) == 1 {
		c.nudge()
	}
	return c.tickets, nil
}

// nudge has the goroutine look again.
func (c *committer) nudge() {
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
	if c.taken == nil {
		c.taken = make(chan struct{})
	}
	return c.taken
}

func (c *committer) close() error {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.nudge()
	select {
	case <-c.done:
		return nil
	case <-time.After(closeTime):
		return errors.New("the disk takes too long; what was said last may not be in the history")
	}
}

// run writes until the log is closed. What is beyond the file's Keep is deleted, and what
// was said indexed, in steps between the batches: they do not hold them up for long, and need no
// pause in the talk.
func (c *committer) run() {
	defer close(c.done)
	ticker := time.NewTicker(trimEvery)
	defer ticker.Stop()
	trim, index := true, false
	for {
		batch, closing := c.take()
		if len(batch) > 0 {
			index = false // the pause is over
		}
		if len(batch) == 0 && closing || len(batch) > 0 && !c.commit(batch) {
			return
		}
		switch {
		case trim:
			trim = c.trim()
		case index || len(batch) > 0 && !c.unindexable && c.file.isIndexDue():
			index = c.index() && len(batch) == 0
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

// take returns what is to be written.
func (c *committer) take() (batch []pending, closing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch, c.pending, c.spare, c.bytes = c.pending, c.spare[:0], nil, 0
	if c.taken != nil {
		close(c.taken)
		c.taken = nil
	}
	return batch, c.closing
}

// commit writes a batch and has it read, or hands it back. It returns false when the log
// is closed and the file takes nothing.
func (c *committer) commit(batch []pending) bool {
	first := c.log.Next()
	if !waitForDisk {
		c.publish(batch)
	}
	if err := c.file.write(batch, first); err != nil {
		return c.fail(batch, writeError(err))
	}
	if waitForDisk {
		c.publish(batch)
	}
	if err := c.file.shorten(); err != nil {
		c.warn.Warn("the write-ahead log of the history becomes long", "error", err)
	}
	clear(batch)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settleLocked()
	c.spare = batch
	return true
}

// settleLocked notes that all but what is pending is on disk, or was handed back.
func (c *committer) settleLocked() { c.settled = c.tickets - uint64(len(c.pending)) }

// publish puts a batch that is on disk where it is read.
func (c *committer) publish(batch []pending) {
	c.log.mu.Lock()
	for i := range batch {
		if p := &batch[i]; p.isEvent() {
			c.log.putLocked(&p.event, p.by)
		}
	}
	c.log.mu.Unlock()
	c.log.Wake()
}

// fail hands back what of a batch, and of what came since, somebody said. Then it waits
// until the file takes something again. It returns false when the log is closed before.
func (c *committer) fail(batch []pending, err error) bool {
	refused := c.hold(batch, err)
	c.refused(refused, err)
	c.mu.Lock()
	c.settleLocked() // not before: what was refused would pass for written
	c.mu.Unlock()
	for again := true; again; again = c.file.probe() != nil {
		if c.pause() {
			c.warn.Error("who came and went last is not in the history, nor topics and nicks", "error", err)
			return false
		}
	}
	c.mu.Lock()
	c.failing = nil
	c.mu.Unlock()
	c.refused(nil, nil)
	return true
}

// hold keeps what happened of a batch and of what came since, and returns what was said.
func (c *committer) hold(batch []pending, err error) (refused []Refused) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing = err
	var held []pending
	for _, p := range append(batch, c.pending...) {
		if p.isSaid() {
			refused = append(refused, Refused{p.event, p.by})
		} else {
			held = append(held, p)
		}
	}
	c.pending = held[max(len(held)-maxHeld, 0):]
	if c.taken != nil {
		close(c.taken)
		c.taken = nil
	}
	return refused
}

// pause waits until it is time to try again, and reports whether the log is closed.
func (c *committer) pause() (closing bool) {
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

// trim deletes some of what is beyond the file's Keep, or else of clients that nobody has
// seen for long, and reports whether there may be more. What cannot be deleted now is so later.
func (c *committer) trim() (more bool) {
	first, err := c.file.trim(time.Now())
	if first == 0 && err == nil {
		more, err = c.file.forgetClients(maxClients)
	}
	switch {
	case err != nil:
		c.warn.Warn("the history is not kept within its bounds", "error", err)
		return false
	case first > 0:
		c.log.forget(first)
		return true
	}
	return more
}

// indexLater returns a channel that is ready when the rest should be indexed; nil: nothing is left.
func (c *committer) indexLater() <-chan time.Time {
	if c.file.saids == 0 || c.unindexable {
		return nil
	}
	return time.After(indexPause)
}

// index indexes some of what was said, and reports whether there is more. What cannot be
// indexed now is so later; until then a search reads it itself.
func (c *committer) index() (more bool) {
	more, err := c.file.index()
	if err != nil {
		c.warn.Warn("what was said is searched without its index", "error", err)
		c.unindexable = true
	}
	return more && err == nil
}

// Why a file takes nothing, for those whose message was refused.
var (
	ErrDiskFull = errors.New("the host's disk is full")
	ErrWrite    = errors.New("the host cannot write its history")
)

// writeError words why a batch could not be written.
func writeError(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && primary(e) == codeFull {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return fmt.Errorf("%w: %w", ErrWrite, err)
}

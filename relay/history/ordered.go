package history

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"chat/relay/wire"
)

// This file is the log of a room that several relays serve: its events come in an order that all of them share.

// A Queue has the requests of this relay that are on their way into the log. Tickets are given in order, from 1 on.
type Queue interface {
	// Settled reports whether the request with a ticket, and all before it, are in the log or were rejected.
	Settled(ticket uint64) bool

	// WhenSettled returns a channel that is closed once Settled is true for ticket.
	WhenSettled(ticket uint64) <-chan struct{}

	// Full returns nil, or, while too many requests wait, a channel that is closed once there may be more.
	Full() <-chan struct{}

	// Waiting returns how many requests wait, and for how long nothing was settled although some did.
	Waiting() (requests int, since time.Duration)
}

// NewOrdered returns an empty log whose first event gets the ID next. Its events are put into it by [Log.Put], in the
// order of the relays; queue has this relay's own that are not in it yet. wake is as in [New].
func NewOrdered(limits Limits, wake func(waiters []Waiter), queue Queue, next uint64) *Log {
	l := New(limits, wake)
	l.queue, l.next = queue, next
	l.blocks[0].first = next
	return l
}

// Put adds e to the end of a log of [NewOrdered], and gives it its ID. Its time becomes that which a file gives
// back. Waiters are woken by [Log.Wake].
func (l *Log) Put(e *wire.Event, by Origin) {
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.appendLocked(e, by, nil)
	if l.committer != nil {
		l.placed = append(l.placed, pending{event: *e, by: Origin{Author: by.Author, To: by.To}, at: e.Time})
	}
}

// NewOrderedOn is [NewOrdered] for a log that also keeps a copy in f, as far as [File.Position] says: it continues
// there. fold has the state of the records in f; warn gets failures of writing. Close the log before f. The error is that of
// reading f.
func NewOrderedOn(f *File, limits Limits, wake func(waiters []Waiter), queue Queue, fold Fold, warn *slog.Logger) (*Log, error) {
	l := NewOrdered(limits, wake, queue, 1)
	if err := l.load(f); err != nil {
		return nil, fmt.Errorf("read history %s: %w", f.path, err)
	}
	l.copied = f.lastID
	l.committer = newCommitter(l, f, fold, warn)
	l.committer.copies = true
	go l.committer.run()
	return l, nil
}

// PutHidden puts an event that no reader receives after the last one, as [Log.AppendHidden] does.
func (l *Log) PutHidden(json []byte, at time.Time) {
	if l.committer != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.placed = append(l.placed, pending{json: json, at: at.UTC().Truncate(time.Millisecond)})
	}
}

// PutAll says that all events up to a position in the order have been put: a copy has them all, or none since the last
// call.
func (l *Log) PutAll(position uint64) {
	if l.committer == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.committer.addPlaced(l.placed, position) {
		l.copied = math.MaxUint64
	}
	clear(l.placed)
	l.placed = l.placed[:0]
}

// maxCopyBytes is how many bytes of texts may wait for a copy whose disk does not take them. Beyond that the copy ends, until
// the relay is started again: then it continues where it ended. So long the log has these events in memory, too, beyond its limits.
const maxCopyBytes = 64 << 20

// addPlaced makes events pending that are in memory already. It returns false if the copy has ended.
func (c *committer) addPlaced(placed []pending, position uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.abandoned {
		return false
	}
	if c.tickets == c.settled {
		c.pendingSince = time.Now()
	}
	for _, p := range placed {
		c.tickets++
		p.ticket = c.tickets
		c.pending = append(c.pending, p)
		c.bytes += len(p.event.Text) + len(p.json)
	}
	c.position = position
	if c.bytes > maxCopyBytes {
		c.abandoned, c.pending, c.bytes = true, nil, 0
		c.warn.Error("the copy of the room ends here: its disk did not take it; start this relay again to continue it")
	}
	c.wakeRun()
	return !c.abandoned
}

// noteCopied notes that the copy has all events up to the ID last.
func (l *Log) noteCopied(last uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.copied = max(l.copied, last)
}

// copyBatch writes a batch whose events are in memory already, and tries again until it can. It returns false if the log
// is closed before.
func (c *committer) copyBatch(batch []pending, position uint64) bool {
	c.encoded = prepareBatch(batch, c.file.lastID+1, c.encoded[:0])
	if cap(c.encoded) > maxEncoded {
		c.encoded = nil
	}
	c.file.position = position
	for {
		c.atDisk.Store(true)
		err := c.file.writeBatch(batch, c.fold)
		c.atDisk.Store(false)
		if err == nil {
			break
		}
		c.fold.Rollback()
		if !c.noteCopyFailed(writeError(err)) || c.waitToRetry() {
			return false
		}
	}
	c.fold.Commit()
	c.log.noteCopied(c.file.lastID)
	if err := c.file.truncateWAL(); err != nil {
		c.warn.Warn("cannot truncate the write-ahead log of the history", "error", err)
	}
	clear(batch)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failing != nil {
		c.failing = nil
		c.warn.Warn("the copy of the room is written again")
	}
	c.spare = batch
	c.settleLocked()
	return true
}

// noteCopyFailed notes why a batch could not be copied. It returns false if the copy has ended.
func (c *committer) noteCopyFailed(err error) (goesOn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errors++
	if c.failing == nil {
		c.warn.Error("cannot write the copy of the room; the room goes on without it until it works again", "error", err)
	}
	c.failing = err
	return !c.abandoned
}

// ErrOtherRoom says that a file has the history of another room.
var ErrOtherRoom = errors.New("it has the history of another room")

// Join makes f the copy of a shared room with an ID and a secret. The error wraps [ErrOtherRoom] if f has events that are
// not that room's. It is for before there is a log on the file.
func (f *File) Join(id, secret string) error {
	position, err := f.Position()
	if err != nil {
		return err
	}
	switch had, err := f.RoomID(); {
	case err != nil:
		return err
	case had == id && (position > 0 || f.lastID == 0):
		return nil
	case f.lastID > 0:
		return fmt.Errorf("join the room with history %s: %w", f.path, ErrOtherRoom)
	}
	if err := errors.Join(f.setMeta("room", id), f.setMeta("secret", secret)); err != nil {
		return fmt.Errorf("write the room to %s: %w", f.path, fileError(err))
	}
	return nil
}

// Position returns how far in the order of a shared room f has its events; 0: it has none.
func (f *File) Position() (position uint64, err error) {
	err = f.queryRow(`SELECT coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'position'), 0)`, &position)
	if err != nil {
		return 0, fmt.Errorf("read the position of %s: %w", f.path, fileError(err))
	}
	return position, nil
}

// writePosition writes the position up to which f has all events. It is part of a transaction.
func (f *File) writePosition() error {
	if f.position == 0 {
		return nil
	}
	return f.setMeta("position", f.position)
}

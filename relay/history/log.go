package history

import (
	"bytes"
	"iter"
	"math"
	"slices"
	"sort"
	"sync"
	"time"

	"chat/relay/wire"
)

// Limits bound the events that a Log has in memory. The oldest events beyond either limit are
// dropped, in whole blocks, so up to an eighth more than Events may stay.
type Limits struct {
	Events int            // kept at least, if they fit in Bytes; 0: 10,000, negative: no limit
	Bytes  int            // of both encodings together, one of them estimated until it is needed; 0: 16 MiB, negative: no limit
	Zone   *time.Location // of the times in the text encoding; nil: this machine's
}

const (
	defaultEvents = 10_000
	defaultBytes  = 16 << 20

	// A block is the most that is written to a socket at once. A session that is far
	// behind gets writes of this size, which cost least per byte.
	maxBlockText   = 64 << 10
	maxBlockEvents = 1024
)

// An Author is the member an event is from, so that readers can ignore authors. 0 is the room
// itself.
type Author uint64

// An Origin is who an event is from, and who may read it.
type Origin struct {
	Author Author
	To     Author // the recipient of a private message; 0: everyone reads the event
	Sender any    // returned with a message that is rejected; the log does not look at it
	Waiter Waiter // the author's, which is woken before all others; nil: there is none
}

// A Log is a room's log: the last events in memory and, if it has a [File], all events on disk.
// With a file, readers get an event once it is on disk.
type Log struct {
	// fixed
	committer *committer // nil: the log is in memory only
	queue     Queue      // nil: events are appended here; see NewOrdered
	zone      *time.Location
	wake      func(waiters []Waiter)

	// guarded by mu
	mu           sync.Mutex
	maxEvents    int
	maxBytes     int
	blockEvents  int
	blocks       []*block // oldest first, never empty
	next         uint64   // id of the next event
	events       int      // in all blocks
	bytes        int      // in all blocks
	waiters      []Waiter // for the next event
	spareWaiters []Waiter // an empty list with room for the next waiters; nil if there is none
	appended     bool     // there have been events since the last Wake
	wokenFirst   Waiter   // of the last event since the last Wake; nil: there is none
	gathering    gathering
	placed       []pending // put since the last PutAll, if there is a copy
	copied       uint64    // ID of the last event that the copy has, or that it need not get any more
}

// A Waiter is anything that waits for the next event. The log only hands it over.
type Waiter any

// A block is a run of events whose encodings follow one another, so that a reader gets many in
// one slice. A block only grows: the part that a reader has copied under the log's lock does
// not change, and is read without the lock.
type block struct {
	first      uint64 // id of entries[0]
	entries    []entry
	hasPrivate bool // some of them are private messages
	hasLinks   bool // some of them have links to uploads
	json       []byte
	text       []byte
	late       []lateMessage // the last events, which json does not have yet
	lateSize   int           // an estimate of how many bytes of json they will be
}

// An entry is where an event's encodings end in its block, and what decides whether a cursor
// skips it.
type entry struct {
	json, text uint32
	link       uint32 // where the address of the host is missing in the text, before the path of an upload; 0: nowhere
	public     bool   // it is a message or an action, which all may read
	author, to Author // as in Origin
}

// bytes returns the encodings in one format.
func (b *block) bytes(format Format) []byte {
	if format == JSON {
		return b.json
	}
	return b.text
}

// end returns where the encoding of the ith event ends. That of event -1 ends at 0.
func (b *block) end(format Format, i int) uint32 {
	switch {
	case i < 0:
		return 0
	case format == JSON:
		return b.entries[i].json
	default:
		return b.entries[i].text
	}
}

// New returns an empty log in memory. [Log.Wake] calls wake with the waiters. wake must not
// block; it owns the list until it returns it to [Log.Recycle].
func New(limits Limits, wake func(waiters []Waiter)) *Log {
	l := &Log{wake: wake, zone: limits.Zone, next: 1, blocks: []*block{{first: 1}}}
	l.limitLocked(limits)
	return l
}

// SetLimits replaces the limits, all but Zone. Events beyond them are dropped at once.
func (l *Log) SetLimits(limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limitLocked(limits)
	l.trimLocked()
}

func (l *Log) limitLocked(limits Limits) {
	l.maxEvents = orDefault(limits.Events, defaultEvents)
	l.maxBytes = orDefault(limits.Bytes, defaultBytes)
	l.blockEvents = min(maxBlockEvents, max(1, l.maxEvents/8))
}

func orDefault(n, otherwise int) int {
	switch {
	case n == 0:
		return otherwise
	case n < 0:
		return math.MaxInt
	}
	return n
}

// Append adds e to the end of the log. A log in memory gives e its id at once; waiters are woken
// by [Log.Wake].
//
// A log on a file makes a copy of e pending, and gives it an id and wakes the waiters
// when it is on disk. The ticket is for [Log.Settled] and [Log.WhenSettled]. The error is
// returned, and e is rejected, if the file cannot be written at the moment; joins and leaves are
// held instead.
func (l *Log) Append(e *wire.Event, by Origin) (ticket uint64, err error) {
	if l.committer != nil {
		return l.committer.addEvent(e, by)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.appendLocked(e, by, nil)
	return 0, nil
}

// appendLocked gives e the next id and puts it into memory. json is the event with that id in
// JSON, with a newline; nil: it is encoded here.
func (l *Log) appendLocked(e *wire.Event, by Origin, json []byte) {
	e.ID = l.next
	l.next++
	b := l.blocks[len(l.blocks)-1]
	if len(b.text) >= maxBlockText || len(b.entries) >= l.blockEvents {
		b = &block{ // as large as the last one is
			first:   e.ID,
			entries: make([]entry, 0, len(b.entries)+16),
			json:    make([]byte, 0, len(b.json)+1<<10),
			text:    make([]byte, 0, len(b.text)+1<<10),
			late:    make([]lateMessage, 0, len(b.late)),
		}
		l.blocks = append(l.blocks, b)
	}
	before, beforeText := b.size(), len(b.text)
	link := uint32(0)
	b.text = e.Linked("").AppendText(b.text, l.viewer(e))
	switch {
	case json != nil:
		b.encodeLate()
		b.json = append(b.json, json...)
	case !b.putOff(e):
		b.encodeLate()
		b.json = e.AppendJSON(b.json)
	}
	if e.File != nil && bytes.HasSuffix(b.text, []byte(" "+e.File.Path+"\n")) {
		link = uint32(len(b.text) - len(e.File.Path) - 1)
		b.hasLinks = true
	}
	b.entries = append(b.entries, entry{uint32(len(b.json)), uint32(len(b.text)), link, e.IsPublicMessage(), by.Author, by.To})
	b.hasPrivate = b.hasPrivate || by.To != 0
	l.events++
	l.bytes += b.size() - before
	l.gathering.add(len(b.text) - beforeText)
	l.trimLocked()
	l.appended = true
	l.wokenFirst = by.Waiter
}

// viewer returns the reader for whom e is encoded as text: everyone, or the recipient of a
// private message.
func (l *Log) viewer(e *wire.Event) wire.Viewer {
	return wire.Viewer{Zone: l.zone, Nick: e.To, Fold: true}
}

// Wake hands over the waiters if events were appended since it was called last. It is apart
// from Append so that many events wake them once. In a flood it puts that off: see gathering.
func (l *Log) Wake() {
	if waiters := l.takeWaiters(); len(waiters) > 0 {
		l.wake(waiters)
	}
}

// takeWaiters returns the waiters that Wake hands over.
func (l *Log) takeWaiters() (waiters []Waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.appended {
		return nil
	}
	now := time.Now()
	if wait := l.gathering.wait(now); wait > 0 {
		l.gathering.arm(wait, l.wakeLate)
		return nil
	}
	l.gathering.wake(now, l.next)
	if len(l.waiters) > 0 {
		waiters, l.waiters, l.spareWaiters = l.waiters, l.spareWaiters, nil
	}
	l.appended = false
	moveToFront(waiters, l.wokenFirst)
	l.wokenFirst = nil
	return waiters
}

// moveToFront exchanges w with the first of the list, if it is in it.
func moveToFront(list []Waiter, w Waiter) {
	if i := slices.Index(list, w); i > 0 {
		list[0], list[i] = list[i], list[0]
	}
}

// trimLocked drops the oldest blocks that are not needed to keep maxEvents, or
// do not fit in maxBytes. The newest block always stays, and so do events that a copy does not have yet: readers would miss them.
func (l *Log) trimLocked() {
	drop := 0
	events, bytes := l.events, l.bytes
	for ; drop < len(l.blocks)-1; drop++ {
		b := l.blocks[drop]
		if events-len(b.entries) < l.maxEvents && bytes <= l.maxBytes {
			break
		}
		if l.committer != nil && l.committer.copies && b.first+uint64(len(b.entries))-1 > l.copied {
			break
		}
		events -= len(b.entries)
		bytes -= b.size()
	}
	l.dropBlocksLocked(drop)
}

// dropBlocksLocked drops the first n blocks.
func (l *Log) dropBlocksLocked(n int) {
	if n == 0 {
		return
	}
	for _, b := range l.blocks[:n] {
		l.events -= len(b.entries)
		l.bytes -= b.size()
	}
	l.blocks = slices.Clone(l.blocks[n:]) // the old array would keep the dropped ones in memory
}

// Zone returns the zone of the times in the text encoding; nil: this machine's.
func (l *Log) Zone() *time.Location { return l.zone }

// Next returns the id of the next event.
func (l *Log) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// firstInMemory returns the id of the oldest event in memory, or of the next event if there is none.
func (l *Log) firstInMemory() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blocks[0].first
}

// backward iterates over the events in memory from the event id, or from the last event if there
// is no such id, to the oldest. It yields a block with the encodings in a format, and the event's index in it.
func (l *Log) backward(id uint64, format Format) iter.Seq2[*block, int] {
	return func(yield func(*block, int) bool) {
		for {
			b, _ := l.blockOf(id, format)
			if id < b.first { // dropped, or before the first
				return
			}
			for i := int(min(id-b.first+1, uint64(len(b.entries)))) - 1; i >= 0; i-- {
				if !yield(&b, i) {
					return
				}
			}
			id = b.first - 1
		}
	}
}

// Wait adds w to the waiters for the event next. It returns false if the log has it already and
// the waiters were woken for it, or will not be.
func (l *Log) Wait(next uint64, w Waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if next < l.next && !l.gathering.covers(next) {
		return false
	}
	l.waiters = append(l.waiters, w)
	return true
}

// Forget removes w from the waiters.
func (l *Log) Forget(w Waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiters = slices.DeleteFunc(l.waiters, func(other Waiter) bool { return other == w })
}

// Recycle returns a list that wake was called with, so that its array is used again.
func (l *Log) Recycle(list []Waiter) {
	clear(list)
	l.mu.Lock()
	defer l.mu.Unlock()
	if cap(list) > cap(l.spareWaiters) {
		l.spareWaiters = list[:0]
	}
}

// blockOf returns a copy of the block that has the event id, or of the oldest block if that
// event was dropped, and the id of the next event. The copy has the encodings in a format, and
// does not change.
func (l *Log) blockOf(id uint64, format Format) (b block, next uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := sort.Search(len(l.blocks), func(i int) bool { return l.blocks[i].first > id })
	found := l.blocks[max(i-1, 0)]
	if format == JSON && len(found.late) > 0 {
		before := found.size()
		found.encodeLate()
		l.bytes += found.size() - before
	}
	return *found, l.next
}

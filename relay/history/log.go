package history

import (
	"iter"
	"math"
	"slices"
	"sort"
	"sync"
	"time"

	"chat/relay/wire"
)

// Limits bound what a Log keeps. Both hold: what goes beyond either is dropped,
// oldest first and in whole blocks, so that up to an eighth more events may stay.
type Limits struct {
	Events int            // at least this many events are kept while they fit in Bytes; 0: 10,000, negative: no limit
	Bytes  int            // of both encodings together; 0: 16 MiB, negative: no limit
	Zone   *time.Location // of the times in the text encoding; nil: local
}

const (
	defaultEvents = 10_000
	defaultBytes  = 16 << 20

	// A block is what one write takes at most, so that a session far behind is
	// served in writes of the size that costs a socket least per byte.
	maxBlockText   = 64 << 10
	maxBlockEvents = 1024
)

// An Author says whose event it is, for readers that leave some authors out.
// 0 is the room itself.
type Author uint64

// An Origin says whose an event is, and who may read it.
type Origin struct {
	Author Author
	To     Author // the one reader of a private message besides its author; 0: all
	Sender any    // comes back with it if it could not be written
	Waiter Waiter // of the author, who waits to read it: handed over first; nil: nobody
}

// A Log is a room's log: the last events in memory, and all of them in a [File] if it
// has one. With a file an event is in the log, for whoever reads it, once it is on disk.
type Log struct {
	committer   *committer // nil: there is no file
	zone        *time.Location
	wake        func(idle []Waiter)
	maxEvents   int
	maxBytes    int
	blockEvents int

	mu     sync.Mutex
	blocks []*block // oldest first, never empty; under mu
	next   uint64   // the id the next event gets; under mu
	events int      // in all blocks; under mu
	bytes  int      // in all blocks; under mu
	idle   []Waiter // who waits for the next event; under mu
	fresh  bool     // something was appended since the last Wake; under mu
	spare  []Waiter // an array for the next list of them; under mu

	speaker Waiter // of the last event since the last Wake, or nil; under mu
}

// A Waiter is whoever waits for the log to go on. The log knows nothing of it.
type Waiter any

// A block is a run of events whose encodings lie one behind the other, so that
// a reader takes many with one slice. It only grows: what a reader has seen under
// the log's lock stays as it is, and is read without the lock.
type block struct {
	first   uint64 // id of entries[0]
	entries []entry
	private bool // some of them are not for all
	json    []byte
	text    []byte
}

// An entry says where an event's encodings end in its block, and what a cursor
// must know to leave it out.
type entry struct {
	json, text uint32
	said       bool
	author, to Author // as in Origin
}

// bytes returns the encodings of one kind.
func (b *block) bytes(format Format) []byte {
	if format == JSON {
		return b.json
	}
	return b.text
}

// end returns where the encoding of the ith event ends; the -1st ends at 0.
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

// New makes an empty log. wake is called by [Log.Wake] with those who waited, and must
// not wait for anything itself; it owns the list until it gives it to [Log.Recycle].
func New(limits Limits, wake func(idle []Waiter)) *Log {
	l := &Log{
		wake:      wake,
		zone:      limits.Zone,
		maxEvents: limits.Events,
		maxBytes:  limits.Bytes,
		next:      1,
	}
	if l.zone == nil {
		l.zone = time.Local
	}
	l.maxEvents = orDefault(l.maxEvents, defaultEvents)
	l.maxBytes = orDefault(l.maxBytes, defaultBytes)
	l.blockEvents = min(maxBlockEvents, max(1, l.maxEvents/8))
	l.blocks = []*block{{first: 1}}
	return l
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

// Append puts e into the log behind what is there. Those who wait for it are not told
// yet: see [Log.Wake]. With a file that is left to the writing of it, and so is giving
// e its id; the ticket is for [Log.Settled], the error says why the file takes nothing
// at the moment.
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
		b = &block{ // about as large as the one before
			first:   e.ID,
			entries: make([]entry, 0, len(b.entries)+16),
			json:    make([]byte, 0, len(b.json)+1<<10),
			text:    make([]byte, 0, len(b.text)+1<<10),
		}
		l.blocks = append(l.blocks, b)
	}
	before := len(b.json) + len(b.text)
	if json != nil {
		b.json = append(b.json, json...)
	} else {
		b.json = e.AppendJSON(b.json)
	}
	b.text = e.AppendText(b.text, l.viewer(e))
	b.entries = append(b.entries, entry{uint32(len(b.json)), uint32(len(b.text)), e.Said(), by.Author, by.To})
	b.private = b.private || by.To != 0
	l.events++
	l.bytes += len(b.json) + len(b.text) - before
	l.trimLocked()
	l.fresh = true
	l.speaker = by.Waiter
}

// viewer returns who reads e as text: all, or the one whom a private message is for.
func (l *Log) viewer(e *wire.Event) wire.Viewer { return wire.Viewer{Zone: l.zone, Nick: e.To} }

// Wake hands over those who waited for what was appended. It is apart from Append
// so that many events that came together are told of once.
func (l *Log) Wake() {
	l.mu.Lock()
	var idle []Waiter
	if l.fresh && len(l.idle) > 0 {
		idle, l.idle, l.spare = l.idle, l.spare, nil
	}
	l.fresh = false
	toFront(idle, l.speaker)
	l.speaker = nil
	l.mu.Unlock()
	if len(idle) > 0 {
		l.wake(idle)
	}
}

// toFront moves r to the front of the list, if it is there.
func toFront(list []Waiter, r Waiter) {
	if i := slices.Index(list, r); i > 0 {
		list[0], list[i] = list[i], list[0]
	}
}

// trimLocked drops the oldest blocks that are not needed to keep maxEvents, or
// do not fit in maxBytes. The newest block always stays.
func (l *Log) trimLocked() {
	drop := 0
	for ; drop < len(l.blocks)-1; drop++ {
		if l.events-len(l.blocks[drop].entries) < l.maxEvents && l.bytes <= l.maxBytes {
			break
		}
		l.dropLocked(drop)
	}
	l.cutLocked(drop)
}

// dropLocked counts the ith block as dropped; see cutLocked.
func (l *Log) dropLocked(i int) {
	b := l.blocks[i]
	l.events -= len(b.entries)
	l.bytes -= len(b.json) + len(b.text)
}

// cutLocked takes the first n blocks off the list.
func (l *Log) cutLocked(n int) {
	if n > 0 {
		l.blocks = append([]*block(nil), l.blocks[n:]...) // a new array: the old one would keep what was dropped
	}
}

// Zone returns the zone of the times in the text encoding.
func (l *Log) Zone() *time.Location { return l.zone }

// Next returns the id that the next event gets.
func (l *Log) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// first returns the id of the oldest event in memory, or of the next one where there is none.
func (l *Log) first() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blocks[0].first
}

// backward goes over what memory holds from the event id, or from the last where there
// is none of that id, to the oldest: each time a block, and an event's place in it.
func (l *Log) backward(id uint64) iter.Seq2[*block, int] {
	return func(yield func(*block, int) bool) {
		for {
			b, _ := l.at(id)
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

// Wait puts r on the list that is handed over when the log goes on, unless the log holds
// the event next already: then it returns false.
func (l *Log) Wait(next uint64, r Waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if next < l.next {
		return false
	}
	l.idle = append(l.idle, r)
	return true
}

// Forget takes r off the list of those who wait.
func (l *Log) Forget(r Waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = slices.DeleteFunc(l.idle, func(other Waiter) bool { return other == r })
}

// Recycle takes the array of a list that was handed over, for the next one.
func (l *Log) Recycle(list []Waiter) {
	clear(list)
	l.mu.Lock()
	defer l.mu.Unlock()
	if cap(list) > cap(l.spare) {
		l.spare = list[:0]
	}
}

// at returns the block that holds the event id, or the oldest one for an event
// that is dropped, as a copy that stays as it is, and the id of the next event.
func (l *Log) at(id uint64) (b block, next uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := sort.Search(len(l.blocks), func(i int) bool { return l.blocks[i].first > id })
	return *l.blocks[max(i-1, 0)], l.next
}

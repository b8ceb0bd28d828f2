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

// A Log is a room's log in memory.
type Log struct {
	viewer      wire.Viewer
	wake        func(idle []Reader)
	maxEvents   int
	maxBytes    int
	blockEvents int

	mu     sync.Mutex
	blocks []*block // oldest first, never empty; under mu
	next   uint64   // the id the next event gets; under mu
	events int      // in all blocks; under mu
	bytes  int      // in all blocks; under mu
	idle   []Reader // who waits for the next event; under mu
	fresh  bool     // something was appended since the last Wake; under mu
	spare  []Reader // an array for the next list of them; under mu
}

// A Reader is whoever waits for the log to go on. The log knows nothing of it.
type Reader any

// A block is a run of events whose encodings lie one behind the other, so that
// a reader takes many with one slice. It only grows: what a reader has seen under
// the log's lock stays as it is, and is read without the lock.
type block struct {
	first   uint64 // id of entries[0]
	entries []entry
	json    []byte
	text    []byte
}

// An entry says where an event's encodings end in its block, and what a cursor
// must know to leave it out.
type entry struct {
	json, text uint32
	said       bool
	author     Author
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
func New(limits Limits, wake func(idle []Reader)) *Log {
	l := &Log{
		wake:      wake,
		viewer:    wire.Viewer{Zone: limits.Zone},
		maxEvents: limits.Events,
		maxBytes:  limits.Bytes,
		next:      1,
	}
	if l.viewer.Zone == nil {
		l.viewer.Zone = time.Local
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

// Append gives e the next id and puts it into the log. Those who wait for it are
// not told yet: see [Log.Wake].
func (l *Log) Append(e *wire.Event, author Author) {
	l.mu.Lock()
	defer l.mu.Unlock()
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
	b.json = e.AppendJSON(b.json)
	b.text = e.AppendText(b.text, l.viewer)
	b.entries = append(b.entries, entry{uint32(len(b.json)), uint32(len(b.text)), e.Said(), author})
	l.events++
	l.bytes += len(b.json) + len(b.text) - before
	l.trimLocked()
	l.fresh = true
}

// Wake hands over those who waited for what was appended. It is apart from Append
// so that many events that came together are told of once.
func (l *Log) Wake() {
	l.mu.Lock()
	var idle []Reader
	if l.fresh && len(l.idle) > 0 {
		idle, l.idle, l.spare = l.idle, l.spare, nil
	}
	l.fresh = false
	l.mu.Unlock()
	if len(idle) > 0 {
		l.wake(idle)
	}
}

// trimLocked drops the oldest blocks that are not needed to keep maxEvents, or
// do not fit in maxBytes. The newest block always stays.
func (l *Log) trimLocked() {
	drop := 0
	for ; drop < len(l.blocks)-1; drop++ {
		b := l.blocks[drop]
		if l.events-len(b.entries) < l.maxEvents && l.bytes <= l.maxBytes {
			break
		}
		l.events -= len(b.entries)
		l.bytes -= len(b.json) + len(b.text)
	}
	if drop > 0 {
		l.blocks = append([]*block(nil), l.blocks[drop:]...) // a new array: the old one would keep what was dropped
	}
}

// Zone returns the zone of the times in the text encoding.
func (l *Log) Zone() *time.Location { return l.viewer.Zone }

// Next returns the id that the next event gets.
func (l *Log) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// Back returns the id of the nth last event that somebody said, or of the oldest
// kept where there are fewer: where a backlog of n messages begins.
func (l *Log) Back(n int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.next
	for i := len(l.blocks) - 1; i >= 0 && n > 0; i-- {
		b := l.blocks[i]
		for j := len(b.entries) - 1; j >= 0 && n > 0; j-- {
			if b.entries[j].said {
				id = b.first + uint64(j)
				n--
			}
		}
	}
	return id
}

// Before returns the encodings of what was said before the event id (0: of what was
// said last), oldest first, each with its newline: the latest count of them at most
// that have maxBytes together, without those of ignored. One that is longer than
// maxBytes comes alone, so that none is returned only when nothing older is kept.
// The slices must not be written to.
func (l *Log) Before(id uint64, count, maxBytes int, format Format, ignored map[Author]bool) (lines [][]byte) {
	for b, i := range l.backward(id - 1) { // 0 - 1 is the highest there can be
		if e := &b.entries[i]; !e.said || ignored[e.author] {
			continue
		}
		line := b.bytes(format)[b.end(format, i-1):b.end(format, i)]
		maxBytes -= len(line)
		if len(lines) >= count || maxBytes < 0 && len(lines) > 0 {
			break
		}
		lines = append(lines, line)
	}
	slices.Reverse(lines)
	return lines
}

// backward goes over what is kept from the event id, or from the last where there
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
func (l *Log) Wait(next uint64, r Reader) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if next < l.next {
		return false
	}
	l.idle = append(l.idle, r)
	return true
}

// Recycle takes the array of a list that was handed over, for the next one.
func (l *Log) Recycle(list []Reader) {
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

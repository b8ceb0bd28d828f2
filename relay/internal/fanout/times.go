package fanout

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// A WriteTime is how many of the timed writes took at most so long.
type WriteTime struct {
	AtMost time.Duration // 0: any time
	Count  uint64        // includes those of the shorter times
	Total  time.Duration // of all, in the entry whose AtMost is 0
}

// Times has how long writes took, of a sample of them. It is safe for concurrent use.
type Times struct {
	count [len(bounds) + 1]atomic.Uint64 // by the bound that is not passed
	total atomic.Int64                   // nanoseconds
}

// bounds are those of Times: from what a write costs to where it waits for a peer that
// takes nothing.
var bounds = [...]time.Duration{
	10 * time.Microsecond, 30 * time.Microsecond, 100 * time.Microsecond, 300 * time.Microsecond,
	time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second,
}

// Begin returns when a write begins that is timed, one in about 16, or the zero time:
// reading the clock costs a tenth of a short write.
func (t *Times) Begin() time.Time {
	if rand.Uint32()%16 != 0 {
		return time.Time{}
	}
	return time.Now()
}

// End counts a write that began at began.
func (t *Times) End(began time.Time) {
	if began.IsZero() {
		return
	}
	took := time.Since(began)
	i := 0
	for i < len(bounds) && took > bounds[i] {
		i++
	}
	t.count[i].Add(1)
	t.total.Add(int64(took))
}

// Counts returns the writes by how long they took.
func (t *Times) Counts() []WriteTime {
	list := make([]WriteTime, len(t.count))
	var sum uint64
	for i := range t.count {
		sum += t.count[i].Load()
		list[i].Count = sum
		if i < len(bounds) {
			list[i].AtMost = bounds[i]
		}
	}
	list[len(list)-1].Total = time.Duration(t.total.Load())
	return list
}

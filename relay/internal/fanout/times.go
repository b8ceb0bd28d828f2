package fanout

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// A WriteTime counts the timed writes that took at most AtMost.
type WriteTime struct {
	AtMost time.Duration // 0: no bound
	Count  uint64        // includes the writes of smaller bounds
	Total  time.Duration // of all timed writes; only in the entry without a bound
}

// Times is a histogram of how long writes took, from a sample of them. It is safe for
// concurrent use.
type Times struct {
	count [len(bounds) + 1]atomic.Uint64 // by bound; the last one has no bound
	total atomic.Int64                   // nanoseconds
}

// bounds are the bounds of Times: a write that succeeds at once is below the first, and a
// write that waits for a slow peer may be above the last.
var bounds = [...]time.Duration{
	10 * time.Microsecond, 30 * time.Microsecond, 100 * time.Microsecond, 300 * time.Microsecond,
	time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second,
}

// Begin returns the time for one write in about 16, and the zero time for the others:
// reading the clock costs a tenth of a short write.
func (t *Times) Begin() time.Time {
	if rand.Uint32()%16 != 0 {
		return time.Time{}
	}
	return time.Now()
}

// End counts a write for which Begin returned began.
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

// Counts returns the histogram, smallest bound first.
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

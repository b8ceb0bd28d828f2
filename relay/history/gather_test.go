package history

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"chat/relay/wire"
)

// A gatherReader reads a log whenever it is woken, and is busy for a while after it.
type gatherReader struct {
	log      *Log
	busy     func() time.Duration
	read     uint64 // id of the next event
	wakings  atomic.Int64
	received map[uint64]time.Time // by id
}

func (r *gatherReader) wake(waiters []Waiter) {
	for range waiters {
		r.wakings.Add(1)
		go r.readAll()
	}
	r.log.Recycle(waiters)
}

func (r *gatherReader) readAll() {
	for again := true; again; again = !r.log.Wait(r.read, r) {
		for next := r.log.Next(); r.read < next; r.read++ {
			r.received[r.read] = time.Now()
		}
		time.Sleep(r.busy())
	}
}

// newGatherReader returns a reader that waits for an empty log.
func newGatherReader(busy func() time.Duration) *gatherReader {
	r := &gatherReader{busy: busy, read: 1, received: map[uint64]time.Time{}}
	r.log = New(Limits{}, r.wake)
	r.log.Wait(1, r)
	return r
}

// say appends a message with a text of size bytes.
func (r *gatherReader) say(size int) (id uint64) {
	e := &wire.Event{Type: wire.TypeMessage, From: "alice", Text: strings.Repeat("x", size), Time: time.Now()}
	r.log.Append(e, Origin{})
	r.log.Wake()
	return e.ID
}

// However events come, a reader that is not busy gets each of them within gatherTime, once, and at
// once after a pause.
func TestGatheringIsBounded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			const mostBusy = 300 * time.Microsecond
			busy := rapid.SampledFrom([]time.Duration{0, 0, 10 * time.Microsecond, mostBusy}).Draw(rt, "busy")
			r := newGatherReader(func() time.Duration { return busy })
			sent := map[uint64]time.Time{}
			afterPause := map[uint64]bool{}
			for range rapid.IntRange(1, 6).Draw(rt, "streams") {
				every := rapid.SampledFrom([]time.Duration{0, 10 * time.Microsecond, 70 * time.Microsecond, 900 * time.Microsecond, 3 * gatherTime}).Draw(rt, "every")
				size := rapid.SampledFrom([]int{10, 700, 4000}).Draw(rt, "size")
				time.Sleep(5 * gatherTime)
				for n := range rapid.IntRange(1, 200).Draw(rt, "events") {
					if n > 0 {
						time.Sleep(every)
					}
					id := r.say(size)
					sent[id] = time.Now()
					afterPause[id] = n == 0 || every >= 2*gatherTime
				}
			}
			time.Sleep(5 * gatherTime)
			synctest.Wait()
			for id, at := range sent {
				got, ok := r.received[id]
				took := got.Sub(at)
				switch {
				case !ok:
					rt.Fatalf("event %d of %d was not received", id, len(sent))
				case took > gatherTime+mostBusy:
					rt.Fatalf("event %d took %v", id, took)
				case afterPause[id] && took > 0:
					rt.Fatalf("event %d, after a pause, took %v", id, took)
				}
			}
		})
	})
}

// In a flood, a reader is woken once for gatherSize bytes or gatherTime; in a stream that is no flood,
// for each event.
func TestGatheringInAFlood(t *testing.T) {
	for _, test := range []struct {
		name    string
		size    int
		every   time.Duration
		wakings func(events int, length time.Duration) int // the most that is expected
	}{
		{"full", 1000, 10 * time.Microsecond, func(events int, _ time.Duration) int { return events * 1020 / gatherSize }},
		{"in time", 1000, 50 * time.Microsecond, func(_ int, length time.Duration) int { return int(length / gatherTime) }},
		{"no flood", 100, 50 * time.Microsecond, func(events int, _ time.Duration) int { return events }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newGatherReader(func() time.Duration { return 0 })
				stream := func(events int) {
					for range events {
						r.say(test.size)
						time.Sleep(test.every)
					}
				}
				stream(200) // it is noticed
				before := r.wakings.Load()
				const events = 2000
				stream(events)
				got, want := int(r.wakings.Load()-before), test.wakings(events, events*test.every)
				if got < want*3/4 || got > want*5/4 {
					t.Errorf("%d events woke %d times, want about %d", events, got, want)
				}
			})
		})
	}
}

// A reader that lags further than the last waking does not wait: it may be slow.
func TestGatheringIsForThoseWhoKeepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newGatherReader(func() time.Duration { return 0 })
		for range 400 {
			r.say(1000)
			time.Sleep(10 * time.Microsecond)
		}
		synctest.Wait()
		if r.read == r.log.Next() {
			t.Fatal("nothing gathers")
		}
		if r.log.Wait(r.read-1, "another reader") {
			t.Error("a reader that has missed a waking waits for the next")
		}
		time.Sleep(gatherTime)
		synctest.Wait()
		if r.read != r.log.Next() {
			t.Error("the gathered events were not read in time")
		}
	})
}

package relay

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Stats are what a host counts of itself, since it began where it is not told otherwise.
type Stats struct {
	Members    int    // who are in the room now
	Sessions   int    // connections that are open now
	Opened     uint64 // sessions that there have been
	Said       uint64 // messages, actions and private messages that were taken
	Delivered  uint64 // events that sessions were sent; one for two sessions counts twice
	Sent       uint64 // bytes of lines to sessions, without frames
	Missed     uint64 // events that were not kept long enough for a slow session
	Gaps       uint64 // sessions that missed some, of those that have ended
	Stalled    uint64 // sessions that were closed because they took no byte for Options.Stall
	WriteTimes []WriteTime
}

// A WriteTime is how many of the writes that were timed, one in about 16, took at most so long.
type WriteTime struct {
	AtMost time.Duration // 0: any time
	Count  uint64        // those of the shorter times among them
	Total  time.Duration // of all, where AtMost is 0
}

// Stats returns what the host counts. It looks at every session, so it is not to be
// asked more than once in a second or so.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	stats := s.past
	stats.Sessions = len(s.sessions)
	for sess := range s.sessions {
		stats.add(sess)
	}
	s.mu.Unlock()
	stats.Stalled = s.stalled.Load()
	stats.WriteTimes = s.writes.counts()
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	stats.Said = s.room.said
	stats.Members = len(s.room.members)
	return stats
}

// add counts what a session had.
func (t *Stats) add(s *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Delivered += s.delivered
	t.Sent += s.sent
	t.Missed += s.missed
	if s.missed > 0 {
		t.Gaps++
	}
}

// writeTimes are how long writes to sessions took. It is safe for concurrent use.
type writeTimes struct {
	count [len(writeBounds) + 1]atomic.Uint64 // by the bound that is not passed
	total atomic.Int64                        // nanoseconds
}

// writeBounds are those of writeTimes: from what a write costs to where it waits for a
// peer that takes nothing.
var writeBounds = [...]time.Duration{
	10 * time.Microsecond, 30 * time.Microsecond, 100 * time.Microsecond, 300 * time.Microsecond,
	time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second,
}

// begin returns when a write begins that is to be timed, or the zero time: looking at the
// clock costs as much as a tenth of a short write.
func (w *writeTimes) begin() time.Time {
	if rand.Uint32()%16 != 0 {
		return time.Time{}
	}
	return time.Now()
}

func (w *writeTimes) end(began time.Time) {
	if began.IsZero() {
		return
	}
	took := time.Since(began)
	i := 0
	for i < len(writeBounds) && took > writeBounds[i] {
		i++
	}
	w.count[i].Add(1)
	w.total.Add(int64(took))
}

func (w *writeTimes) counts() []WriteTime {
	list := make([]WriteTime, len(w.count))
	var sum uint64
	for i := range w.count {
		sum += w.count[i].Load()
		list[i].Count = sum
		if i < len(writeBounds) {
			list[i].AtMost = writeBounds[i]
		}
	}
	list[len(list)-1].Total = time.Duration(w.total.Load())
	return list
}

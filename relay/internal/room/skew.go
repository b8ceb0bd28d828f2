package room

import "time"

// The clocks of the hosts of a shared room may differ, and the state has the times of the journal. So a relay measures how its
// own clock differs from the journal's, and compares the state only with the time that the journal would give.

// A skew is how far the journal's clock is ahead of the relay's own one. It is guarded by Room.mu.
type skew struct {
	offset time.Duration
	ticket uint64    // of the proposal by which it is measured now; 0: none
	at     time.Time // when that was proposed, by the relay's clock
	sent   time.Time // the same, by the clock that no one sets
}

// timeLocked returns the time by the journal's clock, of which the relay's own one shows now. In a room of one host it is the
// same.
func (r *Room) timeLocked(now time.Time) time.Time { return now.Add(r.skew.offset) }

// measureSkewLocked measures the skew by the last proposal, which was made now, by the relay's clock.
func (r *Room) measureSkewLocked(now time.Time) {
	if r.order != nil && r.skew.ticket == 0 {
		r.skew.ticket, r.skew.at, r.skew.sent = r.order.Last(), now, time.Now()
	}
}

// noteStoredLocked is called when the proposal with a ticket was carried out, which the journal stored at a time. It was
// stored after it was proposed and before now. A relay's clock that may be right is taken to be.
func (r *Room) noteStoredLocked(ticket uint64, stored time.Time) {
	s := &r.skew
	if s.ticket == 0 || ticket < s.ticket {
		return
	}
	if ticket == s.ticket {
		least, most := stored.Sub(s.at.Add(time.Since(s.sent))), stored.Sub(s.at)
		s.offset = max(min(0, most), least)
	}
	s.ticket = 0 // it may have been rejected
}

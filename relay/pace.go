package relay

import "time"

// A pace is a token bucket: a session may be burst lines ahead of rate lines a
// second. It belongs to the session's read loop.
type pace struct {
	every time.Duration // between two lines in the long run; 0: no limit
	ahead time.Duration // how far a session may be ahead of that
	due   time.Time     // when the next line would come at exactly the rate
}

func newPace(rate float64, burst int) pace {
	if rate >= noLimit || burst >= noLimit {
		return pace{}
	}
	every := time.Duration(float64(time.Second) / rate)
	return pace{every: every, ahead: time.Duration(burst) * every}
}

// take counts one line and returns how long to wait before the next is read.
func (p *pace) take() time.Duration {
	if p.every == 0 {
		return 0
	}
	now := time.Now()
	if p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(p.every)
	return p.due.Sub(now) - p.ahead
}

package relay

import "time"

// A pace is a token bucket's measure: a session may be burst lines ahead of rate
// lines a second. The bucket itself is one time, when the session's next line
// would come at exactly the rate.
type pace struct {
	every time.Duration // between two lines in the long run; 0: no limit
	ahead time.Duration // how far a session may be ahead of that
}

func newPace(rate float64, burst int) pace {
	if rate >= noLimit || burst >= noLimit {
		return pace{}
	}
	every := time.Duration(float64(time.Second) / rate)
	return pace{every: every, ahead: time.Duration(burst) * every}
}

// take counts one line of whose next one is due then. It returns how long to wait
// before that is read.
func (p pace) take(due *time.Time) time.Duration {
	if p.every == 0 {
		return 0
	}
	now := time.Now()
	if due.Before(now) {
		*due = now
	}
	*due = due.Add(p.every)
	return due.Sub(now) - p.ahead
}

package history

import "time"

// This file puts off waking readers during a flood, so that one write carries more.

const (
	// gatherSize is how many bytes of text are gathered for one waking: as half a block they
	// leave the senders of a flood time to send the next while these are written.
	gatherSize = maxBlockText / 2

	// gatherTime is how long an event waits for others at most, as long as Go's timers are in
	// time: on Linux they are up to 1 ms late.
	gatherTime = time.Millisecond
)

// A gathering decides whether a log's waiters are woken at once or once more events have
// gathered. They gather only in a flood: while half of gatherSize or more is appended in each
// gatherTime. So an event after a pause is never put off. The log's lock guards it.
type gathering struct {
	woken time.Time // when waiters were last woken
	next  uint64    // id of the first event that came after that
	size  int       // bytes of text that did

	dense       bool      // there was a flood in the last period
	period      time.Time // when the current period began
	periodBytes int       // of text, appended since then

	timer *time.Timer // calls Log.wakeLate; nil: never needed yet
	armed bool        // it will
}

// add counts the bytes of an event's text.
func (g *gathering) add(size int) {
	g.size += size
	g.periodBytes += size
}

// wait returns how long to put off waking; 0 means not at all.
func (g *gathering) wait(now time.Time) time.Duration {
	if length := now.Sub(g.period); length >= gatherTime {
		g.dense = length < 2*gatherTime && g.periodBytes >= gatherSize/2
		g.period, g.periodBytes = now, 0
	}
	if !g.dense || g.size >= gatherSize {
		return 0
	}
	return max(0, gatherTime-now.Sub(g.woken))
}

// wake notes that the waiters are woken for all events before next.
func (g *gathering) wake(now time.Time, next uint64) { g.woken, g.next, g.size = now, next, 0 }

// arm calls late after d, unless it will be called already.
func (g *gathering) arm(d time.Duration, late func()) {
	switch {
	case g.armed:
	case g.timer == nil:
		g.timer = time.AfterFunc(d, late)
	default:
		g.timer.Reset(d)
	}
	g.armed = true
}

// covers reports whether a waiter that has read up to the event next may wait though there are
// newer ones: it had all before the last waking, and the timer will wake it for the rest.
func (g *gathering) covers(next uint64) bool { return g.armed && g.dense && next >= g.next }

// wakeLate is Wake after events have gathered long enough. If waiters were woken meanwhile, later
// events continue to gather.
func (l *Log) wakeLate() {
	l.mu.Lock()
	l.gathering.armed = false
	l.mu.Unlock()
	l.Wake()
}

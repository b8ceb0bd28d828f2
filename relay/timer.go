package relay

import (
	"sync"
	"time"

	"chat/relay/internal/clock"
)

// A roomTimer calls a method of the room after the delay that the room asks for: the room has
// no clock of its own.
type roomTimer struct {
	call func(now time.Time) // set before the first session

	mu      sync.Mutex
	timer   *time.Timer // guarded by mu
	stopped bool        // guarded by mu
}

// in calls the method after d, instead of at the time set before. The caller may hold the
// room's lock.
func (t *roomTimer) in(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	if !t.stopped {
		t.timer = time.AfterFunc(d, func() { t.call(clock.Now()) })
	}
}

// stop stops the timer. It is not started again.
func (t *roomTimer) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	if t.timer != nil {
		t.timer.Stop()
	}
}

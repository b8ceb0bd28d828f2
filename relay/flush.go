package relay

import (
	"sync"
	"time"

	"chat/relay/internal/clock"
	"chat/relay/internal/room"
)

// A flushTimer calls [room.Room.Flush] after the delay that the room asks for: the room has
// no clock of its own.
type flushTimer struct {
	room *room.Room // set before the first session

	mu      sync.Mutex
	timer   *time.Timer // guarded by mu
	stopped bool        // guarded by mu
}

// in calls Flush after d, instead of at the time set before. The caller may hold the room's
// lock.
func (t *flushTimer) in(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	if !t.stopped {
		t.timer = time.AfterFunc(d, func() { t.room.Flush(clock.Now()) })
	}
}

// stop stops the timer. It is not started again.
func (t *flushTimer) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	if t.timer != nil {
		t.timer.Stop()
	}
}

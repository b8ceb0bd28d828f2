package relay

import (
	"sync"
	"time"

	"chat/relay/internal/room"
)

// A flushTimer has the room announce who joined and left, when it asks for that: the room
// has no clock of its own.
type flushTimer struct {
	room *room.Room // set before the first session

	mu      sync.Mutex
	timer   *time.Timer // guarded by mu
	stopped bool        // guarded by mu
}

// in has the room announce after d. The room's lock may be held.
func (t *flushTimer) in(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop() // what it was for is announced already
	}
	if !t.stopped {
		t.timer = time.AfterFunc(d, func() { t.room.Flush(time.Now()) })
	}
}

// stop ends the waiting, if there is any.
func (t *flushTimer) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	if t.timer != nil {
		t.timer.Stop()
	}
}

package client

import (
	"sync"
	"testing"
	"time"

	"chat/relay/wire"
)

// While a client is being closed, the events that it still delivers have no hole.
func TestCloseLeavesNoHole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, _, end := join(t, Options{}, func(h *scriptedHost) *hostEnd { return h.welcome(wire.Event{}) })
		var sending sync.WaitGroup
		defer sending.Wait()
		defer end.conn.Close()
		sending.Go(func() {
			for id := uint64(1); id < 5000; id++ {
				e := message(id, "x")
				if _, err := end.conn.Write(e.AppendJSON(nil)); err != nil {
					return
				}
				if id > 1000 { // or all the rest would come at once
					time.Sleep(time.Millisecond)
				}
			}
		})
		last := uint64(0)
		for e := range c.Events() {
			m, ok := e.(Received)
			if !ok {
				continue
			}
			if m.ID != last+1 {
				t.Fatalf("event %d came after %d", m.ID, last)
			}
			if last = m.ID; last == 100 {
				go c.Close()
			}
			time.Sleep(1500 * time.Microsecond) // slower than they arrive
		}
	})
}

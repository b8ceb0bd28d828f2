package discovery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"chat/relay/wire"
)

// A hostile network cannot make one search dial without bounds. (The parts are
// tested one by one: hundreds of timers that fire at once crash the race
// detector in a bubble, golang/go#78156.)
func TestSearchIsBounded(t *testing.T) {
	s := &search{open: map[string]bool{}}
	var flood []Record
	for i := range 10 * MaxHeard {
		flood = append(flood, roomAt(fmt.Sprintf("%016x", i), "x", "192.168.1.7:1"))
	}
	if n := len(s.fresh(flood)) + len(s.fresh(flood)); n != MaxHeard {
		t.Errorf("%d of %d records are verified, want %d", n, len(flood), MaxHeard)
	}
	s.settle(verdict{id: flood[0].ID}) // it did not answer, and makes room
	real := Record{ID: "fedcba9876543210"}
	if fresh := s.fresh([]Record{real}); len(fresh) != 1 {
		t.Error("records that failed keep a real one out")
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		dialing := 0
		release := make(chan struct{})
		s := &search{Finder: &Finder{Probe: func(context.Context, string) (wire.RoomInfo, error) {
			mu.Lock()
			dialing++
			mu.Unlock()
			<-release
			return wire.RoomInfo{}, errors.New("no room")
		}}}
		dials := make(chan struct{}, maxDials)
		for range 2 * maxDials {
			go s.greet(t.Context(), "192.168.1.7:1", dials)
		}
		synctest.Wait()
		mu.Lock()
		if dialing != maxDials {
			t.Errorf("%d dials at a time, want %d", dialing, maxDials)
		}
		mu.Unlock()
		close(release)
	})
}

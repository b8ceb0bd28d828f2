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

// A hostile network cannot make a search dial without bounds. The parts are tested one by
// one: hundreds of timers that fire at once in a bubble crash the race detector,
// golang/go#78156.
func TestSearchIsBounded(t *testing.T) {
	s := &search{open: map[string]Record{}, awaited: map[string]bool{}}
	fresh := func(records ...Record) (n int) {
		for _, r := range records {
			if s.toVerify(r) {
				n++
			}
		}
		return n
	}
	var flood []Record
	for i := range 10 * MaxHeard {
		flood = append(flood, roomAt(fmt.Sprintf("%016x", i), "x", "192.168.1.7:1"))
	}
	if n := fresh(flood...) + fresh(flood...); n != MaxHeard {
		t.Errorf("%d of %d records are verified, want %d", n, len(flood), MaxHeard)
	}
	s.record(verdict{record: flood[0].key(), err: errNoAnswer}) // it did not answer, and makes way
	if fresh(roomAt("fedcba9876543210", "x", "192.168.1.7:1")) != 1 {
		t.Error("records that failed keep a real one out")
	}
	for i := range 10 { // others make way
		s.record(verdict{record: flood[1+i].key(), err: errNoAnswer})
	}
	n := 1
	for i := range 10 * maxClaims { // the same room, at ever more addresses
		n += fresh(roomAt("fedcba9876543210", "x", fmt.Sprintf("192.168.2.%d:1", i)))
	}
	if n != maxClaims {
		t.Errorf("%d records of one room are verified, want %d", n, maxClaims)
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		dialing := 0
		release := make(chan struct{})
		s := &search{Finder: &Finder{Probe: func(context.Context, string, bool) (wire.RoomInfo, error) {
			mu.Lock()
			dialing++
			mu.Unlock()
			<-release
			return wire.RoomInfo{}, errors.New("no room")
		}}}
		dials := make(chan struct{}, maxDials)
		for range 2 * maxDials {
			go s.probe(t.Context(), "192.168.1.7:1", false, dials)
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

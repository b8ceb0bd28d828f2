package session

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// All connections of an address pay together, for the bytes of answers and the time of
// searches; others do not notice.
func TestCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCosts(NewRate(20, 200))
		burst := int(costBurst/time.Second) * readRate
		if wait := c.Bytes("10.0.0.2", burst); wait > 0 {
			t.Errorf("the burst has to wait for %v", wait)
		}
		if wait := c.Bytes("10.0.0.2", 3*readRate); wait != 3*time.Second {
			t.Errorf("three seconds' worth of bytes have to wait for %v", wait)
		}
		if wait := c.Delay("10.0.0.3"); wait > 0 {
			t.Errorf("another address has to wait for %v", wait)
		}
		if wait := c.Bytes("", 100*burst); wait > 0 {
			t.Errorf("the host itself has to wait for %v", wait)
		}
		if wait := c.Bytes(ThisMachine, 2*burst); wait <= 0 {
			t.Error("a program on the host's machine pays nothing")
		}
		time.Sleep(3 * time.Second)
		if wait := c.Delay("10.0.0.2"); wait > 0 {
			t.Errorf("after three seconds, it still has to wait for %v", wait)
		}
		s := newSearches(c)
		s.run("10.0.0.4", nil, func() { time.Sleep(costBurst) })
		if wait := c.Delay("10.0.0.4"); wait != costBurst {
			t.Errorf("after a search of %v, its address has to wait for %v", costBurst, wait)
		}
		if wait := NewCosts(Rate{}).Bytes("10.0.0.2", 100*burst); wait > 0 {
			t.Errorf("without a rate it has to wait for %v", wait)
		}
	})
}

// Searches take addresses in turn: one with many searches has one running at a time, and
// does not keep others waiting.
func TestSearchesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSearches(NewCosts(Rate{}))
		var mu sync.Mutex
		var ended []string
		running, most := make(map[string]int), make(map[string]int)
		var all sync.WaitGroup
		search := func(payer string) {
			all.Go(func() {
				s.run(payer, nil, func() {
					mu.Lock()
					running[payer]++
					running["all"]++
					for _, key := range []string{payer, "all"} {
						most[key] = max(most[key], running[key])
					}
					mu.Unlock()
					time.Sleep(time.Second)
					mu.Lock()
					running[payer]--
					running["all"]--
					ended = append(ended, payer)
					mu.Unlock()
				})
			})
			synctest.Wait()
		}
		for range 10 {
			search("a")
		}
		search("b")
		search("c")
		all.Wait()
		if most["a"] != 1 || most["all"] != maxSearches {
			t.Errorf("at most %d searches of one address ran, and %d of all; want 1 and %d", most["a"], most["all"], maxSearches)
		}
		if at := max(slices.Index(ended, "b"), slices.Index(ended, "c")); at > 3 {
			t.Errorf("they ended in the order %q", ended)
		}
		if len(s.turns)+len(s.waiting)+len(s.busy)+s.running != 0 {
			t.Errorf("left over: %+v", s)
		}
	})
}

// A search whose session ends while it waits is forgotten.
func TestCanceledSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSearches(NewCosts(Rate{}))
		var all sync.WaitGroup
		all.Go(func() { s.run("a", nil, func() { time.Sleep(time.Minute) }) })
		synctest.Wait()
		canceled := make(chan struct{})
		for range 2 {
			all.Go(func() {
				if s.run("a", canceled, func() {}) {
					t.Error("a canceled search ran")
				}
			})
		}
		synctest.Wait()
		close(canceled)
		all.Wait()
		if !s.run("a", nil, func() {}) {
			t.Error("the next search did not run")
		}
		if len(s.turns)+len(s.waiting)+len(s.busy)+s.running != 0 {
			t.Errorf("left over: %+v", s)
		}
	})
}

// Lines about connections that come and go are bounded by address and in all, and the next
// one says how many were left out.
func TestLogsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Logs
		count := func(payer string, n int) (allowed int) {
			for range n {
				if _, ok := l.Allow(payer); ok {
					allowed++
				}
			}
			return allowed
		}
		if n := count("10.0.0.2", 15_000); n != logQuota.Burst {
			t.Errorf("one address caused %d lines, want %d", n, logQuota.Burst)
		}
		if n := count("", 15_000); n != 15_000 {
			t.Errorf("the host itself caused %d lines", n)
		}
		total := 0
		for i := range 10_000 {
			total += count(fmt.Sprint(i), 1)
		}
		if total != logQuota.BurstOfAll-logQuota.Burst {
			t.Errorf("10,000 other addresses caused %d lines, want %d", total, logQuota.BurstOfAll-logQuota.Burst)
		}
		time.Sleep(time.Minute)
		attrs, ok := l.Allow("10.0.0.2")
		if want := fmt.Sprintf("[skipped_lines=%d]", 10_000-total); !ok || fmt.Sprint(attrs) != want {
			t.Errorf("a minute later: %v, %v, want %s", attrs, ok, want)
		}
	})
}

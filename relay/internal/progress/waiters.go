// Package progress has channels for those who wait until a number that only grows has been reached.
package progress

import (
	"cmp"
	"slices"
)

// Waiters are those who wait for numbers. The zero value has none. It is not safe for concurrent use.
type Waiters struct {
	list []waiter // sorted by number
}

type waiter struct {
	number  uint64
	reached chan struct{}
}

// Reached is closed.
var Reached = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// When returns a channel that is closed once number is reached; so far now is. All who wait for one number get the same.
func (w *Waiters) When(number, now uint64) <-chan struct{} {
	if number <= now {
		return Reached
	}
	i, found := slices.BinarySearchFunc(w.list, number, func(w waiter, number uint64) int { return cmp.Compare(w.number, number) })
	if !found {
		w.list = slices.Insert(w.list, i, waiter{number, make(chan struct{})})
	}
	return w.list[i].reached
}

// Reach closes the channels for all numbers up to now.
func (w *Waiters) Reach(now uint64) {
	n := 0
	for ; n < len(w.list) && w.list[n].number <= now; n++ {
		close(w.list[n].reached)
	}
	w.list = slices.Delete(w.list, 0, n)
}

// Len returns for how many numbers someone waits.
func (w *Waiters) Len() int { return len(w.list) }

package pace

import (
	"fmt"
	"testing"
	"time"
)

// The table is bounded, and forgets those who are no longer ahead.
func TestDuesAreBounded(t *testing.T) {
	d, now := make(Dues), time.Unix(1e9, 0)
	for i := range 2 * maxDues {
		d.Keep(fmt.Sprint(i), now.Add(time.Minute), now)
	}
	if len(d) != maxDues {
		t.Errorf("%d are remembered, want %d", len(d), maxDues)
	}
	d.Keep("0", now.Add(time.Hour), now)
	d.Keep("0", now.Add(time.Minute), now)
	if due := d.Due("0", now).Sub(now); due != time.Hour {
		t.Errorf("one that is known is due in %v, want an hour", due)
	}
	now = now.Add(2 * time.Minute)
	d.Keep("new", now.Add(time.Minute), now)
	if d["new"].IsZero() || d["0"].IsZero() {
		t.Errorf("after the others are no longer ahead, a new one or the one that is still ahead is forgotten")
	}
}

// A key may be ahead by its burst, and then catches up at its rate.
func TestRate(t *testing.T) {
	d, now := make(Dues), time.Unix(1e9, 0)
	count := func(key string) (n int) {
		for ; n < 100 && !d.IsAhead(key, time.Second, 5, now); n++ {
			d.Count(key, time.Second, now)
		}
		return n
	}
	if a, b := count("a"), count("b"); a != 5 || b != 5 {
		t.Errorf("%d and %d at once, want 5", a, b)
	}
	now = now.Add(3 * time.Second)
	if n := count("a"); n != 3 {
		t.Errorf("%d after 3 s, want 3", n)
	}
}

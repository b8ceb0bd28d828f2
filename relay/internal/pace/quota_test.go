package pace

import (
	"fmt"
	"testing"
	"time"
)

// Each key has its share, and all together no more than theirs.
func TestQuota(t *testing.T) {
	q := Quota{Burst: 5, Every: time.Second, BurstOfAll: 12, EveryOfAll: time.Second}
	d, now := make(Dues), time.Unix(1e9, 0)
	for key, want := range []int{5, 5, 2, 0} {
		n := 0
		for ; n < 100 && !q.IsAhead(d, fmt.Sprint(key), now); n++ {
			q.Count(d, fmt.Sprint(key), now)
		}
		if n != want {
			t.Errorf("key %d happens %d times at once, want %d", key, n, want)
		}
	}
}

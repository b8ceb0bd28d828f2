package pace

import "time"

// A Quota says how often something may happen: Burst times at once for one key, and then once
// every Every; for all keys together likewise BurstOfAll and EveryOfAll.
type Quota struct {
	Burst, BurstOfAll int
	Every, EveryOfAll time.Duration
}

// allKeys is the key under which Dues count all keys together. No address is like it.
const allKeys = "all keys"

// IsAhead reports whether one more of a key would exceed the quota.
func (q *Quota) IsAhead(d Dues, key string, now time.Time) bool {
	return d.IsAhead(key, q.Every, q.Burst, now) || d.IsAhead(allKeys, q.EveryOfAll, q.BurstOfAll, now)
}

// Count counts one of a key.
func (q *Quota) Count(d Dues, key string, now time.Time) {
	d.Count(key, q.Every, now)
	d.Count(allKeys, q.EveryOfAll, now)
}

// Package pace counts by key, such as an address, against rates and quotas.
package pace

import "time"

// Dues remember by key, such as an address group, until when it is ahead of a rate. So a
// client cannot avoid a limit by reconnecting. They are not safe for concurrent use.
type Dues map[string]time.Time

// maxDues is how many keys are remembered at the same time.
const maxDues = 10_000

// Keep remembers the due of a key, unless it is ahead of a later one already.
func (d Dues) Keep(key string, due, now time.Time) {
	if !due.After(now) {
		return
	}
	if len(d) >= maxDues {
		d.forgetSome(now)
	}
	if _, known := d[key]; (known || len(d) < maxDues) && due.After(d[key]) {
		d[key] = due
	}
}

// Due returns the due of a key, at least now.
func (d Dues) Due(key string, now time.Time) time.Time {
	if due := d[key]; due.After(now) {
		return due
	}
	return now
}

// IsAhead reports whether one more of a key would exceed its rate: one every so often, and
// burst at once.
func (d Dues) IsAhead(key string, every time.Duration, burst int, now time.Time) bool {
	return d.Due(key, now).Add(every).Sub(now) > time.Duration(burst)*every
}

// Count counts one of a key.
func (d Dues) Count(key string, every time.Duration, now time.Time) {
	d.Keep(key, d.Due(key, now).Add(every), now)
}

// forgetSome forgets keys that are no longer ahead, among a few: to look at all of them for
// each new key would be slow.
func (d Dues) forgetSome(now time.Time) {
	looked := 0
	for key, due := range d {
		if due.Before(now) {
			delete(d, key)
		}
		if looked++; looked == 16 {
			return
		}
	}
}

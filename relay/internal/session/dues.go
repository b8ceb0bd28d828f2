package session

import "time"

// Dues remember by address group until when it is ahead of a rate, so that a client cannot
// avoid a limit by reconnecting. They are not safe for concurrent use.
type Dues map[string]time.Time

// maxDues is how many groups are remembered at the same time.
const maxDues = 10_000

// Keep remembers the due of a group, unless it is ahead of a later one already.
func (d Dues) Keep(group string, due time.Time) {
	if !due.After(time.Now()) {
		return
	}
	if len(d) >= maxDues {
		d.forgetSome()
	}
	if _, known := d[group]; (known || len(d) < maxDues) && due.After(d[group]) {
		d[group] = due
	}
}

// forgetSome forgets groups that are no longer ahead, among a few: to look at all of them for
// each new group would be slow.
func (d Dues) forgetSome() {
	now, looked := time.Now(), 0
	for group, due := range d {
		if due.Before(now) {
			delete(d, group)
		}
		if looked++; looked == 16 {
			return
		}
	}
}

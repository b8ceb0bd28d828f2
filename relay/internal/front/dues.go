package front

import (
	"maps"
	"time"
)

// dues remember by address group until when it is ahead of a rate, so that a client cannot
// avoid a limit by reconnecting.
type dues map[string]time.Time

// maxDues is how many groups are remembered at the same time. With the default limits, a group
// is remembered for up to 13 seconds.
const maxDues = 10_000

// keep remembers the due of a group, unless it is ahead of a later one already.
func (d dues) keep(group string, due time.Time) {
	if !due.After(time.Now()) {
		return
	}
	if len(d) >= maxDues {
		maps.DeleteFunc(d, func(_ string, due time.Time) bool { return due.Before(time.Now()) })
	}
	if len(d) < maxDues && due.After(d[group]) {
		d[group] = due
	}
}

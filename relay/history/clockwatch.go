package history

import (
	"database/sql"
	"encoding/json"
	"errors"
	"time"
)

// Deleting by age cannot be undone, so it does not rest on one reading of the clock. A clock
// is often wrong for a while: a machine without a battery starts in 1970 or at the date of
// its system's build, and a mistyped date is corrected after an hour.

const (
	// minStray is how far the clock may be from where it is expected and still be believed:
	// the host may have been off for a night. It may also be off by a quarter of the
	// age limit: a room may be open once a week.
	minStray = 24 * time.Hour

	// doubtTime is how long the host must run with a clock that is off until it is believed.
	doubtTime = 24 * time.Hour
)

// maxStray returns how far the clock may be from where it is expected, in a file with that age
// limit.
func maxStray(age time.Duration) time.Duration { return max(minStray, age/4) }

// A clockWatch decides whether to believe the clock. It expects the clock to continue where
// it was when it was last believed, which may have been in an earlier run of the host. It is
// owned by the committer. The file keeps its exported fields.
type clockWatch struct {
	Believed   time.Time     // where the clock is expected
	Doubted    time.Time     // the last reading, if it is in doubt; otherwise zero
	DoubtedFor time.Duration // how long the host has run since the doubt began

	at time.Time // of the last reading, by the system's monotonic clock
}

// check takes a reading of the clock, wall, at the monotonic time at. It reports whether the
// clock is believed.
func (w *clockWatch) check(wall, at time.Time, stray time.Duration) bool {
	ran := at.Sub(w.at)
	w.at = at
	if w.Believed = w.Believed.Add(ran); wall.Sub(w.Believed).Abs() <= stray {
		w.Believed, w.Doubted, w.DoubtedFor = wall, time.Time{}, 0
		return true
	}
	if steady := wall.Sub(w.Doubted.Add(ran)).Abs() <= stray; steady {
		w.DoubtedFor += ran
	} else {
		w.DoubtedFor = 0
	}
	if w.Doubted = wall; w.DoubtedFor >= doubtTime {
		w.Believed, w.Doubted, w.DoubtedFor = wall, time.Time{}, 0
		return true
	}
	return false
}

// loadClockWatch returns the clockWatch of the file. One without is expected to have been
// closed after its newest event, and a new one now.
func (f *File) loadClockWatch(wall, at time.Time) (clockWatch, error) {
	w := clockWatch{Believed: wall, at: at}
	var saved string
	switch err := f.queryRow(`SELECT value FROM meta WHERE name = 'clock'`, &saved); {
	case err == nil && json.Unmarshal([]byte(saved), &w) == nil:
		w.DoubtedFor = max(w.DoubtedFor, 0)
		return w, nil
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return w, err
	}
	var newest int64
	switch err := f.queryRow(`SELECT time FROM event ORDER BY id DESC LIMIT 1`, &newest); {
	case err == nil:
		w.Believed = time.UnixMilli(newest)
	case !errors.Is(err, sql.ErrNoRows):
		return w, err
	}
	return w, nil
}

func (f *File) saveClockWatch(w clockWatch) error {
	value, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return f.setMeta("clock", string(value))
}

package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"
)

// trimStep is how many events are deleted at a time at most, so that new messages do not wait long.
const trimStep = 500

// trim deletes some of the oldest events if the file is beyond its Keep. Hidden events go first,
// if the file is too large: no reader misses them, and clients that come and go without end must
// not push the messages out. The newest event stays: the next one's id follows from it. more is
// whether there may be more to do; first is the id of the oldest event that is left, or 0 if
// no visible event was deleted.
func (f *File) trim(now time.Time) (first uint64, more bool, err error) {
	var oldest, newest uint64
	if err := f.queryRow(`SELECT coalesce((SELECT min(id) FROM event), 0), coalesce((SELECT max(id) FROM event), 0)`, &oldest, &newest); err != nil {
		return 0, false, fmt.Errorf("find old events: %w", err)
	}
	isTooLarge, err := f.isTooLarge()
	if err != nil {
		return 0, false, err
	}
	firstHidden, err := f.firstHiddenToKeep(isTooLarge, now)
	if err != nil {
		return 0, false, err
	}
	first = oldest
	if firstHidden == 0 || !isTooLarge {
		if first, err = f.firstToKeep(oldest, newest, isTooLarge, now); err != nil {
			return 0, false, err
		}
	}
	if first == oldest && firstHidden == 0 {
		more, err = f.ageFromNow(oldest, now)
		return 0, more, err
	}
	if err := f.transaction(func() error { return f.deleteBefore(first, firstHidden) }); err != nil {
		return 0, false, fmt.Errorf("delete old events: %w", err)
	}
	if err := f.exec(`PRAGMA incremental_vacuum`); err != nil {
		return 0, false, fmt.Errorf("free the space of deleted events: %w", err)
	}
	if first == oldest {
		first = 0
	}
	return first, true, nil
}

// deleteBefore deletes the events before the event first, and the hidden events before these or
// before the number firstHidden. It is part of a transaction.
func (f *File) deleteBefore(first uint64, firstHidden int64) error {
	if err := f.exec(`DELETE FROM word WHERE rowid IN (SELECT id FROM event WHERE id < ? AND (said OR recipient > 0))`, first); err != nil {
		return err
	}
	// Not WHERE after < ?: that would read the whole table.
	if err := f.exec(`DELETE FROM hidden WHERE n < max(?, coalesce((SELECT n FROM hidden WHERE after >= ? ORDER BY n LIMIT 1), ?))`,
		firstHidden, first, math.MaxInt64); err != nil {
		return err
	}
	return f.exec(`DELETE FROM event WHERE id < ?`, first)
}

// isTooLarge reports whether the file is beyond the size in its Keep. The records of the state do
// not count: deleting events does not make them fewer.
func (f *File) isTooLarge() (bool, error) {
	if f.keep.Bytes == 0 {
		return false, nil
	}
	var size int64
	err := f.queryRow(`SELECT (page_count - freelist_count) * page_size - (SELECT coalesce(sum(length(key) + length(value)), 0) FROM state)
		FROM pragma_page_count, pragma_freelist_count, pragma_page_size`, &size)
	if err != nil {
		return false, fmt.Errorf("get the size of the history: %w", err)
	}
	return size > f.keep.Bytes, nil
}

// hiddenStep is how many hidden events are deleted at a time at most.
const hiddenStep = 4 * trimStep

// firstHiddenToKeep returns the number before which hidden events are to be deleted in this step: 0
// if none are. Those from a time when the clock was ahead do not keep the others.
func (f *File) firstHiddenToKeep(isTooLarge bool, now time.Time) (n int64, err error) {
	switch {
	case isTooLarge:
		err = f.queryRow(fmt.Sprintf(`SELECT coalesce(max(n) + 1, 0) FROM (SELECT n FROM hidden ORDER BY n LIMIT %d)`, hiddenStep), &n)
	case f.keep.Age > 0:
		var lowest int64
		err = f.writer.QueryRowContext(context.Background(), fmt.Sprintf(`
			SELECT coalesce(min(n) FILTER (WHERE time BETWEEN ? AND ?), max(n) + 1, 0), coalesce(min(n), 0)
			FROM (SELECT n, time FROM hidden ORDER BY n LIMIT %d)`, hiddenStep), now.Add(-f.keep.Age).UnixMilli(), now.UnixMilli()).Scan(&n, &lowest)
		if n == lowest {
			n = 0
		}
	}
	if err != nil {
		return 0, fmt.Errorf("find old hidden events: %w", err)
	}
	return n, nil
}

// ageStep is how many events are corrected at a time at most; see ageFromNow.
const ageStep = 2 * trimStep

// ageFromNow makes the event oldest, and those that follow it, as old as now if their times are
// later. The clock was ahead when they were written, and as events are deleted in order, they
// would keep all later ones until their time has come. The events keep the times that readers
// get. It corrects some, and reports whether there may be more.
func (f *File) ageFromNow(oldest uint64, now time.Time) (more bool, err error) {
	if f.keep.Age == 0 || oldest == 0 {
		return false, nil
	}
	from, at := max(oldest, f.ageFrom), now.UnixMilli()
	corrected, err := f.writer.ExecContext(context.Background(), `UPDATE event SET time = ?1 WHERE id BETWEEN ?2 AND
		coalesce((SELECT min(id) FROM event WHERE id BETWEEN ?2 AND ?3 AND time <= ?1) - 1, ?3)`, at, from, from+ageStep-1)
	if err != nil {
		return false, fmt.Errorf("correct times that are ahead of the clock: %w", err)
	}
	n, err := corrected.RowsAffected()
	f.ageFrom = 0
	if n == ageStep {
		f.ageFrom = from + ageStep
	}
	return n == ageStep, err
}

// firstToKeep returns the id before which events are to be deleted in this step: oldest if none are.
func (f *File) firstToKeep(oldest, newest uint64, isTooLarge bool, now time.Time) (uint64, error) {
	if oldest == newest {
		return oldest, nil
	}
	if isTooLarge { // a few of them: they may be long
		return oldest + min(max((newest-oldest)/16, 1), trimStep), nil
	}
	if f.keep.Age > 0 {
		// Up to the first event that is not old: events after it may only seem old, if
		// the clock was behind.
		end := min(oldest+trimStep, newest)
		err := f.writer.QueryRowContext(context.Background(), `SELECT coalesce(min(id), ?) FROM event WHERE id < ? AND time >= ?`,
			end, end, now.Add(-f.keep.Age).UnixMilli()).Scan(&end)
		if err != nil {
			return oldest, fmt.Errorf("find old events: %w", err)
		}
		return end, nil
	}
	return oldest, nil
}

// maxWAL is the size in bytes from which the write-ahead log is truncated.
const maxWAL = 64 << 20

// truncateWAL empties the write-ahead log if it is too long. SQLite starts it over on its own, but
// only at a moment without readers, which may never come if many search without a pause. This waits
// for readers to finish, for a little longer than seekTime at most.
func (f *File) truncateWAL() error {
	info, err := os.Stat(f.path + "-wal")
	if err != nil || info.Size() < f.walLimit {
		return err
	}
	f.walLimit = info.Size() + maxWAL // until the next attempt
	if err := f.exec(fmt.Sprintf(`PRAGMA busy_timeout = %d`, (seekTime + time.Second).Milliseconds())); err != nil {
		return err
	}
	var busy, all, done int
	err = f.queryRow(`PRAGMA wal_checkpoint(TRUNCATE)`, &busy, &all, &done)
	if err == nil && busy == 0 {
		f.walLimit = maxWAL
	}
	return errors.Join(err, f.exec(`PRAGMA `+busyTimeout))
}

// probeWrite returns an error if the file cannot be written: it writes as much as the next messages
// may need.
func (f *File) probeWrite() error {
	return f.transaction(func() error {
		if err := f.exec(`INSERT INTO meta VALUES ('probe', zeroblob(65536)) ON CONFLICT DO UPDATE SET value = excluded.value`); err != nil {
			return err
		}
		return f.exec(`DELETE FROM meta WHERE name = 'probe'`)
	})
}

// dropBefore drops the blocks in memory that only have events before id.
func (l *Log) dropBefore(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	drop := 0
	for drop < len(l.blocks)-1 && l.blocks[drop+1].first <= id {
		drop++
	}
	l.dropBlocksLocked(drop)
}

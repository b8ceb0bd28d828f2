package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"time"

	"chat/relay/internal/clock"
)

const (
	// trimStep is how many events are deleted at a time at most, so that new messages do not
	// wait long.
	trimStep = 500

	// minHourly is how many events may always be deleted by age in an hour; see hourly.
	minHourly = 1000

	// reportEvery is how often deletions are logged, if they are not many. warnEvery is how often
	// that is a warning.
	reportEvery = time.Hour
	warnEvery   = 24 * time.Hour

	// manyDeleted is how many deleted events are logged at once.
	manyDeleted = 10_000

	// saveClockEvery is how often the clock's reading is saved.
	saveClockEvery = time.Hour
)

// unset is before this program existed: an earlier event was written with a clock that was
// not set.
var unset = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)

// hourly returns how many of a file's events may be deleted by age in an hour. If the clock
// is wrong after all, there is time to notice. It is at least twice the number of new events.
func hourly(events uint64, age time.Duration) int {
	n := float64(events)
	return int(max(minHourly, n/24, 2*n/age.Hours()))
}

// A trimmer deletes old events from a file, as its [Keep] asks. It is owned by the committer.
type trimmer struct {
	file *File
	log  *Log
	warn *slog.Logger

	watch     clockWatch
	loaded    bool      // watch is that of the file
	savedAt   time.Time // when watch was saved
	isDoubted bool      // the doubt about the clock was logged

	// The limit of deletions by age.
	hourAt time.Time // when the current hour began
	left   int       // how many events may be deleted in it

	deleted    uint64    // events that are not yet in the log
	reportedAt time.Time // when deletions were logged
	warnedAt   time.Time // when that was a warning
}

// announce logs the limits of the file, and how much will be deleted if the file is beyond them as the host
// opens it. Nothing is deleted before the next trim.
func (t *trimmer) announce() {
	if t.file.keep == (Keep{}) {
		return
	}
	oldest, newest, err := t.file.eventRange()
	if err != nil {
		return // trim fails as well, and logs it
	}
	t.warn.Info("old messages are deleted from the history beyond a limit", "limit", t.file.keep, "oldest", t.file.timeOf(oldest))
	if oldest == newest {
		return
	}
	isTooLarge, err := t.file.isTooLarge()
	if err != nil {
		return
	}
	first := oldest
	if t.mayAge() {
		if first, err = t.file.firstYoung(oldest, newest, clock.Now()); err != nil {
			return
		}
	}
	if isTooLarge || first > oldest {
		t.warn.Warn("old messages are about to be deleted; to keep them, stop the host and open the room without --history-keep",
			"limit", t.file.keep, "too_large", isTooLarge, "too_old", first-oldest, "events", newest-oldest+1, "in", trimEvery)
	}
}

// trim deletes some events and reports whether there may be more to do. If it fails, it is tried
// again a minute later.
func (t *trimmer) trim() (more bool) {
	ages := 0
	if t.mayAge() {
		ages = t.left
	}
	done, err := t.file.trim(clock.Now(), ages)
	if err != nil {
		t.warn.Warn("cannot delete old events from the history", "error", err)
		return false
	}
	if done.first > 0 {
		t.log.dropBefore(done.first)
		t.deleted += done.events
	}
	t.left -= done.aged
	if !done.more {
		t.report()
	}
	return done.more
}

// mayAge reports whether events may be deleted by their age.
func (t *trimmer) mayAge() bool {
	age := t.file.keep.Age
	if age == 0 {
		return false
	}
	wall, at := clock.Now().Round(0), time.Now()
	var err error
	if !t.loaded {
		if t.watch, err = t.file.loadClockWatch(wall, at); err != nil {
			t.warn.Warn("cannot read when the room was last open; nothing is deleted by age", "error", err)
			return false
		}
		t.loaded = true
	}
	wasDoubted := !t.watch.Doubted.IsZero()
	believed := t.watch.check(wall, at, maxStray(age))
	if believed == wasDoubted || at.Sub(t.savedAt) >= saveClockEvery {
		t.savedAt = at
		if err := t.file.saveClockWatch(t.watch); err != nil {
			t.warn.Warn("cannot save when the room was last open", "error", err)
		}
	}
	if !believed && !t.isDoubted {
		t.warn.Warn("the clock is far from where it was when the room was last open; nothing is deleted by age until the host has run for a day with it",
			"clock", wall.UTC().Truncate(time.Second), "expected", t.watch.Believed.UTC().Truncate(time.Second))
	}
	t.isDoubted = !believed
	if believed && (t.hourAt.IsZero() || at.Sub(t.hourAt) >= time.Hour) {
		oldest, newest, err := t.file.eventRange()
		if err != nil {
			return false // trim fails as well, and logs it
		}
		t.hourAt, t.left = at, hourly(newest-oldest+1, age)
	}
	return believed
}

// report logs the deletions since the last report, but not more often than reportEvery unless they are
// many. The first in a day is a warning, which also hosts that take part in the room show.
func (t *trimmer) report() {
	now := time.Now()
	if t.deleted == 0 || t.deleted < manyDeleted && !t.reportedAt.IsZero() && now.Sub(t.reportedAt) < reportEvery {
		return
	}
	level := slog.LevelInfo
	if t.warnedAt.IsZero() || now.Sub(t.warnedAt) >= warnEvery {
		level, t.warnedAt = slog.LevelWarn, now
	}
	oldest, _, err := t.file.eventRange()
	if err != nil {
		return // the next trim fails as well, and logs it
	}
	t.warn.Log(context.Background(), level, "old messages were deleted from the history",
		"events", t.deleted, "limit", t.file.keep, "kept_from", t.file.timeOf(oldest))
	t.deleted, t.reportedAt = 0, now
}

// timeOf returns the time of an event, for the log; "": there is none.
func (f *File) timeOf(id uint64) string {
	var at int64
	err := f.writer.QueryRowContext(context.Background(), `SELECT time FROM event WHERE id = ?`, id).Scan(&at)
	if err != nil {
		return ""
	}
	return time.UnixMilli(at).UTC().Format(time.RFC3339)
}

// trimmed is the result of a step of File.trim.
type trimmed struct {
	first  uint64 // the ID of the oldest event that is left; 0: no visible event was deleted
	events uint64 // how many visible events were deleted
	aged   int    // how many of them because of their age
	more   bool   // there may be more to do
}

// eventRange returns the IDs of the oldest and the newest event, or 0.
func (f *File) eventRange() (oldest, newest uint64, err error) {
	err = f.queryRow(`SELECT coalesce((SELECT min(id) FROM event), 0), coalesce((SELECT max(id) FROM event), 0)`, &oldest, &newest)
	if err != nil {
		err = fmt.Errorf("find old events: %w", err)
	}
	return oldest, newest, err
}

// trim deletes some of the oldest events if the file is beyond its Keep, up to ages of them by
// their age. Hidden events go first, if the file is too large: no reader misses them, and clients
// that come and go without end must not push the messages out. The newest event stays: the next
// one's id follows from it.
func (f *File) trim(now time.Time, ages int) (done trimmed, err error) {
	oldest, newest, err := f.eventRange()
	if err != nil {
		return done, err
	}
	isTooLarge, err := f.isTooLarge()
	if err != nil || !isTooLarge && (f.keep.Age == 0 || ages <= 0) {
		return done, err
	}
	firstHidden, err := f.firstHiddenToKeep(isTooLarge, now)
	if err != nil {
		return done, err
	}
	first := oldest
	if firstHidden == 0 || !isTooLarge {
		if first, err = f.firstToKeep(oldest, newest, isTooLarge, now, ages); err != nil {
			return done, err
		}
	}
	if first == oldest && firstHidden == 0 {
		if !isTooLarge {
			done.more, err = f.ageFromNow(oldest, now)
		}
		return done, err
	}
	if err := f.transaction(func() error { return f.deleteBefore(first, firstHidden) }); err != nil {
		return done, fmt.Errorf("delete old events: %w", err)
	}
	if err := f.exec(`PRAGMA incremental_vacuum`); err != nil {
		return done, fmt.Errorf("free the space of deleted events: %w", err)
	}
	done.more = true
	if first > oldest {
		done.first, done.events = first, first-oldest
		f.oldest.Store(first)
	}
	if !isTooLarge {
		done.aged = int(done.events)
	}
	return done, nil
}

// deleteBefore deletes the events before the event first, and the hidden events before these or
// before the number firstHidden. It is part of a transaction.
func (f *File) deleteBefore(first uint64, firstHidden int64) error {
	if err := f.exec(`DELETE FROM word WHERE rowid IN (SELECT id FROM event WHERE id < ? AND (said OR recipient > 0))`, first); err != nil {
		return err
	}
	// Not WHERE after < ?: that would read the whole table.
	if err := f.exec(`DELETE FROM hidden WHERE n < max(?, coalesce((SELECT n FROM hidden WHERE after >= ? ORDER BY n LIMIT 1), ?))`,
		firstHidden, first, int64(math.MaxInt64)); err != nil {
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
// later, or from before this program. The clock was wrong when they were written. As events are
// deleted in order, those from the future would keep all later ones until their time has come.
// The events keep the times that readers get. It corrects some, and reports whether there may
// be more.
func (f *File) ageFromNow(oldest uint64, now time.Time) (more bool, err error) {
	if f.keep.Age == 0 || oldest == 0 {
		return false, nil
	}
	from, at := max(oldest, f.ageFrom), now.UnixMilli()
	corrected, err := f.writer.ExecContext(context.Background(), `UPDATE event SET time = ?1 WHERE id BETWEEN ?2 AND
		coalesce((SELECT min(id) FROM event WHERE id BETWEEN ?2 AND ?3 AND time BETWEEN ?4 AND ?1) - 1, ?3)`, at, from, from+ageStep-1, unset.UnixMilli())
	if err != nil {
		return false, fmt.Errorf("correct times of a wrong clock: %w", err)
	}
	n, err := corrected.RowsAffected()
	f.ageFrom = 0
	if n == ageStep {
		f.ageFrom = from + ageStep
	}
	return n == ageStep, err
}

// firstToKeep returns the id before which events are to be deleted in this step, up to ages of
// them by their age: oldest if none are.
func (f *File) firstToKeep(oldest, newest uint64, isTooLarge bool, now time.Time, ages int) (uint64, error) {
	if oldest == newest {
		return oldest, nil
	}
	if isTooLarge { // a few of them: they may be long
		return oldest + min(max((newest-oldest)/16, 1), trimStep), nil
	}
	return f.firstYoung(oldest, min(oldest+uint64(min(ages, trimStep)), newest), now)
}

// firstYoung returns the first event from oldest to end that is within the age limit: end if
// none before it is. Events after it may only seem old, if the clock was behind, and so may
// those from before this program.
func (f *File) firstYoung(oldest, end uint64, now time.Time) (uint64, error) {
	err := f.writer.QueryRowContext(context.Background(), `SELECT coalesce((SELECT id FROM event WHERE id >= ?1 AND id < ?2 AND
		(time >= ?3 OR time < ?4) ORDER BY id LIMIT 1), ?2)`, oldest, end, now.Add(-f.keep.Age).UnixMilli(), unset.UnixMilli()).Scan(&end)
	if err != nil {
		return oldest, fmt.Errorf("find old events: %w", err)
	}
	return end, nil
}

// maxWAL is the size in bytes from which the write-ahead log is truncated; see walLimit.
const maxWAL = 64 << 20

// walLimit returns the size in bytes from which the write-ahead log is truncated: an eighth of a
// size limit, which does not count it, but enough for a batch.
func (k Keep) walLimit() int64 {
	if k.Bytes == 0 {
		return maxWAL
	}
	return min(max(k.Bytes/8, 1<<20), maxWAL)
}

// truncateWAL empties the write-ahead log if it is too long. SQLite starts it over on its own, but
// only at a moment without readers, which may never come if many search without a pause. This waits
// for readers to finish; see waitForReaders.
func (f *File) truncateWAL() error {
	info, err := os.Stat(f.path + "-wal")
	if err != nil || info.Size() < f.walLimit || f.copying.Load() > 0 { // a backup would make it wait in vain
		return err
	}
	f.walLimit = info.Size() + f.keep.walLimit() // until the next attempt
	if err := f.exec(fmt.Sprintf(`PRAGMA busy_timeout = %d`, f.waitForReaders().Milliseconds())); err != nil {
		return err
	}
	var busy, all, done int
	err = f.queryRow(`PRAGMA wal_checkpoint(TRUNCATE)`, &busy, &all, &done)
	if err == nil && busy == 0 {
		f.walLimit = f.keep.walLimit()
	}
	return errors.Join(err, f.exec(`PRAGMA `+busyTimeout))
}

// foreignReaders is how long truncateWAL waits for readers in other processes.
const foreignReaders = 50 * time.Millisecond

// waitForReaders returns how long truncateWAL waits for readers: for those of this process a little longer than
// seekTime, within which searches end. Others may check the file, or back it up, and take minutes.
func (f *File) waitForReaders() time.Duration {
	if f.readers.Stats().InUse+f.seekers.Stats().InUse == 0 {
		return foreignReaders
	}
	return seekTime + time.Second
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

package history

import (
	"context"
	"fmt"
	"time"
)

// trimStep is how many events one transaction deletes at most, so that what is said
// meanwhile does not wait long.
const trimStep = 500

// trim deletes the oldest events while the file is beyond its Keep, and clients that
// nobody has seen for long. The newest event stays: the next one's id follows from it.
// It returns the id of the oldest that is left, or 0 where nothing was deleted.
func (f *File) trim(now time.Time) (first uint64, err error) {
	if err := f.forgetClients(); err != nil {
		return 0, err
	}
	var oldest, newest uint64
	if err := f.get(`SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM event`, &oldest, &newest); err != nil {
		return 0, fmt.Errorf("look for old events: %w", err)
	}
	for oldest < newest {
		end := min(oldest+trimStep, newest)
		end, err := f.beyond(oldest, end, now)
		if err != nil || end == oldest {
			return first, err
		}
		err = f.transaction(func() error {
			if err := f.exec(`DELETE FROM word WHERE rowid IN (SELECT id FROM event WHERE id < ? AND (said OR recipient > 0))`, end); err != nil {
				return err
			}
			return f.exec(`DELETE FROM event WHERE id < ?`, end)
		})
		if err != nil {
			return first, fmt.Errorf("delete old events: %w", err)
		}
		if err := f.exec(`PRAGMA incremental_vacuum`); err != nil {
			return first, fmt.Errorf("give back what old events took: %w", err)
		}
		oldest, first = end, end
	}
	return first, nil
}

// beyond returns the id before which events from oldest on are to be deleted, end at most.
func (f *File) beyond(oldest, end uint64, now time.Time) (uint64, error) {
	if f.keep.Bytes > 0 {
		var size int64
		err := f.get(`SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size`, &size)
		if err != nil {
			return oldest, fmt.Errorf("look how large the history is: %w", err)
		}
		if size > f.keep.Bytes {
			return end, nil
		}
	}
	if f.keep.Age > 0 {
		// From the oldest on, and not wherever a clock that jumped put an old time.
		err := f.writer.QueryRowContext(context.Background(), `SELECT coalesce(min(id), ?) FROM event WHERE id < ? AND time >= ?`,
			end, end, now.Add(-f.keep.Age).UnixMilli()).Scan(&end)
		if err != nil {
			return oldest, fmt.Errorf("look for old events: %w", err)
		}
		return end, nil
	}
	return oldest, nil
}

// forgetClients deletes what is known of all but the last maxClients.
func (f *File) forgetClients() error {
	var count int
	if err := f.get(`SELECT count(*) FROM client`, &count); err != nil {
		return fmt.Errorf("count clients: %w", err)
	}
	if count <= maxClients {
		return nil
	}
	err := f.exec(`DELETE FROM client WHERE key IN (SELECT key FROM client WHERE gone <> 0 ORDER BY seen LIMIT ?)`, count-maxClients)
	if err != nil {
		return fmt.Errorf("delete old clients: %w", err)
	}
	return nil
}

// probe reports whether the file takes something: it writes as much as the next
// messages would need.
func (f *File) probe() error {
	return f.transaction(func() error {
		if err := f.exec(`INSERT INTO meta VALUES ('probe', zeroblob(65536)) ON CONFLICT DO UPDATE SET value = excluded.value`); err != nil {
			return err
		}
		return f.exec(`DELETE FROM meta WHERE name = 'probe'`)
	})
}

// forget drops what memory holds before the event id, whole blocks of it.
func (l *Log) forget(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	drop := 0
	for ; drop < len(l.blocks)-1 && l.blocks[drop+1].first <= id; drop++ {
		l.dropLocked(drop)
	}
	l.cutLocked(drop)
}

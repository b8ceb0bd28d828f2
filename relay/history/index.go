package history

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// This file is the index of words. Messages are indexed a little later than they are written,
// in pauses; until then, a search reads the messages themselves.

const (
	// indexStep is how many messages are indexed at a time. It is small because new messages
	// wait meanwhile.
	indexStep = 64

	// indexBytes ends a step early: a message may have thousands of words.
	indexBytes = 256 << 10

	// A search reads each message that is not indexed, so their number is bounded. If there
	// are indexAfter and batches have indexFlood messages or more, twice as many as came are
	// indexed after each batch. With smaller batches, whose senders would notice the delay,
	// that starts at indexMost.
	indexAfter = 32 << 10
	indexFlood = 256
	indexMost  = 64 << 10

	// indexPause is how long no message must come before the rest is indexed.
	indexPause = 100 * time.Millisecond
)

// loadIndexed reads how far the index goes.
func (f *File) loadIndexed() error {
	var last, indexed uint64
	if err := f.queryRow(`SELECT coalesce(max(id), 0) FROM word_docsize`, &indexed); err != nil { // FTS5's own, by rowid
		return err
	}
	if err := f.queryRow(`SELECT coalesce(max(id), 0) FROM event`, &last); err != nil {
		return err
	}
	f.indexed.Store(indexed)
	f.unindexed = int(last - min(indexed, last))
	return nil
}

// isIndexDue reports whether messages should be indexed although others wait to be written.
func (f *File) isIndexDue() bool {
	return f.unindexed >= indexAfter && f.lastBatch >= indexFlood || f.unindexed >= indexMost
}

// indexSome indexes some messages, and reports whether there are more. It does not wait for the
// disk: if the power fails, they are indexed again.
func (f *File) indexSome() (more bool, err error) {
	if f.unindexed == 0 {
		return false, nil
	}
	f.isAsync = true
	if err := f.exec(`PRAGMA synchronous = NORMAL`); err != nil {
		return false, fmt.Errorf("index messages: %w", err)
	}
	count, last := max(indexStep, 2*f.lastBatch), f.indexed.Load()
	f.lastBatch = 0
	read, all := 0, false
	err = f.transaction(func() error {
		rows, end, err := f.readUnindexed(last, count)
		if err != nil {
			return err
		}
		read, all = len(rows), end
		for i := range rows {
			e, err := rows[i].event()
			if err == nil { // readers report a damaged one
				_, err = f.insert.word.Exec(e.ID, indexedWords(e.Text))
				if err != nil {
					return err
				}
			}
			last = rows[i].id
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("index messages: %w", err)
	}
	f.indexed.Store(last)
	if f.unindexed -= read; all {
		f.unindexed = 0
	}
	return f.unindexed > 0, nil
}

// readUnindexed reads the next count messages after the event id, or fewer if they are long. all
// is whether there are no more.
func (f *File) readUnindexed(id uint64, count int) (list []row, all bool, err error) {
	size := 0
	for r, err := range queryRows(context.Background(), f.writer, `event WHERE id > ? AND (said OR recipient > 0) ORDER BY id LIMIT ?`, id, count) {
		if err != nil {
			return nil, false, err
		}
		list = append(list, r)
		if size += len(r.json); size >= indexBytes {
			return list, false, nil
		}
	}
	return list, len(list) < count, nil
}

// searchUnindexed adds to found the messages with the words of q that are not indexed, newest
// first. It returns the id before which the index has the rest.
func (l *Log) searchUnindexed(q query, found *pageBuilder, view *View) (next uint64, damage error) {
	indexed := l.committer.file.indexed.Load()
	next = found.page.Before
	for b, i := range l.backward(found.page.Before-1, JSON) {
		if b.first+uint64(i) <= indexed {
			return indexBoundary(next, indexed), nil
		}
		next = b.first + uint64(i)
		if line, ok := l.match(b, i, q, view); ok && !found.add(line) {
			return next, nil
		}
	}
	// The messages before those in memory.
	return indexBoundary(next, indexed), found.addRows(l, q.filterUnindexed(l.committer.file.messagesBefore(next, view.Me), indexed), view)
}

// indexBoundary returns the id after indexed, or next if that is lower and not 0.
func indexBoundary(next, indexed uint64) uint64 {
	if next == 0 {
		return indexed + 1
	}
	return min(next, indexed+1)
}

// filterUnindexed yields the rows with the words of q, up to the first that is indexed. It also yields
// damaged rows, for their reader to report.
func (q query) filterUnindexed(rows iter.Seq2[row, error], indexed uint64) iter.Seq2[row, error] {
	return q.filter(func(yield func(row, error) bool) {
		for r, err := range rows {
			if err == nil && r.id <= indexed || !yield(r, err) {
				return
			}
		}
	})
}

// filter yields the rows with the words of q. It also yields damaged rows.
func (q query) filter(rows iter.Seq2[row, error]) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for r, err := range rows {
			if err == nil {
				if e, damage := r.event(); damage == nil && !q.matches(e.Text) {
					continue
				}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

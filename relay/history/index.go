package history

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// This file is the index of words. Nobody waits for it: what was said is indexed a little
// later, in the pauses, and until then a search looks at the events themselves.

const (
	// indexStep is how many events are indexed at a time: few, since what is said meanwhile waits.
	indexStep = 64

	// indexBytes ends a step of many long ones: a message may have thousands of words.
	indexBytes = 256 << 10

	// indexAfter is how many may wait for a pause while others pour in, indexFlood at a
	// time or more: beyond it twice as many as came are indexed. While few come, who would
	// notice the wait, it is indexMost, and then a step is taken with each.
	// A search looks at each of those that wait.
	indexAfter = 32 << 10
	indexFlood = 256
	indexMost  = 64 << 10

	// indexPause is how long nothing is said before the rest is indexed.
	indexPause = 100 * time.Millisecond
)

// loadIndexed finds out what is indexed.
func (f *File) loadIndexed() error {
	var last, indexed uint64
	if err := f.get(`SELECT coalesce(max(id), 0) FROM word_docsize`, &indexed); err != nil { // FTS5's own, by rowid
		return err
	}
	if err := f.get(`SELECT coalesce(max(id), 0) FROM event`, &last); err != nil {
		return err
	}
	f.indexed.Store(indexed)
	f.saids = int(last - min(indexed, last))
	return nil
}

// isIndexDue reports whether some events should be indexed although others wait to be written.
func (f *File) isIndexDue() bool {
	return f.saids >= indexAfter && f.saidLast >= indexFlood || f.saids >= indexMost
}

// index indexes some of the events that are not, and reports whether there are more. It
// does not wait for the disk: what is lost of it with the power is done again.
func (f *File) index() (more bool, err error) {
	if f.saids == 0 {
		return false, nil
	}
	f.lazy = true
	if err := f.exec(`PRAGMA synchronous = NORMAL`); err != nil {
		return false, fmt.Errorf("index what was said: %w", err)
	}
	count, last := max(indexStep, 2*f.saidLast), f.indexed.Load()
	f.saidLast = 0
	read, all := 0, false
	err = f.transaction(func() error {
		rows, end, err := f.unindexed(last, count)
		if err != nil {
			return err
		}
		read, all = len(rows), end
		for i := range rows {
			e, err := rows[i].event()
			if err == nil { // a damaged one is told when it is read
				_, err = f.insert.word.Exec(e.ID, foldedWords(e.Text))
				if err != nil {
					return err
				}
			}
			last = rows[i].id
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("index what was said: %w", err)
	}
	f.indexed.Store(last)
	if f.saids -= read; all {
		f.saids = 0
	}
	return f.saids > 0, nil
}

// unindexed reads count events behind id that have words, fewer where they are long. all is
// true where there are no more. It is for the committer's own connection.
func (f *File) unindexed(id uint64, count int) (list []row, all bool, err error) {
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

// searchUnindexed puts what has the words of q into found, of the events that are not indexed,
// latest first. It returns behind which the index has the rest.
func (l *Log) searchUnindexed(q query, found *pile, view *View) (next uint64, damage error) {
	indexed := l.committer.file.indexed.Load()
	next = found.page.Before
	for b, i := range l.backward(found.page.Before - 1) {
		if b.first+uint64(i) <= indexed {
			return behind(next, indexed), nil
		}
		next = b.first + uint64(i)
		if line, ok := l.match(b, i, q, view); ok && !found.put(line) {
			return next, nil
		}
	}
	// Further back than memory.
	return behind(next, indexed), found.putRows(l, q.among(l.committer.file.before(next, view.Me), indexed), view)
}

// behind returns the id behind indexed, or next (0: none) where that is less.
func behind(next, indexed uint64) uint64 {
	if next == 0 {
		return indexed + 1
	}
	return min(next, indexed+1)
}

// among passes on rows with the words of q, until they are indexed. One that is damaged is told
// by who reads it.
func (q query) among(rows iter.Seq2[row, error], indexed uint64) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for r, err := range rows {
			if err == nil && r.id <= indexed {
				return
			}
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

package history

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"chat/relay/wire"
)

// This file reads the log backwards: where a backlog begins, what was said before,
// what was said with certain words.

// Back returns the id of the nth last event that somebody said, or of the oldest
// kept where there are fewer: where a backlog of n messages begins. It may read from
// disk.
func (l *Log) Back(n int) (uint64, error) {
	id, left := l.Next(), n
	oldest := id // that was looked at
	for b, i := range l.backward(id - 1) {
		if left == 0 {
			return id, nil
		}
		oldest = b.first + uint64(i)
		if b.entries[i].said {
			id = oldest
			left--
		}
	}
	if l.committer == nil || left == 0 {
		return id, nil
	}
	stored, err := l.committer.file.back(oldest, left)
	if err != nil {
		return id, fmt.Errorf("find the last %d messages: %w", n, err)
	}
	return min(stored, id), nil
}

// A Page bounds what is read back: the latest Count events before the event id Before
// (0: the last there are) that have Bytes together. One that is longer than Bytes
// comes alone, so that none is returned only when nothing older is kept.
type Page struct {
	Before uint64
	Count  int
	Bytes  int
}

// A pile gathers lines of a page, latest first.
type pile struct {
	page  Page
	lines [][]byte
	full  bool
}

// put takes the next older line, unless the page is full.
func (p *pile) put(line []byte) bool {
	p.page.Bytes -= len(line)
	if len(p.lines) >= p.page.Count || p.page.Bytes < 0 && len(p.lines) > 0 {
		p.full = true
		return false
	}
	p.lines = append(p.lines, line)
	return true
}

// putRows takes lines from a file as long as the page is not full. An event that is damaged
// is left out, and an error.
func (p *pile) putRows(l *Log, rows iter.Seq2[row, error], view *View) (damage error) {
	for r, err := range rows {
		if err != nil {
			return err
		}
		if !view.shows(r.author, r.to) {
			continue
		}
		line, err := l.appendRow(nil, &r, view.Format)
		if err != nil {
			damage = err
		} else if !p.put(line) {
			break
		}
	}
	return damage
}

// oldestFirst returns the lines in the order in which they were said.
func (p *pile) oldestFirst() [][]byte {
	slices.Reverse(p.lines)
	return p.lines
}

// Before returns the encodings of what was said before a page's end, oldest first,
// each with its newline, own words among it: it is the whole talk that is read again.
// The slices must not be written to. It may read from disk; what could be read is
// returned with the error.
func (l *Log) Before(page Page, view View) ([][]byte, error) {
	view.Echo = true
	found := pile{page: page}
	next := page.Before // behind the next older one to look at
	for b, i := range l.backward(page.Before - 1) {
		e := &b.entries[i]
		if next = b.first + uint64(i); !e.said && e.to == 0 || !view.shows(e.author, e.to) {
			continue
		}
		if !found.put(b.bytes(view.Format)[b.end(view.Format, i-1):b.end(view.Format, i)]) {
			return found.oldestFirst(), nil
		}
	}
	if l.committer == nil {
		return found.oldestFirst(), nil
	}
	err := found.putRows(l, l.committer.file.before(next, view.Me), &view)
	if err != nil {
		err = fmt.Errorf("read what was said before %d: %w", next, err)
	}
	return found.oldestFirst(), err
}

// Search returns what [Log.Before] does, of that only what has all of words in it. A
// word of a message is found by its beginning, from three bytes on, whatever the case
// and the accents. It may read from disk.
func (l *Log) Search(words string, page Page, view View) ([][]byte, error) {
	view.Echo = true
	query := newQuery(words)
	found := pile{page: page}
	if len(query) == 0 {
		return nil, nil
	}
	if l.committer != nil {
		next, err := l.searchUnindexed(query, &found, &view)
		if !found.full {
			err = errors.Join(err, found.putRows(l, l.committer.file.search(query, next, view.Me), &view))
		}
		if err != nil {
			err = fmt.Errorf("search for %q: %w", words, err)
		}
		return found.oldestFirst(), err
	}
	for b, i := range l.backward(page.Before - 1) {
		if line, ok := l.match(b, i, query, &view); ok && !found.put(line) {
			break
		}
	}
	return found.oldestFirst(), nil
}

// match returns the encoding of the ith event of b, if it is in the view and has the words.
func (l *Log) match(b *block, i int, q query, view *View) (line []byte, ok bool) {
	e := &b.entries[i]
	if !e.said && e.to == 0 || !view.shows(e.author, e.to) {
		return nil, false
	}
	event, err := wire.ParseEvent(b.json[b.end(JSON, i-1):b.end(JSON, i)])
	if err != nil || !q.matches(event.Text) {
		return nil, false
	}
	return b.bytes(view.Format)[b.end(view.Format, i-1):b.end(view.Format, i)], true
}

package history

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"chat/relay/wire"
)

// This file reads the log backwards: the start of a backlog, a page of older messages, a search.

// Back returns the id at which a backlog of n messages starts: that of the nth last message or
// action, or of the oldest event if there are fewer. It may read from disk.
func (l *Log) Back(n int) (uint64, error) {
	id, left := l.Next(), n
	oldest := id // of those in memory
	for b, i := range l.backward(id-1, Text) {
		if left == 0 {
			return id, nil
		}
		oldest = b.first + uint64(i)
		if b.entries[i].public {
			id = oldest
			left--
		}
	}
	if l.committer == nil || left == 0 {
		return id, nil
	}
	stored, err := l.committer.file.nthLastMessage(oldest, left)
	if err != nil {
		return id, fmt.Errorf("find the last %d messages: %w", n, err)
	}
	return min(stored, id), nil
}

// A Page bounds the messages that are read back: the last ones before an id, within Count and
// Bytes. If the first of them is longer than Bytes, the page has only that one, so an empty page
// means that there are no older messages.
type Page struct {
	Before uint64 // id; 0: the page is the last one
	Count  int
	Bytes  int // of the encodings
}

// A pageBuilder collects the lines of a page, newest first.
type pageBuilder struct {
	page  Page
	lines [][]byte
	full  bool
}

// add adds the next older line, or returns false if the page is full.
func (p *pageBuilder) add(line []byte) bool {
	p.page.Bytes -= len(line)
	if len(p.lines) >= p.page.Count || p.page.Bytes < 0 && len(p.lines) > 0 {
		p.full = true
		return false
	}
	p.lines = append(p.lines, line)
	return true
}

// addRows adds the rows that the view shows, until the page is full. It skips damaged events
// and returns an error for the last one.
func (p *pageBuilder) addRows(l *Log, rows iter.Seq2[row, error], view *View) (damage error) {
	for r, err := range rows {
		if err != nil {
			return err
		}
		if !view.shows(r.author, r.to) {
			continue
		}
		line, err := l.appendRow(nil, &r, view)
		if err != nil {
			damage = err
		} else if !p.add(line) {
			break
		}
	}
	return damage
}

// oldestFirst returns the lines in the order of the log.
func (p *pageBuilder) oldestFirst() [][]byte {
	slices.Reverse(p.lines)
	return p.lines
}

// Before returns the encodings of the messages on a page, oldest first, each with its newline.
// The reader's own messages are among them, whatever view.Echo is. The slices must not be changed.
// It may read from disk; with an error, it returns the messages that could be read.
func (l *Log) Before(page Page, view View) ([][]byte, error) {
	view.Echo = true
	found := pageBuilder{page: page}
	next := page.Before // the id before which the search continues
	for b, i := range l.backward(page.Before-1, view.Format) {
		e := &b.entries[i]
		if next = b.first + uint64(i); !e.public && e.to == 0 || !view.shows(e.author, e.to) {
			continue
		}
		if !found.add(b.line(i, &view)) {
			return found.oldestFirst(), nil
		}
	}
	if l.committer == nil {
		return found.oldestFirst(), nil
	}
	err := found.addRows(l, l.committer.file.messagesBefore(next, view.Me), &view)
	if err != nil {
		err = fmt.Errorf("read messages before %d: %w", next, err)
	}
	return found.oldestFirst(), err
}

// Search is [Log.Before] for only the messages that have all the words. A word of three bytes or
// more also matches longer words that start with it. Case and accents do not matter. It may
// read from disk.
func (l *Log) Search(words string, page Page, view View) ([][]byte, error) {
	view.Echo = true
	query := newQuery(words)
	found := pageBuilder{page: page}
	if len(query) == 0 {
		return nil, nil
	}
	if l.committer != nil {
		next, err := l.searchUnindexed(query, &found, &view)
		if !found.full {
			err = errors.Join(err, found.addRows(l, l.committer.file.rowsMatching(query, next, view.Me), &view))
		}
		if err != nil {
			err = fmt.Errorf("search for %q: %w", words, err)
		}
		return found.oldestFirst(), err
	}
	for b, i := range l.backward(page.Before-1, JSON) {
		if line, ok := l.match(b, i, query, &view); ok && !found.add(line) {
			break
		}
	}
	return found.oldestFirst(), nil
}

// match returns the encoding of the ith event of b, if it is a message in the view that has the words.
func (l *Log) match(b *block, i int, q query, view *View) (line []byte, ok bool) {
	e := &b.entries[i]
	if !e.public && e.to == 0 || !view.shows(e.author, e.to) {
		return nil, false
	}
	event, err := wire.ParseEvent(b.json[b.end(JSON, i-1):b.end(JSON, i)])
	if err != nil || !q.matches(event.Text) {
		return nil, false
	}
	return b.line(i, view), true
}

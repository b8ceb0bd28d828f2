package history

import (
	"errors"
	"fmt"
)

// A Format is one of the two encodings that a log holds of each event.
type Format uint8

const (
	Text Format = iota // lines for people
	JSON               // one object a line, for programs
)

// A View is what one reader gets of a log.
type View struct {
	Format  Format
	Me      Author          // who reads, and gets what is private for it; 0: nobody
	Echo    bool            // what Me says is among it
	Ignored map[Author]bool // what these say is not; the map is not changed any more
}

// shows reports whether what author said to all (to is 0), or to one, is in the view.
// One's own private messages have no words for people: they read what they typed.
func (v *View) shows(author, to Author) bool {
	switch {
	case len(v.Ignored) > 0 && v.Ignored[author]:
		return false
	case author != 0 && author == v.Me:
		return v.Echo && (to == 0 || v.Format == JSON)
	default:
		return to == 0 || to == v.Me
	}
}

// A Cursor is a reader's place in a log.
type Cursor struct {
	log   *Log
	view  View
	next  uint64 // id of the next event to read
	quiet uint64 // before it only what was said is read
}

// Cursor returns a cursor that reads on from the event id from. Of the events
// before live, those that are over by the time a newcomer reads them (joins,
// leaves, changes of nick and topic) are left out.
func (l *Log) Cursor(from, live uint64, view View) Cursor {
	return Cursor{log: l, view: view, next: max(from, 1), quiet: live}
}

// View returns what the cursor gets of the log.
func (c *Cursor) View() View { return c.view }

// Place returns the id of the next event to read.
func (c *Cursor) Place() uint64 { return c.next }

// Ignore makes the cursor pass over what authors say, who are not changed any more.
func (c *Cursor) Ignore(authors map[Author]bool) { c.view.Ignored = authors }

// MoveTo moves the cursor to where another one of the same log is.
func (c *Cursor) MoveTo(other *Cursor) { c.next = other.next }

// Wait puts r on the list that the log hands over once there is something new to
// read. It returns false if there is already.
func (c *Cursor) Wait(r Waiter) bool { return c.log.Wait(c.next, r) }

// Next appends the encodings of the next events to runs, as few slices as there
// are gaps between them, and moves behind them. It returns no slices when the
// cursor is at the end; more may follow when it returns some. The slices must
// not be written to. missed is how many events the log dropped before the cursor
// came to them. Where they are on disk it returns behind instead: see [Cursor.Fetch].
func (c *Cursor) Next(runs [][]byte) (_ [][]byte, missed uint64, behind bool) {
	for {
		b, end := c.log.at(c.next)
		if c.next < b.first {
			if c.log.committer != nil {
				return runs, missed, true
			}
			missed += b.first - c.next
			c.next = b.first
		}
		if c.next >= end {
			return runs, missed, false
		}
		before := len(runs)
		runs = c.read(runs, &b)
		if len(runs) > before {
			return runs, missed, false
		}
	}
}

// read appends what there is to read in b from the cursor on.
func (c *Cursor) read(runs [][]byte, b *block) [][]byte {
	bytes := b.bytes(c.view.Format)
	i := int(c.next - b.first)
	c.next = b.first + uint64(len(b.entries))
	if (c.view.Me == 0 || c.view.Echo) && len(c.view.Ignored) == 0 && !b.private && b.first+uint64(i) >= c.quiet {
		return append(runs, bytes[b.end(c.view.Format, i-1):])
	}
	for i < len(b.entries) {
		for i < len(b.entries) && c.leavesOut(b, i) {
			i++
		}
		start := i
		for i < len(b.entries) && !c.leavesOut(b, i) {
			i++
		}
		if i > start {
			runs = append(runs, bytes[b.end(c.view.Format, start-1):b.end(c.view.Format, i-1)])
		}
	}
	return runs
}

func (c *Cursor) leavesOut(b *block, i int) bool {
	e := &b.entries[i]
	return c.isOver(b.first+uint64(i), e.said || e.to != 0) || !c.view.shows(e.author, e.to)
}

// isOver reports whether the event id is left out because it was before the cursor's
// reader came, and nobody said it.
func (c *Cursor) isOver(id uint64, said bool) bool { return !said && id < c.quiet }

// fetchBytes is how much Fetch reads at a time: what a write takes.
const fetchBytes = maxBlockText

// Fetch is [Cursor.Next] for a cursor that is behind what memory holds: it reads from
// disk, and so may take its time. missed is how many events the file does not have any
// more, or that are damaged: then there is [ErrDamaged] besides, and where nothing can be
// read, the cursor goes on with what memory has. By another error it stays where it was.
func (c *Cursor) Fetch(runs [][]byte) (_ [][]byte, missed uint64, damage error) {
	first := c.log.first()
	from, size := c.next, 0
	var lines []byte
	for r, err := range c.log.committer.file.from(c.next) {
		if err != nil && !errors.Is(err, ErrDamaged) {
			c.next = from
			return runs, 0, fmt.Errorf("read events from %d on: %w", from, err)
		}
		if err != nil {
			damage, size = err, 0
			break
		}
		if r.id >= first || size >= fetchBytes {
			break
		}
		if r.id < c.next {
			damage, size = fmt.Errorf("%w: event %d comes behind %d", ErrDamaged, r.id, c.next-1), 0
			break
		}
		missed += r.id - c.next
		c.next = r.id + 1
		size += len(r.json)
		if !c.isOver(r.id, r.said || r.to != 0) && c.view.shows(r.author, r.to) {
			if lines, err = c.log.appendRow(lines, &r, c.view.Format); err != nil {
				damage = err
				missed++
			}
		}
	}
	if size == 0 { // the rest was dropped, or cannot be read
		missed += first - c.next
		c.next = first
	}
	if len(lines) > 0 {
		runs = append(runs, lines)
	}
	if damage != nil {
		damage = fmt.Errorf("read events from %d on: %w", from, damage)
	}
	return runs, missed, damage
}

// appendRow appends a stored event as format has it.
func (l *Log) appendRow(dst []byte, r *row, format Format) ([]byte, error) {
	e, err := r.event()
	switch {
	case err != nil:
		return dst, err
	case format == JSON:
		return e.AppendJSON(dst), nil
	default:
		return e.AppendText(dst, l.viewer(&e)), nil
	}
}

package history

import (
	"errors"
	"fmt"
	"slices"
)

// A Format is one of the two encodings that a log holds of each event.
type Format uint8

const (
	Text Format = iota // lines for people
	JSON               // one object a line, for programs
)

// A View selects the events of a log that one reader gets, and their format.
type View struct {
	Format  Format
	Me      Author          // the reader, who gets private messages to it; 0: no member
	Echo    bool            // the reader gets its own events
	Ignored map[Author]bool // the reader does not get events of these; the map must not change
	Home    string          // as in [wire.Event.Linked], for links in text
}

// shows reports whether the view has an event of author that is private to to, or for everyone if
// to is 0. A private message of the reader's own is in the view only in JSON: the text encoding is
// that for the recipient.
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

// A Cursor is a reader's position in a log.
type Cursor struct {
	log  *Log
	view View
	next uint64 // id of the next event to read
	live uint64 // events with lower ids are read only if they are messages
}

// Cursor returns a cursor that starts at the event from. Of the events before live, the cursor
// returns only messages, actions and private messages: joins, leaves and changes of nick and
// topic mean nothing to someone who joins later.
func (l *Log) Cursor(from, live uint64, view View) Cursor {
	return Cursor{log: l, view: view, next: max(from, 1), live: live}
}

// View returns the cursor's view.
func (c *Cursor) View() View { return c.view }

// Place returns the id of the next event to read.
func (c *Cursor) Place() uint64 { return c.next }

// Ignore sets the authors whose events the cursor skips. The map must not change any more.
func (c *Cursor) Ignore(authors map[Author]bool) { c.view.Ignored = authors }

// MoveTo moves the cursor to the position of another one of the same log.
func (c *Cursor) MoveTo(other *Cursor) { c.next = other.next }

// Wait adds w to the log's waiters, as [Log.Wait] does. It returns false if there are events to
// read already.
func (c *Cursor) Wait(w Waiter) bool { return c.log.Wait(c.next, w) }

// Next appends the encodings of the next events to runs, one slice for each run of events without
// gaps, and moves the cursor past them. It appends nothing if the cursor is at the end of the log;
// otherwise more may follow. The slices must not be changed. missed is how many events
// the log dropped before the cursor read them. If these are on disk, Next returns behind
// instead: see [Cursor.Fetch].
func (c *Cursor) Next(runs [][]byte) (_ [][]byte, missed uint64, behind bool) {
	for {
		b, end := c.log.blockOf(c.next, c.view.Format)
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
		runs = c.readBlock(runs, &b)
		if len(runs) > before {
			return runs, missed, false
		}
	}
}

// readBlock appends the events of b from the cursor on, and moves the cursor past b.
func (c *Cursor) readBlock(runs [][]byte, b *block) [][]byte {
	i := int(c.next - b.first)
	c.next = b.first + uint64(len(b.entries))
	if len(c.view.Ignored) == 0 && !b.hasPrivate && b.first+uint64(i) >= c.live { // nearly always
		if c.view.Me == 0 || c.view.Echo {
			return c.appendRun(runs, b, i, len(b.entries))
		}
		return c.readOthers(runs, b, i)
	}
	for i < len(b.entries) {
		for i < len(b.entries) && c.skips(b, i) {
			i++
		}
		start := i
		for i < len(b.entries) && !c.skips(b, i) {
			i++
		}
		if i > start {
			runs = c.appendRun(runs, b, start, i)
		}
	}
	return runs
}

// readOthers is readBlock, from entry i of b on, for a reader who skips nothing but its own events.
func (c *Cursor) readOthers(runs [][]byte, b *block, i int) [][]byte {
	for i < len(b.entries) {
		start := i
		for i < len(b.entries) && b.entries[i].author != c.view.Me {
			i++
		}
		if i > start {
			runs = c.appendRun(runs, b, start, i)
		}
		for i < len(b.entries) && b.entries[i].author == c.view.Me {
			i++
		}
	}
	return runs
}

// appendRun appends the encodings of the entries of b from one up to another, which exist. In
// text it inserts the address of the host, as this reader reaches it now, before the path of
// an upload.
func (c *Cursor) appendRun(runs [][]byte, b *block, from, to int) [][]byte {
	bytes, at := b.bytes(c.view.Format), b.end(c.view.Format, from-1)
	if c.view.Format == Text && b.hasLinks && c.view.Home != "" {
		for i := from; i < to; i++ {
			if e := &b.entries[i]; e.link > 0 { // not a copy: encodeLate may set e.json meanwhile
				runs = append(runs, bytes[at:e.link], []byte(c.view.Home))
				at = e.link
			}
		}
	}
	return append(runs, bytes[at:b.end(c.view.Format, to-1)])
}

// line returns the encoding of the ith event of b in a view.
func (b *block) line(i int, v *View) []byte {
	whole := b.bytes(v.Format)[b.end(v.Format, i-1):b.end(v.Format, i)]
	if v.Format == JSON || v.Home == "" || b.entries[i].link == 0 {
		return whole
	}
	link := b.entries[i].link - b.end(v.Format, i-1)
	return slices.Concat(whole[:link], []byte(v.Home), whole[link:])
}

func (c *Cursor) skips(b *block, i int) bool {
	e := &b.entries[i]
	return c.isPast(b.first+uint64(i), e.public || e.to != 0) || !c.view.shows(e.author, e.to)
}

// isPast reports whether the event id is skipped because it is not a message, and happened before
// the reader joined.
func (c *Cursor) isPast(id uint64, isMessage bool) bool { return !isMessage && id < c.live }

// fetchBytes is how many bytes Fetch reads at a time: as many as are written to a socket.
const fetchBytes = maxBlockText

// Fetch is [Cursor.Next] for a cursor whose next events are no longer in memory. It reads from
// disk and may block. missed is how many events the file no longer has, or that are damaged. In the latter
// case the error is [ErrDamaged]; if nothing can be read, the cursor moves to the oldest
// event in memory. After any other error the cursor has not moved.
func (c *Cursor) Fetch(runs [][]byte) (_ [][]byte, missed uint64, damage error) {
	first := c.log.firstInMemory()
	from, size := c.next, 0
	var lines []byte
	for r, err := range c.log.committer.file.rowsFrom(c.next) {
		if err != nil && !errors.Is(err, ErrDamaged) {
			c.next = from
			return runs, 0, fmt.Errorf("read events from %d: %w", from, err)
		}
		if err != nil {
			damage, size = err, 0
			break
		}
		if r.id >= first || size >= fetchBytes {
			break
		}
		if r.id < c.next {
			damage, size = fmt.Errorf("%w: event %d follows event %d", ErrDamaged, r.id, c.next-1), 0
			break
		}
		missed += r.id - c.next
		c.next = r.id + 1
		size += len(r.json)
		if !c.isPast(r.id, r.public || r.to != 0) && c.view.shows(r.author, r.to) {
			if lines, err = c.log.appendRow(lines, &r, &c.view); err != nil {
				damage = err
				missed++
			}
		}
	}
	if size == 0 { // the rest was deleted, or cannot be read
		missed += first - c.next
		c.next = first
	}
	if len(lines) > 0 {
		runs = append(runs, lines)
	}
	if damage != nil {
		damage = fmt.Errorf("read events from %d: %w", from, damage)
	}
	return runs, missed, damage
}

// appendRow appends the event of a row, encoded for a view.
func (l *Log) appendRow(dst []byte, r *row, v *View) ([]byte, error) {
	e, err := r.event()
	switch {
	case err != nil:
		return dst, err
	case v.Format == JSON:
		return e.AppendJSON(dst), nil
	default:
		return e.Linked(v.Home).AppendText(dst, l.viewer(&e)), nil
	}
}

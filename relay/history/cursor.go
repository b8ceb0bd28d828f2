package history

// A Format is one of the two encodings that a log holds of each event.
type Format uint8

const (
	Text Format = iota // lines for people
	JSON               // one object a line, for programs
)

// A Cursor is a reader's place in a log.
type Cursor struct {
	log     *Log
	format  Format
	next    uint64          // id of the next event to read
	quiet   uint64          // before it only what was said is read
	own     Author          // left out; 0: nobody
	ignored map[Author]bool // left out too
}

// Cursor returns a cursor that reads on from the event id from. Of the events
// before live, those that are over by the time a newcomer reads them (joins,
// leaves, changes of nick and topic) are left out.
func (l *Log) Cursor(from, live uint64, format Format) Cursor {
	return Cursor{log: l, format: format, next: max(from, 1), quiet: live}
}

// LeaveOut makes the cursor pass over what own says (0: nobody), and those in
// ignored, which is not changed any more.
func (c *Cursor) LeaveOut(own Author, ignored map[Author]bool) { c.own, c.ignored = own, ignored }

// Wait puts r on the list that the log hands over once there is something new to
// read. It returns false if there is already.
func (c *Cursor) Wait(r Reader) bool { return c.log.Wait(c.next, r) }

// Before is [Log.Before] in the cursor's format, without those that it ignores. Own
// words are among it: it is the whole conversation that is read again. The cursor
// stays where it is.
func (c *Cursor) Before(id uint64, count, maxBytes int) [][]byte {
	return c.log.Before(id, count, maxBytes, c.format, c.ignored)
}

// Next appends the encodings of the next events to runs, as few slices as there
// are gaps between them, and moves behind them. It returns no slices when the
// cursor is at the end; more may follow when it returns some. The slices must
// not be written to. missed is how many events the log dropped before the cursor
// came to them.
func (c *Cursor) Next(runs [][]byte) (_ [][]byte, missed uint64) {
	for {
		b, end := c.log.at(c.next)
		if c.next < b.first {
			missed += b.first - c.next
			c.next = b.first
		}
		if c.next >= end {
			return runs, missed
		}
		before := len(runs)
		runs = c.read(runs, &b)
		if len(runs) > before {
			return runs, missed
		}
	}
}

// read appends what there is to read in b from the cursor on.
func (c *Cursor) read(runs [][]byte, b *block) [][]byte {
	bytes := b.bytes(c.format)
	i := int(c.next - b.first)
	c.next = b.first + uint64(len(b.entries))
	if c.own == 0 && len(c.ignored) == 0 && b.first+uint64(i) >= c.quiet {
		return append(runs, bytes[b.end(c.format, i-1):])
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
			runs = append(runs, bytes[b.end(c.format, start-1):b.end(c.format, i-1)])
		}
	}
	return runs
}

func (c *Cursor) leavesOut(b *block, i int) bool {
	e := &b.entries[i]
	switch {
	case e.author != 0 && e.author == c.own:
		return true
	case len(c.ignored) > 0 && c.ignored[e.author]:
		return true
	}
	return !e.said && b.first+uint64(i) < c.quiet
}

package screen

import "time"

// A view is the window on a transcript. It follows the end, or stays with an entry
// that is shown, whatever comes, goes or is put elsewhere, and however wide the
// window is. What it is a window on, and how that is drawn, comes with each call:
// only the entries that are shown are ever wrapped.
type view struct {
	following  bool
	anchor     position // unless following: a row of an entry,
	y          int      // and in which row of the window it is; it can be below it
	placed     bool     // by toEntry: at the end it does not follow either
	came       int      // messages since it followed
	unreadFrom int      // the first entry that is unread; -1: none
	top        bool     // the first row of all was shown when the view was drawn or moved last

	look   look // of the rows in drawn
	height int
	drawn  map[uint32]drawnEntry // by serial
}

// A drawnEntry is an entry's rows, and the text they were drawn of: it changes when
// more is gathered into an entry.
type drawnEntry struct {
	text string
	rows []string
}

// A position is a row of an entry: from 0 on its own rows; negative the lines above
// it, which come and go with other entries.
type position struct{ entry, row int }

func newView() view { return view{following: true, unreadFrom: -1} }

// --- what becomes of the transcript ---------------------------------------------

// added tells the view that an entry came at the end, and whether it is unread.
func (v *view) added(t *transcript, unread bool) {
	if !v.following && t.entries[len(t.entries)-1].kind <= private {
		v.came++
	}
	if unread && v.unreadFrom < 0 {
		v.unreadFrom = len(t.entries) - 1
	}
}

// prepended tells the view that n entries were put at the beginning.
func (v *view) prepended(n int) {
	v.anchor.entry += n
	if v.unreadFrom >= 0 {
		v.unreadFrom += n
	}
}

// dropped tells the view that the first n entries went.
func (v *view) dropped(n int) {
	if v.unreadFrom >= 0 {
		v.unreadFrom = max(v.unreadFrom-n, 0)
	}
	if v.anchor.entry -= n; v.anchor.entry < 0 {
		v.anchor, v.y = position{}, 0
	}
}

// forgetUnread takes the line before the first unread entry away.
func (v *view) forgetUnread() { v.unreadFrom = -1 }

// newBelow returns how many messages came since the view stopped following.
func (v *view) newBelow() int { return v.came }

// --- moving ----------------------------------------------------------------------

// toEnd makes the view follow the end.
func (v *view) toEnd() { v.following, v.placed, v.came = true, false, 0 }

// toTop shows the first entry.
func (v *view) toTop() {
	v.following, v.placed, v.top = false, false, true
	v.anchor, v.y = position{}, maxAbove
}

// atTop reports whether the first row of all is shown.
func (v *view) atTop() bool { return v.top }

// toEntry brings entry i into the middle.
func (v *view) toEntry(l *look, t *transcript, height, i int) {
	v.prepare(l, t, height)
	v.following, v.placed = false, true
	v.anchor, v.y = position{entry: i}, height/2
	v.hold(v.first(t))
}

// scroll moves the window by so many rows, up if they are negative. At the end it
// begins to follow.
func (v *view) scroll(l *look, t *transcript, height, rows int) {
	v.prepare(l, t, height)
	if len(t.entries) == 0 {
		return
	}
	first, _ := v.walk(t, v.first(t), rows)
	v.following, v.placed = false, false
	v.hold(first)
	v.settle(t)
	v.top = v.first(t) == v.firstOfAll(t)
}

// hold anchors the window where first is its first row.
func (v *view) hold(first position) {
	v.anchor, v.y = first, 0
	if first.row < 0 { // the lines above an entry can go
		v.anchor.row, v.y = 0, -first.row
	}
}

// settle makes a view follow that shows the end and was not placed there.
func (v *view) settle(t *transcript) {
	if v.following || v.placed {
		return
	}
	first, _ := v.walk(t, v.anchor, -v.y)
	if _, left := v.walk(t, first, v.height); left > 0 {
		v.toEnd()
	}
}

// --- drawing ---------------------------------------------------------------------

// draw returns so many rows. Where there are fewer, they stand at the bottom.
func (v *view) draw(l *look, t *transcript, height int) []string {
	v.prepare(l, t, height)
	height = max(height, 0)
	rows := make([]string, 0, height+maxAbove)
	if len(t.entries) == 0 {
		v.toEnd()
		v.top = true
		return rows[:height]
	}
	v.settle(t)
	at := v.first(t)
	v.top = at == v.firstOfAll(t)
	if !v.following {
		v.hold(at)
	}
	for ; at.entry < len(t.entries) && len(rows) < height; at = (position{at.entry + 1, -v.above(t, at.entry+1)}) {
		if at.row < 0 {
			lines := v.lines(t, at.entry)
			rows = append(rows, lines[len(lines)+at.row:]...)
			at.row = 0
		}
		own := v.rows(t, at.entry)[at.row:]
		rows = append(rows, own[:max(min(len(own), height-len(rows)), 0)]...)
	}
	if len(rows) >= height {
		return rows[:height]
	}
	v.toEnd() // all of it is shown
	return append(make([]string, height-len(rows), height), rows...)
}

// prepare makes ready for a window of another size, or rows of another look. An
// entry that fills the window stays about where it was.
func (v *view) prepare(l *look, t *transcript, height int) {
	v.height = max(height, 1)
	if v.look == *l && len(v.drawn) < 1000+2*v.height {
		return
	}
	rows := 0
	if v.anchor.row > 0 && v.anchor.entry < len(t.entries) {
		rows = len(v.rows(t, v.anchor.entry))
	}
	v.look, v.drawn = *l, make(map[uint32]drawnEntry)
	if rows > 0 {
		v.anchor.row = v.anchor.row * len(v.rows(t, v.anchor.entry)) / rows
	}
}

// first returns the position of the first row of the window.
func (v *view) first(t *transcript) position {
	if !v.following {
		v.anchor.entry = min(v.anchor.entry, len(t.entries)-1)
		v.anchor.row = min(v.anchor.row, len(v.rows(t, v.anchor.entry))-1)
		first, _ := v.walk(t, v.anchor, -v.y)
		if _, left := v.walk(t, first, v.height-1); left == 0 {
			return first
		}
	}
	last := len(t.entries) - 1
	first, _ := v.walk(t, position{last, len(v.rows(t, last)) - 1}, 1-v.height)
	return first
}

func (v *view) firstOfAll(t *transcript) position { return position{0, -v.above(t, 0)} }

// walk goes so many rows down, or up if they are negative, as far as there are any.
// It returns how many are left to go.
func (v *view) walk(t *transcript, p position, rows int) (position, int) {
	for rows < 0 {
		first := -v.above(t, p.entry)
		if p.row+rows >= first {
			p.row += rows
			return p, 0
		}
		if rows += p.row - first; p.entry == 0 {
			return position{0, first}, -rows
		}
		p.entry--
		p.row = len(v.rows(t, p.entry))
	}
	for rows > 0 {
		last := len(v.rows(t, p.entry)) - 1
		if p.row+rows <= last {
			p.row += rows
			return p, 0
		}
		rows -= last - p.row
		if p.entry == len(t.entries)-1 {
			return position{p.entry, last}, rows
		}
		p.entry++
		p.row = -v.above(t, p.entry) - 1
	}
	return p, 0
}

// rows returns the rows of entry i itself.
func (v *view) rows(t *transcript, i int) []string {
	e := &t.entries[i]
	if d, ok := v.drawn[e.serial]; ok && d.text == e.text {
		return d.rows
	}
	rows := v.look.rows(e)
	v.drawn[e.serial] = drawnEntry{e.text, rows}
	return rows
}

// maxAbove is how many lines there can be above an entry.
const maxAbove = 2

// above returns how many lines there are above entry i.
func (v *view) above(t *transcript, i int) (n int) {
	if v.beginsDay(t, i) {
		n++
	}
	if i == v.unreadFrom {
		n++
	}
	return n
}

// lines returns the lines above entry i: the day if it is another one than that of
// the entry before, and that what follows is new.
func (v *view) lines(t *transcript, i int) (lines []string) {
	if v.beginsDay(t, i) {
		lines = append(lines, v.look.rule(dayWords(v.local(t, i)), dimStyle))
	}
	if i == v.unreadFrom {
		lines = append(lines, v.look.rule("new", newStyle))
	}
	return lines
}

func (v *view) beginsDay(t *transcript, i int) bool {
	if i >= len(t.entries) {
		return false
	}
	if i == 0 {
		return true
	}
	y, m, d := v.local(t, i).Date()
	beforeY, beforeM, beforeD := v.local(t, i-1).Date()
	return d != beforeD || m != beforeM || y != beforeY
}

func (v *view) local(t *transcript, i int) time.Time { return t.entries[i].time().In(v.look.zone) }

package screen

import "time"

// A view is the window on a transcript. It follows the end, or stays with an entry,
// whatever is added or dropped and however wide the window is. The transcript and how it
// is painted come with each call. Only entries in the window are ever wrapped. It is
// owned by Bubble Tea's event loop.
type view struct {
	following   bool
	anchor      position // unless following: a row of an entry,
	anchorY     int      // and in which row of the window it is; it can be below it
	placed      bool     // by toEntry: it does not follow, even at the end
	newBelow    int      // messages added since it stopped following
	firstUnread int      // the first unread entry; -1: none
	showedTop   bool     // the first row of all was in the window when it was last drawn or moved

	painter painter               // of the rows in drawn
	height  int                   // of the window
	drawn   map[uint32]drawnEntry // by serial
}

// A drawnEntry is an entry's rows, and the text that they show: it changes when others
// are merged into the entry.
type drawnEntry struct {
	text string
	rows []string
}

// A position is a row of an entry: from 0 on its own rows; negative the rules above it,
// which depend on other entries.
type position struct{ entry, row int }

func newView() view { return view{following: true, firstUnread: -1} }

// --- changes of the transcript ---------------------------------------------------------

// entryAdded notes that an entry was added at the end, and whether it is unread.
func (v *view) entryAdded(t *transcript, unread bool) {
	if !v.following && t.entries[len(t.entries)-1].kind.isMessage() {
		v.newBelow++
	}
	if unread && v.firstUnread < 0 {
		v.firstUnread = len(t.entries) - 1
	}
}

// entriesPrepended notes that n entries were added at the start.
func (v *view) entriesPrepended(n int) {
	v.anchor.entry += n
	if v.firstUnread >= 0 {
		v.firstUnread += n
	}
}

// entriesDropped notes that the first n entries were dropped.
func (v *view) entriesDropped(n int) {
	if v.firstUnread >= 0 {
		v.firstUnread = max(v.firstUnread-n, 0)
	}
	if v.anchor.entry -= n; v.anchor.entry < 0 {
		v.anchor, v.anchorY = position{}, 0
	}
}

// clearUnread marks everything as read.
func (v *view) clearUnread() { v.firstUnread = -1 }

// --- moving ----------------------------------------------------------------------------

// toEnd makes the view follow the end.
func (v *view) toEnd() { v.following, v.placed, v.newBelow = true, false, 0 }

// toTop shows the first entry.
func (v *view) toTop() {
	v.following, v.placed, v.showedTop = false, false, true
	v.anchor, v.anchorY = position{}, maxRules
}

// atTop reports whether the first row of all is shown.
func (v *view) atTop() bool { return v.showedTop }

// toEntry shows entry i in the middle.
func (v *view) toEntry(p *painter, t *transcript, height, i int) {
	v.prepare(p, t, height)
	v.following, v.placed = false, true
	v.anchor, v.anchorY = position{entry: i}, height/2
	v.anchorAt(v.first(t))
}

// scroll moves the window down by rows, or up if rows is negative. At the end it starts
// to follow.
func (v *view) scroll(p *painter, t *transcript, height, rows int) {
	v.prepare(p, t, height)
	if len(t.entries) == 0 {
		return
	}
	first, _ := v.walk(t, v.first(t), rows)
	v.following, v.placed = false, false
	v.anchorAt(first)
	v.followAtEnd(t)
	v.showedTop = v.first(t) == v.firstOfAll(t)
}

// anchorAt anchors the window so that first is its first row.
func (v *view) anchorAt(first position) {
	v.anchor, v.anchorY = first, 0
	if first.row < 0 { // rules can disappear
		v.anchor.row, v.anchorY = 0, -first.row
	}
}

// followAtEnd makes a view follow that shows the end and was not placed there.
func (v *view) followAtEnd(t *transcript) {
	if v.following || v.placed {
		return
	}
	first, _ := v.walk(t, v.anchor, -v.anchorY)
	if _, left := v.walk(t, first, v.height); left > 0 {
		v.toEnd()
	}
}

// --- drawing ---------------------------------------------------------------------------

// draw returns exactly height rows. If the transcript has fewer, they are at the bottom.
func (v *view) draw(p *painter, t *transcript, height int) []string {
	v.prepare(p, t, height)
	height = max(height, 0)
	rows := make([]string, 0, height+maxRules)
	if len(t.entries) == 0 {
		v.toEnd()
		v.showedTop = true
		return rows[:height]
	}
	v.followAtEnd(t)
	at := v.first(t)
	v.showedTop = at == v.firstOfAll(t)
	if !v.following {
		v.anchorAt(at)
	}
	for ; at.entry < len(t.entries) && len(rows) < height; at = (position{at.entry + 1, -v.ruleCount(t, at.entry+1)}) {
		if at.row < 0 {
			rules := v.rules(t, at.entry)
			rows = append(rows, rules[len(rules)+at.row:]...)
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

// prepare adapts the view to a window of another size, or to another painter. An entry
// that fills the window stays about where it was.
func (v *view) prepare(p *painter, t *transcript, height int) {
	v.height = max(height, 1)
	if v.painter == *p && len(v.drawn) < 1000+2*v.height {
		return
	}
	rows := 0
	if v.anchor.row > 0 && v.anchor.entry < len(t.entries) {
		rows = len(v.rows(t, v.anchor.entry))
	}
	v.painter, v.drawn = *p, make(map[uint32]drawnEntry)
	if rows > 0 {
		v.anchor.row = v.anchor.row * len(v.rows(t, v.anchor.entry)) / rows
	}
}

// first returns the position of the first row of the window.
func (v *view) first(t *transcript) position {
	if !v.following {
		v.anchor.entry = min(v.anchor.entry, len(t.entries)-1)
		v.anchor.row = min(v.anchor.row, len(v.rows(t, v.anchor.entry))-1)
		first, _ := v.walk(t, v.anchor, -v.anchorY)
		if _, left := v.walk(t, first, v.height-1); left == 0 {
			return first
		}
	}
	last := len(t.entries) - 1
	first, _ := v.walk(t, position{last, len(v.rows(t, last)) - 1}, 1-v.height)
	return first
}

func (v *view) firstOfAll(t *transcript) position { return position{0, -v.ruleCount(t, 0)} }

// walk goes down by rows, or up if rows is negative, but not beyond the first or last row.
// It returns how many are left to go.
func (v *view) walk(t *transcript, p position, rows int) (position, int) {
	for rows < 0 {
		first := -v.ruleCount(t, p.entry)
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
		p.row = -v.ruleCount(t, p.entry) - 1
	}
	return p, 0
}

// rows returns the rows of entry i itself.
func (v *view) rows(t *transcript, i int) []string {
	e := &t.entries[i]
	if d, ok := v.drawn[e.serial]; ok && d.text == e.text {
		return d.rows
	}
	rows := v.painter.rows(e)
	v.drawn[e.serial] = drawnEntry{e.text, rows}
	return rows
}

// maxRules is how many rules there can be above an entry.
const maxRules = 2

// ruleCount returns how many rules are above entry i.
func (v *view) ruleCount(t *transcript, i int) (n int) {
	if v.beginsDay(t, i) {
		n++
	}
	if i == v.firstUnread {
		n++
	}
	return n
}

// rules returns the rules above entry i: its day, if the entry before is of another one,
// and "new" above the first unread entry.
func (v *view) rules(t *transcript, i int) (rules []string) {
	if v.beginsDay(t, i) {
		rules = append(rules, v.painter.rule(v.local(t, i).Format("Monday, 2 January 2006"), dimStyle))
	}
	if i == v.firstUnread {
		rules = append(rules, v.painter.rule("new", newStyle))
	}
	return rules
}

// beginsDay reports whether entry i is the first of its day.
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

func (v *view) local(t *transcript, i int) time.Time { return t.entries[i].time().In(v.painter.zone) }

package screen

// A view is the window on a transcript. It follows the end, or stays with an entry,
// whatever is added or dropped and however wide the window is. The transcript and how it
// is painted come with each call. Only entries in the window are ever wrapped: their bodies
// are kept, and the heads beside them drawn each time, as they depend on what is above. It
// is owned by Bubble Tea's event loop.
type view struct {
	following     bool
	anchor        position // unless following: a row of an entry,
	anchorY       int      // and in which row of the window it is; it can be below it
	placed        bool     // by toEntry or hold: it does not follow, even at the end
	held          bool     // by hold, and not moved since
	heldAt        int      // how many entries are shown while it is held, as they do not fill the window; 0: all
	newBelow      int      // messages added since it stopped following
	mentionsBelow int      // those of them that mention us
	firstUnread   int      // the first unread entry; -1: none
	showedTop     bool     // the first row of all was in the window when it was last drawn or moved

	painter painter               // of the bodies in drawn
	height  int                   // of the window
	drawn   map[uint32]drawnEntry // by serial
}

// A drawnEntry is the rows of an entry's text, and that text: it changes when others are
// merged into the entry.
type drawnEntry struct {
	text string
	body []string
}

// A position is a row of an entry: from 0 on the rows of its text; negative the rows above
// it, which depend on other entries.
type position struct{ entry, row int }

func newView() view { return view{following: true, firstUnread: -1} }

// --- changes of the transcript ---------------------------------------------------------

// entryAdded notes that an entry was added at the end, and whether it is unread.
func (v *view) entryAdded(t *transcript, unread bool) {
	if e := &t.entries[len(t.entries)-1]; !v.following && e.kind.isMessage() {
		v.newBelow++
		if e.highlight {
			v.mentionsBelow++
		}
	}
	if unread && v.firstUnread < 0 {
		v.firstUnread = len(t.entries) - 1
	}
}

// entriesPrepended notes that n entries were added at the start.
func (v *view) entriesPrepended(n int) {
	v.anchor.entry += n
	if v.heldAt > 0 {
		v.heldAt += n
	}
	if v.firstUnread >= 0 {
		v.firstUnread += n
	}
}

// entriesDropped notes that the first n entries were dropped.
func (v *view) entriesDropped(n int) {
	if v.firstUnread >= 0 {
		v.firstUnread = max(v.firstUnread-n, 0)
	}
	v.heldAt = max(v.heldAt-n, 0)
	if v.anchor.entry -= n; v.anchor.entry < 0 {
		v.anchor, v.anchorY = position{}, 0
	}
}

// clearUnread marks everything as read.
func (v *view) clearUnread() { v.firstUnread = -1 }

// --- moving ----------------------------------------------------------------------------

// toEnd makes the view follow the end.
func (v *view) toEnd() {
	v.following, v.placed, v.held, v.newBelow, v.mentionsBelow = true, false, false, 0, 0
}

// hold stops a view from following the end, and leaves any other as it is.
func (v *view) hold(p *painter, t *transcript, height int) {
	v.prepare(p, t, height)
	if v.following && len(t.entries) > 0 {
		first := v.first(t)
		v.following, v.placed, v.held, v.heldAt = false, true, true, 0
		v.anchorAt(first)
		if _, left := v.walk(t, first, v.height-1); left > 0 {
			v.heldAt = len(t.entries)
		}
	}
}

// shown returns the part of a transcript that the view shows.
func (v *view) shown(t *transcript) *transcript {
	if v.held && v.heldAt > 0 {
		return &transcript{entries: t.entries[:min(v.heldAt, len(t.entries))]}
	}
	return t
}

// toTop shows the first entry.
func (v *view) toTop() {
	v.following, v.placed, v.held, v.showedTop = false, false, false, true
	v.anchor, v.anchorY = position{}, maxAbove
}

// atTop reports whether the first row of all is shown.
func (v *view) atTop() bool { return v.showedTop }

// toEntry shows entry i in the middle.
func (v *view) toEntry(p *painter, t *transcript, height, i int) {
	v.prepare(p, t, height)
	v.following, v.placed, v.held = false, true, false
	v.anchor, v.anchorY = position{entry: i}, height/2
	v.anchorAt(v.first(t))
}

// release lets a view that was placed at an entry follow the end, if it shows the end.
func (v *view) release(t *transcript) {
	v.placed = false
	v.followAtEnd(t)
}

// A viewMark is where a view was, whatever is added or dropped since.
type viewMark struct {
	following, placed, held bool
	serial                  uint32 // of the entry of the anchor
	row, y                  int    // of the anchor
}

// mark returns where the view is.
func (v *view) mark(t *transcript) viewMark {
	m := viewMark{following: v.following, placed: v.placed, held: v.held, row: v.anchor.row, y: v.anchorY}
	if v.anchor.entry < len(t.entries) {
		m.serial = t.entries[v.anchor.entry].serial
	}
	return m
}

// toMark goes back to m. If its entry was dropped, that is the top.
func (v *view) toMark(t *transcript, m viewMark) {
	if m.following {
		v.toEnd()
		return
	}
	v.following, v.placed, v.held, v.anchor, v.anchorY = false, m.placed, m.held, position{}, 0
	for i := range t.entries {
		if t.entries[i].serial == m.serial {
			v.anchor, v.anchorY = position{i, m.row}, m.y
			return
		}
	}
}

// scroll moves the window down by rows, or up if rows is negative. At the end it starts
// to follow.
func (v *view) scroll(p *painter, t *transcript, height, rows int) {
	v.prepare(p, t, height)
	if len(t.entries) == 0 {
		return
	}
	first, _ := v.walk(t, v.first(t), rows)
	v.following, v.placed, v.held = false, false, false
	v.anchorAt(first)
	v.followAtEnd(t)
	v.showedTop = v.first(t) == v.firstOfAll(t)
}

// anchorAt anchors the window so that first is its first row.
func (v *view) anchorAt(first position) {
	v.anchor, v.anchorY = first, 0
	if first.row < 0 { // rows above an entry can disappear
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
	t = v.shown(t)
	height = max(height, 0)
	rows := make([]string, 0, height+maxAbove)
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
	for ; at.entry < len(t.entries) && len(rows) < height; at = (position{at.entry + 1, -v.above(t, at.entry+1).count()}) {
		rows = v.drawEntry(t, at, rows, height)
	}
	if len(rows) >= height {
		return rows[:height]
	}
	if !v.held {
		v.toEnd() // all of it is shown
	}
	return append(make([]string, height-len(rows), height), rows...)
}

// drawEntry appends an entry's rows from at on, until there are height rows.
func (v *view) drawEntry(t *transcript, at position, rows []string, height int) []string {
	p, e, s := &v.painter, &t.entries[at.entry], v.setting(t, at.entry)
	if at.row < 0 {
		above := v.above(t, at.entry).draw(p, e, &s)
		rows = append(rows, above[len(above)+at.row:]...)
		at.row = 0
	}
	body := v.body(t, at.entry)
	for n := at.row; n < len(body) && len(rows) < height; n++ {
		s.top = len(rows) == 0
		rows = append(rows, p.row(e, &s, n, body[n]))
	}
	return rows
}

// drawPending draws messages that the host has not acknowledged, which follow the end of
// the transcript, in at most so many rows: the last ones.
func (v *view) drawPending(p *painter, t *transcript, pending []*entry, most int) (rows []string) {
	for i := len(pending) - 1; i >= 0 && len(rows) < most; i-- {
		e, s := pending[i], setting{pending: true}
		if i > 0 {
			s.before = pending[i-1]
		} else if n := len(t.entries); n > 0 {
			s.before = &t.entries[n-1]
		}
		var of []string
		body := p.body(e)
		skipped := max(len(rows)+len(body)-most, 0)
		if skipped == 0 && p.hasNickRow(e, &s) && len(rows)+len(body) < most {
			of = append(of, p.nickRow(e, &s))
		}
		for n := skipped; n < len(body); n++ {
			s.top = n == skipped && len(rows)+len(body)-skipped == most
			of = append(of, p.row(e, &s, n, dimmed(body[n], p.theme.Dim)))
		}
		rows = append(of, rows...)
	}
	return rows
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
		rows = len(v.body(t, v.anchor.entry))
	}
	v.painter, v.drawn = *p, make(map[uint32]drawnEntry)
	if rows > 0 {
		v.anchor.row = v.anchor.row * len(v.body(t, v.anchor.entry)) / rows
	}
}

// first returns the position of the first row of the window.
func (v *view) first(t *transcript) position {
	if !v.following {
		v.anchor.entry = min(v.anchor.entry, len(t.entries)-1)
		v.anchor.row = min(v.anchor.row, len(v.body(t, v.anchor.entry))-1)
		first, _ := v.walk(t, v.anchor, -v.anchorY)
		if _, left := v.walk(t, first, v.height-1); left == 0 {
			return first
		}
	}
	last := len(t.entries) - 1
	first, _ := v.walk(t, position{last, len(v.body(t, last)) - 1}, 1-v.height)
	return first
}

func (v *view) firstOfAll(t *transcript) position { return position{0, -v.above(t, 0).count()} }

// walk goes down by rows, or up if rows is negative, but not beyond the first or last row.
// It returns how many are left to go.
func (v *view) walk(t *transcript, p position, rows int) (position, int) {
	for rows < 0 {
		first := -v.above(t, p.entry).count()
		if p.row+rows >= first {
			p.row += rows
			return p, 0
		}
		if rows += p.row - first; p.entry == 0 {
			return position{0, first}, -rows
		}
		p.entry--
		p.row = len(v.body(t, p.entry))
	}
	for rows > 0 {
		last := len(v.body(t, p.entry)) - 1
		if p.row+rows <= last {
			p.row += rows
			return p, 0
		}
		rows -= last - p.row
		if p.entry == len(t.entries)-1 {
			return position{p.entry, last}, rows
		}
		p.entry++
		p.row = -v.above(t, p.entry).count() - 1
	}
	return p, 0
}

// body returns the rows of entry i's text.
func (v *view) body(t *transcript, i int) []string {
	e := &t.entries[i]
	if d, ok := v.drawn[e.serial]; ok && d.text == e.text {
		return d.body
	}
	body := v.painter.body(e)
	v.drawn[e.serial] = drawnEntry{e.text, body}
	return body
}

// --- rows above an entry ------------------------------------------------------------

// maxAbove is how many rows there can be above an entry: its day or time, "new" and its
// nick.
const maxAbove = 3

// clockWithin is how long after the entry before, in milliseconds, an entry has no time
// above it.
const clockWithin = 10 * 60 * 1000

// above is which rows are above an entry.
type above struct{ day, clock, unread, nick bool }

func (a above) count() (n int) {
	for _, is := range [...]bool{a.day, a.clock, a.unread, a.nick} {
		if is {
			n++
		}
	}
	return n
}

// apart reports whether there is a line between the entry and the one before.
func (a above) apart() bool { return a.day || a.clock || a.unread }

func (a above) draw(p *painter, e *entry, s *setting) (rows []string) {
	if a.day {
		rows = append(rows, p.dayLine(e))
	}
	if a.clock {
		rows = append(rows, p.clockRow(e))
	}
	if a.unread {
		rows = append(rows, p.newLine())
	}
	if a.nick {
		rows = append(rows, p.nickRow(e, s))
	}
	return rows
}

// above returns which rows are above entry i: its day, if the entry before is of another
// one; where times have no column, its time; "new" if it is the first unread entry; and
// where nicks have no column, its nick.
func (v *view) above(t *transcript, i int) (a above) {
	if i >= len(t.entries) {
		return a
	}
	p, e := &v.painter, &t.entries[i]
	var before *entry
	if i > 0 {
		before = &t.entries[i-1]
	}
	a.day = before == nil || !sameDay(before, e, p.zone)
	a.clock = !a.day && e.at-before.at >= clockWithin && !p.copying && p.layout().clock == 0
	a.unread = i == v.firstUnread
	a.nick = p.hasNickRow(e, &setting{before: before, apart: a.apart()})
	return a
}

// setting returns the surroundings of entry i.
func (v *view) setting(t *transcript, i int) (s setting) {
	if i > 0 {
		s.before = &t.entries[i-1]
	}
	s.apart = v.above(t, i).apart()
	return s
}

package screen

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"chat/relay/screen/theme"
	"chat/relay/seal"
	"chat/relay/wire"
)

const (
	lobbyColumns = 64 // of the list at most; it is in the middle of a wider terminal
	ruleFrom     = 12 // rows that a terminal needs to show the rule above the field

	maxAboveLobby = 6 // blank rows above the title

	placeholderAddress = "host, host:port or a link"
)

// draw draws the lobby: a title, the last error, the rooms and what else can be chosen, what a search
// that found nothing has to say, and at the bottom the field and the keys. On a small terminal the
// blank rows go first, then the end of the error and of the explanation, then the rows far from the
// current one.
func (l *lobby) draw(m *model) (rows []string, cursor *tea.Cursor) {
	t := &m.terminal
	if l.stage == joining {
		return l.drawJoining(m), nil
	}
	v := lobbyView{lobby: l, t: t, opts: &m.opts, columns: min(t.width, lobbyColumns)}
	if t.width > lobbyColumns/2 {
		v.columns = min(t.width-2, lobbyColumns)
	}
	bottom, column := v.drawField()
	cursor = tea.NewCursor(column, max(t.height-1, 0))
	if hints := drawHints(t.ruler, t.theme, v.hints(), t.width); t.height > 2 {
		bottom = append(bottom, hints)
		cursor.Y--
	}
	if t.height >= ruleFrom {
		bottom = append([]string{t.theme.Hairline.Draw(strings.Repeat("─", t.width))}, bottom...)
	}
	rows = v.drawList(t.height - len(bottom))
	for len(rows) < t.height-len(bottom) {
		rows = append(rows, "")
	}
	return append(rows, bottom...), cursor
}

// drawJoining draws the lobby while a room is joined or opened.
func (l *lobby) drawJoining(m *model) []string {
	t := &m.terminal
	name := cmp.Or(l.target.Title, l.target.Addr, "a room")
	doing, keys := "Joining "+name+"…", []hint{{nil, "Ctrl-C", "leave"}}
	if l.hosting {
		doing = "Opening " + name + "…"
	}
	switch {
	case l.canceled:
		doing, keys = "Canceling…", nil
	case m.opts.Find != nil:
		keys = []hint{{nil, "Esc", "back"}}
	}
	v := lobbyView{lobby: l, t: t, opts: &m.opts, columns: min(t.width, lobbyColumns)}
	rows := v.place([]string{v.heading(doing), v.hairline()}, t.height-1)
	for len(rows) < t.height-1 {
		rows = append(rows, "")
	}
	return append(rows, drawHints(t.ruler, t.theme, keys, t.width))
}

// A lobbyView draws a lobby on a terminal.
type lobbyView struct {
	*lobby
	t       *terminal
	opts    *Options
	columns int // of the list
}

// drawList draws all but the bottom rows, in at most so many rows.
func (v *lobbyView) drawList(most int) []string {
	head := []string{v.heading(v.summary()), v.hairline()}
	note := v.drawNote()
	below := v.drawBelow()
	items := v.items(v.opts)
	gaps := true
	fits := func() bool {
		n := len(head) + len(note) + len(items) + len(below)
		if gaps {
			n += v.gapsBetween(note, below)
		}
		return n <= most
	}
	if !fits() {
		gaps = false
	}
	if !fits() && most < ruleFrom {
		head = head[:1]
	}
	// These rows of the list matter more than the end of the explanation and of the error.
	list := min(len(items), max(most-1-min(len(note), 2), 3))
	below = below[:max(min(len(below), most-len(head)-len(note)-list), 0)]
	if most < len(head)+min(len(note), 2)+min(len(items), 3) {
		head = nil
	}
	note = note[:max(min(len(note), most-len(head)-min(list, 3)), 0)]
	left := max(most-len(head)-len(note)-len(below), 0)

	rows := head
	add := func(part []string) {
		if len(rows) > 0 && len(part) > 0 && gaps {
			rows = append(rows, "")
		}
		rows = append(rows, part...)
	}
	add(note)
	add(v.drawItems(items, left, gaps))
	add(below)
	return v.place(rows, most)
}

// gapsBetween returns how many blank rows there are between the parts of the list.
func (v *lobbyView) gapsBetween(note, below []string) int {
	return 1 + min(len(note), 1) + min(len(below), 1) + min(len(v.places), 1)
}

// place puts drawn rows into the middle of the terminal, a sixth down if it is not small. The title stays in its row when rooms
// are found and when a search ends, unless the list needs the rows above it.
func (v *lobbyView) place(rows []string, most int) []string {
	margin := strings.Repeat(" ", max(v.t.width-v.columns, 0)/2)
	above := 0
	if most >= ruleFrom {
		above = min(max(most-len(rows), 0), most/6, maxAboveLobby)
	}
	placed := make([]string, above, most+1)
	for _, row := range rows {
		if row != "" {
			row = margin + row
		}
		placed = append(placed, row)
	}
	return placed
}

func (v *lobbyView) heading(words string) string {
	const name = "chat"
	if v.columns < len(name)+4 {
		return theme.Bold.Draw(v.t.ruler.cut(name, v.columns))
	}
	words = v.t.ruler.elide(oneLine(v.t.ruler, words), v.columns-len(name)-2)
	return theme.Bold.Draw(name) + "  " + v.t.theme.Dim.Draw(words)
}

func (v *lobbyView) hairline() string {
	return v.t.theme.Hairline.Draw(strings.Repeat("─", v.columns))
}

// summary returns the result of the search in a few words.
func (v *lobbyView) summary() string {
	n := len(v.places)
	found := wire.Counted(n, "room", "rooms") + " on this network"
	switch matching := len(v.matching()); {
	case n == 0 && v.looking:
		return "Looking for rooms on this network…"
	case n == 0 && v.nothing != nil:
		return v.nothing.What
	case n == 0:
		return "No room found"
	case n == 1 && v.waiting && !v.touched:
		return found + ", joining it…"
	case v.typed() != "" && v.number() < 0 && matching > 0 && matching < n:
		return fmt.Sprintf("%d of %d rooms match", matching, n)
	case v.looking:
		return found + " so far…"
	}
	return found
}

// drawNote draws the last error or warning, with its hint.
func (v *lobbyView) drawNote() (rows []string) {
	if v.note == "" {
		return nil
	}
	s := v.t.theme.Red
	for line := range strings.SplitSeq(v.note, "\n") {
		rows = append(rows, v.wrapped(line, s)...)
		s = v.t.theme.Dim
	}
	return rows
}

func (v *lobbyView) wrapped(text string, s theme.Style) []string {
	return drawWrapped(v.t.ruler, v.t.ruler.show(text), v.columns, s)
}

// drawBelow draws what there is to say about the list.
func (v *lobbyView) drawBelow() (rows []string) {
	for _, p := range v.places {
		if p.Contested {
			return v.wrapped("Several hosts claim to have a disputed room; only one of them is real. Ask its host for the address.", v.t.theme.Amber)
		}
	}
	if v.nothing == nil {
		return nil
	}
	rows = v.wrapped("Not seeing a room that is there?", v.t.theme.Dim)
	return append(rows, v.wrapped(v.nothing.Looked, v.t.theme.Dim)...)
}

// drawItems draws at most the given number of rows of items, with the current one. If some are not
// visible, the first or the last row says how many. With gaps, a blank row is above those that are
// not rooms.
func (v *lobbyView) drawItems(items []item, most int, gaps bool) (rows []string) {
	current, at := v.current(v.opts), 0
	for i, it := range items {
		if it == current {
			at = i
		}
	}
	first, last := 0, len(items)
	if most < len(items) {
		first = min(max(at-most/2, 0), len(items)-most)
		last = first + most
	}
	layout := v.columnsOfPlaces()
	for n := first; n < last; n++ {
		it := items[n]
		if gaps && n > 0 && items[n-1].kind == placeItem && it.kind != placeItem {
			rows = append(rows, "")
		}
		switch {
		case it == current:
			rows = append(rows, v.drawItem(layout, it, true))
		case n == first && first > 0 && most > 2:
			rows = append(rows, v.t.theme.Dim.Draw(v.t.ruler.cut(fmt.Sprintf("  ↑ %d more", first+1), v.columns)))
		case n == last-1 && last < len(items) && most > 2:
			rows = append(rows, v.t.theme.Dim.Draw(v.t.ruler.cut(fmt.Sprintf("  ↓ %d more", len(items)-n), v.columns)))
		default:
			rows = append(rows, v.drawItem(layout, it, false))
		}
	}
	return rows
}

// placeLayout is how wide the parts of places are.
type placeLayout struct{ digits, title, addr int }

const (
	leastTitle = 8
	itemMargin = 2 // columns left of an item: the bar, and a space
)

func (v *lobbyView) columnsOfPlaces() placeLayout {
	r, l := v.t.ruler, placeLayout{digits: len(strconv.Itoa(len(v.places)))}
	right, contested := 0, false
	for _, p := range v.places {
		l.title = max(l.title, r.width(oneLine(r, p.Title)))
		l.addr = max(l.addr, r.width(oneLine(r, p.Addr)))
		right = max(right, r.width(countOf(p)))
		contested = contested || p.Contested
	}
	room := v.columns - itemMargin - l.digits - 1 - 2 - right - 1
	l.addr = min(l.addr, 30)
	switch {
	case l.title+2+l.addr <= room:
	case contested: // they differ in the address
		l.title = max(room-2-l.addr, leastTitle)
		l.addr = max(room-2-l.title, 0)
	default:
		l.title, l.addr = min(l.title, max(room, leastTitle)), 0
		if l.title+2+leastTitle*2 <= room {
			l.addr = room - l.title - 2
		}
	}
	return l
}

// countOf returns the last column of a place.
func countOf(p Place) string {
	switch {
	case p.Contested:
		return "disputed"
	case p.Sealed: // only members know how many there are
		return "sealed"
	}
	return fmt.Sprintf("%d here", p.Members)
}

// drawItem draws one row that can be chosen.
func (v *lobbyView) drawItem(layout placeLayout, it item, chosen bool) string {
	r, t := v.t.ruler, v.t.theme
	mark, name, about, right := "", "", "", ""
	aboutStyle, rightStyle := t.Dim, t.Dim
	switch it.kind {
	case placeItem:
		for i, p := range v.places {
			if p.key() == it.place {
				mark = fmt.Sprintf("%*d ", layout.digits, i+1)
				name, about, right = r.fit(oneLine(r, p.Title), layout.title), r.fit(oneLine(r, p.Addr), layout.addr), countOf(p)
				switch {
				case p.Contested:
					rightStyle = t.Amber
				case p.Sealed:
					rightStyle = t.Green
				}
			}
		}
	case hostItem:
		name, about = "Host a room here", v.hostedAs()
		if len(v.places) == 0 && !v.looking {
			name, right = "Host one here", "Enter"
		}
		mark = fmt.Sprintf("%*s ", layout.digits, "+")
	case againItem:
		mark, name, right = fmt.Sprintf("%*s ", layout.digits, "↻"), "Look again", "Ctrl-R"
	case addressItem:
		mark, name, about = fmt.Sprintf("%*s ", layout.digits, "@"), "Address", cmp.Or(withoutSecret(v.typed()), placeholderAddress)
	}
	if it.kind != placeItem && (!chosen || it.kind == againItem) && right == "Enter" {
		right = ""
	}
	if about != "" {
		about = "  " + about
	}
	room := max(v.columns-itemMargin-1, 0)
	head := r.cut(mark+name, room)
	tail := right
	if r.width(head)+1+r.width(tail) > room {
		tail = ""
	}
	about = strings.TrimRight(r.fit(oneLine(r, about), max(room-r.width(head)-r.width(tail)-1, 0)), " ")
	gap := strings.Repeat(" ", max(room-r.width(head)-r.width(about)-r.width(tail), 0))
	if chosen {
		return t.Selected.With(t.Accent).Draw(t.Bar()) + t.Selected.Draw(" ") + t.Selected.With(theme.Bold).Draw(head) + t.Selected.Draw(about+gap+tail+" ")
	}
	shown := min(len(mark), len(head))
	return "  " + t.Dim.Draw(head[:shown]) + head[shown:] + aboutStyle.Draw(about) + gap + rightStyle.Draw(tail)
}

// hostedAs returns the title of the room that hosting opens, after "as"; "": not known.
func (v *lobbyView) hostedAs() string {
	if title := cmp.Or(v.titleToHost(), v.opts.HostTitle); title != "" {
		return "as " + title
	}
	return ""
}

// drawField draws the field, and returns the column of its cursor.
func (v *lobbyView) drawField() (rows []string, column int) {
	r, t := v.t.ruler, v.t.theme
	label := " join "
	if v.t.width < lobbyColumns/2 {
		label = " "
	}
	indent := r.width(label) + 2
	shown := v.address
	shown.text = withoutSecret(shown.text)
	field, row, column := shown.rows(max(v.t.width-indent-1, 4))
	text := field[row].text
	if v.address.text == "" {
		text = t.Dim.Draw(r.cut(v.placeholder(), max(v.t.width-indent-1, 0)))
	}
	return []string{theme.Bold.Draw(label) + t.Accent.Draw("›") + " " + text}, min(indent+column, v.t.width-1)
}

// withoutSecret returns a text with as many dots in place of what follows the "#" of an invite.
func withoutSecret(text string) string {
	if !seal.LooksLikeInvite(text) {
		return text
	}
	link, secret, _ := strings.Cut(text, "#")
	return link + "#" + strings.Repeat("*", len(secret))
}

// placeholder says what can be typed.
func (v *lobbyView) placeholder() string {
	if len(v.places) > 1 {
		return "Part of a name, a number or an address"
	}
	return "Address: " + placeholderAddress
}

// hints returns the items of the keys row, the most important ones first, and how to leave last.
func (v *lobbyView) hints() (hints []hint) {
	switch current := v.current(v.opts); {
	case current.kind == hostItem:
		hints = append(hints, hint{nil, "Enter", "host"})
	case current.kind == againItem:
		hints = append(hints, hint{nil, "Enter", "look again"})
	case current.kind == placeItem, current.kind == addressItem && v.typed() != "":
		hints = append(hints, hint{nil, "Enter", "join"})
	}
	switch n := len(v.places); {
	case n > 1:
		hints = append(hints, hint{nil, "↑↓ 1-" + strconv.Itoa(n), "choose"})
	default:
		hints = append(hints, hint{nil, "↑↓", "choose"})
	}
	leave := hint{nil, "Esc", "leave"}
	switch {
	case v.typed() != "":
		leave = hint{nil, "Esc", "clear"}
	case v.opts.Find != nil:
		hints = append(hints, hint{nil, "Ctrl-R", "look again"})
	}
	return append(hints, leave)
}

package screen

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/wire"
)

// A lobby is the screen before a room is joined: it searches for rooms, lets the person
// choose one or type an address, and joins it. It is owned by Bubble Tea's event loop.
type lobby struct {
	stage   stage
	places  []Place
	cursor  int    // the selected one of shown(); after the last: the address field
	note    string // the last error or warning; "": none
	address editor // an address, the number of a place, or a part of titles

	listening bool // a search runs although none was found at first: announcements come once a minute

	// While joining.
	target   Place
	cancel   context.CancelFunc
	canceled bool // cancel was called
}

// A stage is the activity of a lobby.
type stage int

const (
	searching stage = iota // for rooms
	choosing               // one of several, or an address
	joining                // one
)

const (
	// maxAddr is how long an address may be, in bytes: a host name (RFC 1035, section
	// 2.3.4) and a port.
	maxAddr = 262

	// maxNote is how many bytes of an error are kept: it is wrapped for each frame.
	maxNote = 4 << 10

	// listenAtLeast is the shortest time between the starts of two searches in the background.
	listenAtLeast = 5 * time.Second
)

func newLobby(r ruler) lobby { return lobby{address: editor{ruler: r, limit: maxAddr}} }

// roomsFound is the result of a search; late, of one in the background.
type roomsFound struct {
	places []Place
	err    error
	late   bool
}

// roomJoined says that a room was joined, joinFailed that it was not.
type (
	roomJoined struct {
		room  Room
		place Place
	}
	joinFailed struct{ err error }
)

// open joins the room that was asked for, or searches for rooms.
func (l *lobby) open(m *model) tea.Cmd {
	switch {
	case m.opts.Place != nil:
		return l.join(m, *m.opts.Place)
	case m.opts.Find == nil:
		l.stage = choosing
		return nil
	}
	l.stage, l.note = searching, ""
	return func() tea.Msg {
		places, err := m.opts.Find(m.ctx)
		return roomsFound{places, err, false}
	}
}

// listen continues to search in the background while the list is empty.
func (l *lobby) listen(m *model) tea.Cmd {
	if l.listening || l.stage != choosing || len(l.places) > 0 || m.opts.Find == nil || m.ctx.Err() != nil {
		return nil
	}
	l.listening = true
	return func() tea.Msg {
		began := time.Now()
		places, err := m.opts.Find(m.ctx)
		if err != nil || len(places) == 0 { // one that fails at once is not repeated without end
			select {
			case <-time.After(time.Until(began.Add(listenAtLeast))):
			case <-m.ctx.Done():
			}
		}
		return roomsFound{places, err, true}
	}
}

func (l *lobby) join(m *model, p Place) tea.Cmd {
	l.stage, l.target, l.note, l.canceled = joining, p, "", false
	var ctx context.Context
	ctx, l.cancel = context.WithCancel(m.ctx)
	return m.join(ctx, p)
}

// join returns a command that joins the room at p.
func (m *model) join(ctx context.Context, p Place) tea.Cmd {
	return func() tea.Msg {
		room, err := m.opts.Join(ctx, p)
		if err != nil {
			return joinFailed{err}
		}
		return roomJoined{room, p}
	}
}

func (l *lobby) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case roomsFound:
		if msg.late {
			l.addLate(msg)
			return l.listen(m)
		}
		l.places, l.stage, l.cursor = msg.places, choosing, 0
		if msg.err != nil {
			l.note = cutBytes(msg.err.Error(), maxNote)
		}
		if len(l.places) == 1 && msg.err == nil {
			return l.join(m, l.places[0])
		}
		return l.listen(m)
	case joinFailed:
		l.cancel()
		if m.opts.Find == nil || m.ctx.Err() != nil { // no other room to choose
			m.err = msg.err
			return m.quit()
		}
		if l.stage = choosing; !l.canceled {
			l.note = cutBytes(msg.err.Error(), maxNote)
		}
		return l.listen(m)
	case tea.KeyPressMsg:
		return l.key(m, msg)
	case tea.PasteMsg:
		if l.stage == choosing {
			line, _, _ := strings.Cut(strings.TrimSpace(msg.Content), "\n")
			l.address.insert(strings.TrimSpace(line))
			l.cursor = len(l.shown())
		}
	}
	return nil
}

// addLate lists the rooms that a search in the background found. Typed text stays selected.
func (l *lobby) addLate(found roomsFound) {
	if l.listening = false; l.stage != choosing || len(l.places) > 0 || len(found.places) == 0 || found.err != nil {
		return
	}
	if l.places, l.cursor, l.note = found.places, 0, ""; l.typed() != "" {
		l.cursor = len(l.shown())
	}
}

// number returns the index of the place whose number is in the address field; -1: none.
func (l *lobby) number() int {
	if n, err := strconv.Atoi(l.typed()); err == nil && n >= 1 && n <= len(l.places) {
		return n - 1
	}
	return -1
}

// shown returns the indices of the listed places: those whose titles have the text in the address
// field. If there are none, it is an address, and all are listed.
func (l *lobby) shown() []int {
	all, matching := make([]int, len(l.places)), []int(nil)
	part := strings.ToLower(l.typed())
	for i, p := range l.places {
		if all[i] = i; strings.Contains(strings.ToLower(p.Title), part) {
			matching = append(matching, i)
		}
	}
	if len(matching) == 0 || l.number() >= 0 {
		return all
	}
	return matching
}

// inField reports whether the address field is selected.
func (l *lobby) inField() bool { return l.cursor >= len(l.shown()) }

// selected returns the index of the place under the cursor, or of the one whose number is in
// the address field, or of the first whose title has its text; -1: none.
func (l *lobby) selected() int {
	shown := l.shown()
	switch {
	case l.cursor < len(shown):
		return shown[l.cursor]
	case l.number() >= 0:
		return l.number()
	case len(shown) > 0 && l.typed() != "" && strings.Contains(strings.ToLower(l.places[shown[0]].Title), strings.ToLower(l.typed())):
		return shown[0]
	}
	return -1
}

// typed returns the text of the address field.
func (l *lobby) typed() string { return strings.TrimSpace(l.address.text) }

// key handles a key.
func (l *lobby) key(m *model, msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	switch name {
	case "ctrl+c", "ctrl+d", "esc":
		switch {
		case l.stage == joining && !l.canceled && m.opts.Find != nil:
			// The list comes back when Join returns. If Join succeeded just now, the room opens.
			l.canceled = true
			l.cancel()
			return nil
		case name != "ctrl+d" || l.address.text == "":
			m.err = context.Canceled
			return m.quit()
		}
	}
	if l.stage != choosing {
		return nil
	}
	selected := l.selected()
	switch {
	case name == "up" || name == "shift+tab" || name == "ctrl+p":
		l.cursor = max(l.cursor-1, 0)
	case name == "down" || name == "tab" || name == "ctrl+n":
		l.cursor = min(l.cursor+1, len(l.shown()))
	case name == "enter" && selected >= 0:
		return l.join(m, l.places[selected])
	case name == "enter" && l.typed() != "":
		return l.join(m, Place{Addr: l.typed()})
	case name == "enter", name == "ctrl+r", name == "r" && !l.inField():
		if m.opts.Find != nil {
			return l.open(m)
		}
	case strings.HasSuffix(name, "+enter") || name == "ctrl+j": // an address is one line
	case l.address.key(name):
		l.cursor = len(l.shown())
	case msg.Text != "":
		l.address.insert(msg.Text)
		l.cursor = len(l.shown())
	}
	return nil
}

// draw draws the lobby: the note, the rooms, the address field, and a row of key hints.
// On a small screen the blank rows go first, then the end of the note, then the rooms
// far from the selected one. canSearch says that there are rooms to search for.
func (l *lobby) draw(t *terminal, canSearch bool) (rows []string, cursor *tea.Cursor) {
	if l.stage != choosing {
		return l.drawProgress(t, canSearch), nil
	}
	head, note, rooms, keys := []string{lobbyTitle(t)}, l.drawNote(t), []string(nil), l.drawKeys(t, canSearch)
	address, column := l.drawAddress(t)
	if len(l.places) > 0 {
		heading := wire.Counted(len(l.places), "room is", "rooms are") + " on this network. Which one?"
		if n := len(l.shown()); n < len(l.places) {
			heading = fmt.Sprintf("%d of %d rooms match. Which one?", n, len(l.places))
		}
		rooms = append(rooms, t.ruler.cut(heading, t.width))
	}
	left := t.height - len(head) - len(rooms) - len(address) - len(keys)
	list := min(len(l.places), 3) // these rows of it matter more than the end of the note
	if left < list+min(len(note), 2) {
		head, left = nil, left+len(head)
	}
	note = note[:max(min(len(note), left-list), 0)]
	left -= len(note)
	rooms = append(rooms, l.drawPlaces(t, left)...)

	gap := []string{""}
	if blanks := 2 + min(len(note), 1) + min(len(l.places), 1); left-len(l.places) < blanks {
		gap = nil
	}
	for _, part := range [][]string{head, note, rooms} {
		if len(part) > 0 {
			rows = append(append(rows, part...), gap...)
		}
	}
	if l.inField() {
		cursor = tea.NewCursor(column, len(rows))
	}
	rows = append(append(rows, address...), gap...)
	return append(rows, keys...), cursor
}

func lobbyTitle(t *terminal) string { return boldStyle.draw(t.ruler.cut("chat", t.width)) }

// drawProgress draws a lobby that is searching or joining.
func (l *lobby) drawProgress(t *terminal, canSearch bool) []string {
	doing, keys := "Looking for rooms on this network…", "Ctrl-C: quit"
	if l.stage == joining {
		switch doing = "Joining " + cmp.Or(l.target.Title, l.target.Addr) + "…"; {
		case l.canceled:
			doing, keys = "Canceling…", ""
		case canSearch:
			keys = "Ctrl-C: back"
		}
	}
	doing, keys = t.ruler.cut(oneLine(t.ruler, doing), t.width), t.ruler.cut(keys, t.width)
	return []string{lobbyTitle(t), "", doing, "", dimStyle.draw(keys)}
}

// drawNote draws the last error, with its hint.
func (l *lobby) drawNote(t *terminal) (rows []string) {
	if l.note == "" {
		return nil
	}
	s := errorStyle
	for line := range strings.SplitSeq(l.note, "\n") {
		line = t.ruler.show(line)
		for _, row := range t.ruler.wrap(line, t.width) {
			rows = append(rows, s.draw(line[row.from:row.to]))
		}
		s = plainStyle
	}
	return rows
}

// drawPlaces draws at most the given number of rows of the list, with the selected place. If
// some are not visible, the first or the last row says how many.
func (l *lobby) drawPlaces(t *terminal, most int) (rows []string) {
	shown, selected := l.shown(), l.selected()
	at := max(slices.Index(shown, selected), 0)
	first, last := 0, len(shown)
	if most < len(shown) {
		first = min(max(at-most/2, 0), len(shown)-most)
		last = first + max(most, 0)
	}
	digits := len(strconv.Itoa(len(l.places)))
	for n := first; n < last; n++ {
		i := shown[n]
		p := l.places[i]
		row := oneLine(t.ruler, fmt.Sprintf("%*d %s  %s, %d here", digits, i+1, p.Title, p.Addr, p.Members))
		if p.Contested {
			row += " (two hosts claim this room; one is false)"
		}
		switch {
		case i == selected:
			row = hitStyle.draw(t.ruler.fit("› "+row, t.width))
		case n == first && first > 0 && most > 2:
			row = dimStyle.draw(t.ruler.cut(fmt.Sprintf("  ↑ %d more", first+1), t.width))
		case n == last-1 && last < len(shown) && most > 2:
			row = dimStyle.draw(t.ruler.cut(fmt.Sprintf("  ↓ %d more", len(shown)-n), t.width))
		default:
			row = t.ruler.cut("  "+row, t.width)
		}
		rows = append(rows, row)
	}
	return rows
}

// drawAddress draws the address field, and returns the column of its cursor.
func (l *lobby) drawAddress(t *terminal) (rows []string, column int) {
	const label = "  Address: "
	prompt := label
	if l.inField() {
		prompt = "› " + label[2:]
	}
	field, row, column := l.address.rows(max(t.width-len(label)-1, 4))
	return []string{t.ruler.cut(prompt, t.width) + field[row].text}, min(t.ruler.width(prompt)+column, t.width-1)
}

// drawKeys draws the key hints.
func (l *lobby) drawKeys(t *terminal, canSearch bool) (rows []string) {
	keys := []string{"Enter: join"}
	switch {
	case !canSearch:
	case l.inField() && l.typed() == "":
		keys = []string{"Enter: search again"}
	default:
		keys = append(keys, "Ctrl-R: search again")
	}
	if len(l.places) > 0 {
		keys = append(keys, "↑ ↓ or a number: select")
	}
	line := strings.Join(append(keys, "Ctrl-C: quit"), " · ")
	for _, row := range t.ruler.wrap(line, t.width) {
		rows = append(rows, dimStyle.draw(line[row.from:row.to]))
	}
	return rows
}

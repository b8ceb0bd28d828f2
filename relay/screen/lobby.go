package screen

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"chat/relay/wire"
)

// A lobby is the screen before a room is joined: it searches for rooms, lets the person
// choose one or type an address, and joins it. It is owned by Bubble Tea's event loop.
type lobby struct {
	stage   stage
	places  []Place
	cursor  int    // the selected place; len(places): the address field
	note    string // the last error or warning; "": none
	address editor // an address, or the number of a place

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
)

func newLobby(r ruler) lobby { return lobby{address: editor{ruler: r, limit: maxAddr}} }

// roomsFound is the result of a search.
type roomsFound struct {
	places []Place
	err    error
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
		return roomsFound{places, err}
	}
}

func (l *lobby) join(m *model, p Place) tea.Cmd {
	l.stage, l.target, l.note, l.canceled = joining, p, "", false
	var ctx context.Context
	ctx, l.cancel = context.WithCancel(m.ctx)
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
		l.places, l.stage, l.cursor = msg.places, choosing, 0
		if msg.err != nil {
			l.note = cutBytes(msg.err.Error(), maxNote)
		}
		if len(l.places) == 1 && msg.err == nil {
			return l.join(m, l.places[0])
		}
	case joinFailed:
		l.cancel()
		if m.opts.Find == nil || m.ctx.Err() != nil { // no other room to choose
			m.err = msg.err
			return m.quit()
		}
		if l.stage = choosing; !l.canceled {
			l.note = cutBytes(msg.err.Error(), maxNote)
		}
	case tea.KeyPressMsg:
		return l.key(m, msg)
	case tea.PasteMsg:
		if l.stage == choosing {
			l.cursor = len(l.places)
			line, _, _ := strings.Cut(strings.TrimSpace(msg.Content), "\n")
			l.address.insert(strings.TrimSpace(line))
		}
	}
	return nil
}

// selected returns the index of the place under the cursor, or of the one whose number
// is in the address field; -1: none.
func (l *lobby) selected() int {
	if l.cursor < len(l.places) {
		return l.cursor
	}
	if n, err := strconv.Atoi(l.typed()); err == nil && n >= 1 && n <= len(l.places) {
		return n - 1
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
		l.cursor = min(l.cursor+1, len(l.places))
	case name == "enter" && selected >= 0:
		return l.join(m, l.places[selected])
	case name == "enter" && l.typed() != "":
		return l.join(m, Place{Addr: l.typed()})
	case name == "enter", name == "ctrl+r", name == "r" && l.cursor < len(l.places):
		if m.opts.Find != nil {
			return l.open(m)
		}
	case strings.HasSuffix(name, "+enter") || name == "ctrl+j": // an address is one line
	case l.address.key(name):
		l.cursor = len(l.places)
	case msg.Text != "":
		l.cursor = len(l.places)
		l.address.insert(msg.Text)
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
		rooms = append(rooms, t.ruler.cut(wire.Counted(len(l.places), "room is", "rooms are")+" on this network. Which one?", t.width))
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
	if l.cursor == len(l.places) {
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

// drawPlaces draws at most the given number of rows of the list, with the selected place.
func (l *lobby) drawPlaces(t *terminal, most int) (rows []string) {
	selected := l.selected()
	first := min(max(selected-most+1, 0), max(len(l.places)-most, 0))
	digits := len(strconv.Itoa(len(l.places)))
	for i := first; i < len(l.places) && len(rows) < most; i++ {
		p := l.places[i]
		row := oneLine(t.ruler, fmt.Sprintf("%*d %s  %s, %d here", digits, i+1, p.Title, p.Addr, p.Members))
		if p.Contested {
			row += " (two hosts claim this room; one is false)"
		}
		if i == selected {
			row = hitStyle.draw(t.ruler.fit("› "+row, t.width))
		} else {
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
	if l.cursor == len(l.places) {
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
	case l.cursor == len(l.places) && l.typed() == "":
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

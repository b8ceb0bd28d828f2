package screen

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"chat/relay/wire"

	tea "charm.land/bubbletea/v2"
)

// A stage is how far somebody has come who arrives.
type stage int

const (
	looking  stage = iota // for rooms
	choosing              // one of several, or an address
	knocking              // at one
)

// An arrival is the way into a room.
type arrival struct {
	stage  stage
	places []Place
	at     int    // the place chosen; len(places): the address that is typed, or a place's number
	note   string // what went wrong; "": nothing
	to     Place  // where we knock
	addr   editor
	cancel context.CancelFunc // ends the knocking
	back   bool               // that was done
}

// maxAddr is how long an address may be, in bytes: that of a host name (RFC 1035,
// section 2.3.4) and a port.
const maxAddr = 262

func newArrival(m *model) arrival { return arrival{addr: editor{ruler: m.ruler, limit: maxAddr}} }

// found is what came of looking for rooms.
type found struct {
	places []Place
	err    error
}

// joined is what came of knocking.
type joined struct {
	room  Room
	place Place
}

type refused struct{ err error }

// begin goes where the room is, or looks for it.
func (a *arrival) begin(m *model) tea.Cmd {
	switch {
	case m.opts.Place != nil:
		return a.knock(m, *m.opts.Place)
	case m.opts.Find == nil:
		a.stage = choosing
		return nil
	}
	a.stage, a.note = looking, ""
	return func() tea.Msg {
		places, err := m.opts.Find(m.ctx)
		return found{places, err}
	}
}

func (a *arrival) knock(m *model, p Place) tea.Cmd {
	a.stage, a.to, a.note, a.back = knocking, p, "", false
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(m.ctx)
	return func() tea.Msg {
		room, err := m.opts.Join(ctx, p)
		if err != nil {
			return refused{err}
		}
		return joined{room, p}
	}
}

func (a *arrival) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case found:
		a.places, a.stage = msg.places, choosing
		a.at = 0
		if msg.err != nil {
			a.note = msg.err.Error()
		}
		if len(a.places) == 1 && msg.err == nil {
			return a.knock(m, a.places[0])
		}
	case refused:
		a.cancel()
		if m.opts.Find == nil || m.ctx.Err() != nil { // there is nowhere else to go
			m.err = msg.err
			return m.quit()
		}
		if a.stage = choosing; !a.back {
			a.note = msg.err.Error()
		}
	case tea.KeyPressMsg:
		return a.key(m, msg)
	case tea.PasteMsg:
		if a.stage == choosing {
			a.at = len(a.places)
			a.addr.insert(strings.TrimSpace(firstLine(msg.Content)))
		}
	}
	return nil
}

// chosen returns which place is chosen, in the list or by its number; -1: none.
func (a *arrival) chosen() int {
	if a.at < len(a.places) {
		return a.at
	}
	if n, err := strconv.Atoi(strings.TrimSpace(a.addr.text)); err == nil && n >= 1 && n <= len(a.places) {
		return n - 1
	}
	return -1
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// key does what a key does before we are in a room.
func (a *arrival) key(m *model, msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	switch name {
	case "ctrl+c", "ctrl+d", "esc":
		switch {
		case a.stage == knocking && !a.back && m.opts.Find != nil:
			// We go back when it has ended. Where it just got us in, we are in.
			a.back = true
			a.cancel()
			return nil
		case name != "ctrl+d" || a.addr.text == "":
			m.err = context.Canceled
			return m.quit()
		}
	}
	if a.stage != choosing {
		return nil
	}
	chosen := a.chosen()
	switch {
	case name == "up" || name == "shift+tab" || name == "ctrl+p":
		a.at = max(a.at-1, 0)
	case name == "down" || name == "tab" || name == "ctrl+n":
		a.at = min(a.at+1, len(a.places))
	case name == "enter" && chosen >= 0:
		return a.knock(m, a.places[chosen])
	case name == "enter" && strings.TrimSpace(a.addr.text) != "":
		return a.knock(m, Place{Addr: strings.TrimSpace(a.addr.text)})
	case name == "enter", name == "ctrl+r", name == "r" && a.at < len(a.places):
		if m.opts.Find != nil {
			return a.begin(m)
		}
	case strings.HasSuffix(name, "+enter") || name == "ctrl+j": // an address is one line
	case a.addr.key(name):
		a.at = len(a.places)
	case msg.Text != "":
		a.at = len(a.places)
		a.addr.insert(msg.Text)
	}
	return nil
}

// draw draws the way in: what went wrong, the rooms, a field for an address, and what the
// keys do. On a small screen the empty rows between them go first, then the end of what
// went wrong, then rooms far from the one chosen.
func (a *arrival) draw(m *model) (rows []string, cursor *tea.Cursor) {
	cut := func(s string) string { return m.ruler.cut(s, m.width) }
	title := boldStyle.draw(cut("chat"))
	switch a.stage {
	case looking:
		return []string{title, "", cut("Looking for rooms on this network…"), "", dimStyle.draw(cut("Ctrl-C leaves"))}, nil
	case knocking:
		words, keys := "Joining "+cmp.Or(a.to.Title, a.to.Addr)+"…", "Ctrl-C goes back"
		switch {
		case a.back:
			words, keys = "Going back…", ""
		case m.opts.Find == nil:
			keys = "Ctrl-C leaves"
		}
		return []string{title, "", cut(oneLine(m.ruler, words)), "", dimStyle.draw(cut(keys))}, nil
	}

	head, note, rooms, keys := []string{title}, a.drawNote(m), []string(nil), a.drawKeys(m)
	address, column := a.drawAddress(m)
	if len(a.places) > 0 {
		rooms = append(rooms, cut(wire.Counted(len(a.places), "room is", "rooms are")+" on this network. Which one?"))
	}
	left := m.height - len(head) - len(rooms) - len(address) - len(keys)
	list := min(len(a.places), 3) // rows of it that are more than the end of a note
	if left < list+min(len(note), 2) {
		head, left = nil, left+len(head)
	}
	note = note[:max(min(len(note), left-list), 0)]
	left -= len(note)
	rooms = append(rooms, a.drawPlaces(m, left)...)

	gap := []string{""}
	if blanks := 2 + min(len(note), 1) + min(len(a.places), 1); left-len(a.places) < blanks {
		gap = nil
	}
	for _, part := range [][]string{head, note, rooms} {
		if len(part) > 0 {
			rows = append(append(rows, part...), gap...)
		}
	}
	if a.at == len(a.places) {
		cursor = tea.NewCursor(column, len(rows))
	}
	rows = append(append(rows, address...), gap...)
	return append(rows, keys...), cursor
}

// drawNote draws what went wrong.
func (a *arrival) drawNote(m *model) (rows []string) {
	if a.note == "" {
		return nil
	}
	s := errorStyle
	for line := range strings.SplitSeq(a.note, "\n") {
		line = m.ruler.show(line)
		for _, row := range m.ruler.wrap(line, m.width) {
			rows = append(rows, s.draw(line[row.from:row.to]))
		}
		s = plainStyle
	}
	return rows
}

// drawPlaces draws the list of rooms, or so many rows of it with the one chosen.
func (a *arrival) drawPlaces(m *model, most int) (rows []string) {
	chosen := a.chosen()
	first := min(max(chosen-most+1, 0), max(len(a.places)-most, 0))
	digits := len(strconv.Itoa(len(a.places)))
	for i := first; i < len(a.places) && len(rows) < most; i++ {
		p := a.places[i]
		row := oneLine(m.ruler, fmt.Sprintf("%*d %s  %s, %d here", digits, i+1, p.Title, p.Addr, p.Members))
		if i == chosen {
			row = hitStyle.draw(m.ruler.fit("› "+row, m.width))
		} else {
			row = m.ruler.cut("  "+row, m.width)
		}
		rows = append(rows, row)
	}
	return rows
}

// drawAddress draws the field for an address, and tells the column of its cursor.
func (a *arrival) drawAddress(m *model) (rows []string, column int) {
	const label = "  Address: "
	prompt := label
	if a.at == len(a.places) {
		prompt = "› " + label[2:]
	}
	field, row, column := a.addr.rows(max(m.width-len(label)-1, 4))
	return []string{m.ruler.cut(prompt, m.width) + field[row].text}, min(m.ruler.width(prompt)+column, m.width-1)
}

// drawKeys draws what the keys do.
func (a *arrival) drawKeys(m *model) (rows []string) {
	keys := []string{"Enter joins"}
	switch {
	case m.opts.Find == nil:
	case a.at == len(a.places) && strings.TrimSpace(a.addr.text) == "":
		keys = []string{"Enter looks again"}
	default:
		keys = append(keys, "Ctrl-R looks again")
	}
	if len(a.places) > 0 {
		keys = append(keys, "↑ ↓ or a number choose")
	}
	line := strings.Join(append(keys, "Ctrl-C leaves"), " · ")
	for _, row := range m.ruler.wrap(line, m.width) {
		rows = append(rows, dimStyle.draw(line[row.from:row.to]))
	}
	return rows
}

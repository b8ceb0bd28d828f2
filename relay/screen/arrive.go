package screen

import (
	"context"
	"fmt"
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
	at     int    // the place chosen; len(places): the address that is typed
	note   string // what went wrong; "": nothing
	to     Place  // where we knock
	addr   editor
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
	a.stage, a.to, a.note = knocking, p, ""
	return func() tea.Msg {
		room, err := m.opts.Join(m.ctx, p)
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
		if len(a.places) == 1 {
			return a.knock(m, a.places[0])
		}
	case refused:
		if m.opts.Find == nil || m.ctx.Err() != nil { // there is nowhere else to go
			m.err = msg.err
			return m.quit()
		}
		a.stage, a.note = choosing, msg.err.Error()
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

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// key does what a key does before we are in a room.
func (a *arrival) key(m *model, msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	switch name {
	case "ctrl+c", "ctrl+d", "esc":
		if name != "ctrl+d" || a.addr.text == "" {
			m.err = context.Canceled
			return m.quit()
		}
	}
	if a.stage != choosing {
		return nil
	}
	typing := a.at == len(a.places)
	switch {
	case name == "up" || name == "shift+tab" || name == "ctrl+p":
		a.at = max(a.at-1, 0)
	case name == "down" || name == "tab" || name == "ctrl+n":
		a.at = min(a.at+1, len(a.places))
	case name == "enter" && !typing:
		return a.knock(m, a.places[a.at])
	case name == "enter" && strings.TrimSpace(a.addr.text) != "":
		return a.knock(m, Place{Addr: strings.TrimSpace(a.addr.text)})
	case name == "enter", name == "ctrl+r", name == "r" && !typing:
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

// draw draws the way in.
func (a *arrival) draw(m *model) (rows []string, cursor *tea.Cursor) {
	cut := func(s string) string { return m.ruler.cut(s, m.width) }
	rows = append(rows, boldStyle.draw(cut("chat")), "")
	switch a.stage {
	case looking:
		return append(rows, cut("Looking for rooms on this network…"), "", dimStyle.draw(cut("Ctrl-C leaves"))), nil
	case knocking:
		name := a.to.Title
		if name == "" {
			name = a.to.Addr
		}
		return append(rows, cut("Joining "+name+"…"), "", dimStyle.draw(cut("Ctrl-C leaves"))), nil
	}
	if a.note != "" {
		most := len(rows) + max(m.height/2, 1)
		for i, line := range strings.Split(a.note, "\n") {
			line = m.ruler.show(line)
			s := errorStyle
			if i > 0 {
				s = plainStyle
			}
			for _, row := range m.ruler.wrap(line, m.width) {
				if len(rows) < most {
					rows = append(rows, s.draw(line[row.from:row.to]))
				}
			}
		}
		rows = append(rows, "")
	}
	if len(a.places) > 0 {
		rows = append(rows, cut(wire.Counted(len(a.places), "room is", "rooms are")+" on this network. Which one?"), "")
	}
	first := max(0, a.at-max(m.height-len(rows)-6, 1)) // so that the one chosen is on the screen
	for i := first; i < len(a.places) && len(rows) < m.height-4; i++ {
		p := a.places[i]
		row := cut(oneLine(m.ruler, fmt.Sprintf("  %s  %s, %d here", p.Title, p.Addr, p.Members)))
		if i == a.at {
			row = hitStyle.draw(m.ruler.fit("› "+row[2:], m.width))
		}
		rows = append(rows, row)
	}
	return a.drawAddress(m, rows)
}

// drawAddress draws the field for an address, and what the keys do.
func (a *arrival) drawAddress(m *model, rows []string) ([]string, *tea.Cursor) {
	const label = "  Address: "
	prompt := label
	if a.at == len(a.places) {
		prompt = "› " + label[2:]
	}
	columns := max(m.width-len(label)-1, 4)
	field, row, column := a.addr.rows(columns)
	y := len(rows) + 1
	rows = append(rows, "", m.ruler.cut(prompt, m.width)+field[row].text, "")
	keys := "Enter joins · ↑ ↓ choose · Ctrl-C leaves"
	if m.opts.Find != nil {
		keys = "Enter joins · Enter on an empty address looks again · ↑ ↓ choose · Ctrl-C leaves"
	}
	for _, row := range m.ruler.wrap(keys, m.width) {
		rows = append(rows, dimStyle.draw(keys[row.from:row.to]))
	}
	if a.at < len(a.places) {
		return rows, nil
	}
	return rows, tea.NewCursor(min(m.ruler.width(prompt)+column, m.width-1), y)
}

package screen

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/text"
	"chat/relay/wire"
)

const (
	peopleColumns = 22 // of the list beside the transcript, with its margin
	peopleFrom    = 60 // from how many columns on there is room for it
	mostInputRows = 8
)

// columns is how wide the transcript is.
func (t *talk) columns(m *model) int {
	if t.people.shown && m.width >= peopleFrom {
		return m.width - peopleColumns
	}
	return m.width
}

// height is how many rows the transcript has.
func (t *talk) height(m *model) int { return t.layout(m).transcript }

func (t *talk) prompt(m *model) string {
	prompt := m.look(m.width).nick(t.nick) + "› "
	if m.ruler.width(prompt) > m.width/3 {
		return "› "
	}
	return prompt
}

// inputColumns is how wide a row of what is written is.
func (t *talk) inputColumns(m *model) int {
	return max(m.width-m.ruler.width(t.prompt(m)), 2)
}

// A layout is how the rows of the screen are shared out.
type layout struct {
	transcript int
	hint       string // "": no row for it
	input      []inputRow
	row        int // of the cursor, in input
	column     int
}

func (t *talk) layout(m *model) layout {
	l := layout{hint: t.hint()}
	l.input, l.row, l.column = t.editor.rows(t.inputColumns(m))
	most := min(mostInputRows, max(m.height-3, 1))
	if len(l.input) > most { // those around the cursor
		first := min(max(l.row-most+1, 0), len(l.input)-most)
		l.input, l.row = l.input[first:first+most], l.row-first
	}
	rest := m.height - len(l.input) - 1
	if l.hint != "" && rest > 2 {
		rest--
	} else {
		l.hint = ""
	}
	l.transcript = max(rest, 0)
	return l
}

// hint is the row above what is written; "": none.
func (t *talk) hint() string {
	text := t.editor.text
	lines := 1 + strings.Count(text, "\n")
	switch {
	case t.pasted != nil:
		return t.question()
	case t.recall.active:
		return t.recall.hint()
	case t.completer.choices() != "":
		return t.completer.choices()
	case len(text) > countBytesFrom:
		return wire.Counted(wire.MessageBytes-len(text), "byte is", "bytes are") + " left"
	case lines > wire.MessageLines:
		return wire.Counted(lines-wire.MessageLines, "line", "lines") + " too many"
	case lines > countLinesFrom:
		return wire.Counted(wire.MessageLines-lines, "line is", "lines are") + " left"
	default:
		return commandHint(text, t.host)
	}
}

// draw draws the room.
func (t *talk) draw(m *model) (rows []string, cursor *tea.Cursor) {
	l := t.layout(m)
	look := m.look(t.columns(m))
	if t.overlay != nil {
		rows = t.drawOverlay(m, l.transcript)
	} else {
		under := t.drawSent(look, l.transcript-1)
		rows = append(t.view.draw(look, &t.transcript, l.transcript-len(under)), under...)
		t.drawBelow(look, rows)
	}
	if look.columns < m.width {
		side := *look
		side.columns = peopleColumns - 2
		for i, row := range t.people.draw(&side, len(rows)) {
			rows[i] = padded(m.ruler, rows[i], look.columns) + dimStyle.draw("│") + " " + row
		}
	}
	rows = append(rows, t.status(m))
	if l.hint != "" {
		rows = append(rows, dimStyle.draw(m.ruler.cut(m.ruler.show(l.hint), m.width)))
	}
	prompt := t.prompt(m)
	indent := m.ruler.width(prompt)
	for i, row := range l.input {
		head := strings.Repeat(" ", indent)
		if i == 0 && row.start == 0 {
			head = m.palette.of(t.nick).with(boldStyle).draw(prompt)
		}
		rows = append(rows, head+row.text)
	}
	y := len(rows) - len(l.input) + l.row
	return rows, tea.NewCursor(min(indent+l.column, m.width-1), y)
}

// padded fills a drawn row up with spaces.
func padded(r ruler, row string, columns int) string {
	return row + strings.Repeat(" ", max(columns-r.method.StringWidth(row), 0))
}

// drawSent draws what the host has not taken yet, below all else: as it will be, but
// dim. Where there are more rows than most, the last ones.
func (t *talk) drawSent(l *look, most int) (rows []string) {
	if !t.view.following {
		return nil
	}
	for i := len(t.sent) - 1; i >= 0 && len(rows) < most; i-- {
		e := &t.sent[i].entry
		if e.kind > private {
			continue
		}
		of := l.rows(e)
		for j := range of {
			of[j] = dimStyle.draw(ansi.Strip(of[j]))
		}
		rows = append(of, rows...)
	}
	return rows[max(len(rows)-max(most, 0), 0):]
}

// drawBelow puts into the last row how many messages came below those that are shown.
func (t *talk) drawBelow(l *look, rows []string) {
	n := t.view.newBelow()
	if n == 0 || len(rows) == 0 {
		return
	}
	rows[len(rows)-1] = newStyle.draw(l.ruler.fit("↓ "+wire.Counted(n, "new message", "new messages")+" below; End goes there", l.columns))
}

func (t *talk) drawOverlay(m *model, height int) []string {
	rows := make([]string, 0, height)
	lines := t.overlay(t.columns(m), height)
	t.overlayAt = max(min(t.overlayAt, len(lines)-height), 0)
	for _, line := range lines[t.overlayAt:] {
		if len(rows) < height {
			rows = append(rows, padded(m.ruler, line, t.columns(m)))
		}
	}
	if more := len(lines) - t.overlayAt - height; more > 0 && height > 0 {
		rows[height-1] = newStyle.draw(m.ruler.fit("↓ "+wire.Counted(more+1, "more row", "more rows")+"; PgDn goes on", t.columns(m)))
	}
	for len(rows) < height {
		rows = append(rows, "")
	}
	return rows
}

// status is the line between what was said and what is being written.
func (t *talk) status(m *model) string {
	left := " " + m.ruler.show(t.title)
	if t.addr != "" {
		left += " · " + t.addr
	}
	left += " · " + fmt.Sprint(t.people.count()) + " here"
	if t.topic != "" {
		left += " · " + m.ruler.show(t.topic)
	}
	left = oneLine(m.ruler, left)
	right := oneLine(m.ruler, t.state()) + " "
	room := m.width - m.ruler.width(right)
	s := style("7")
	if t.lost != nil {
		s = newStyle
	}
	if room < 4 {
		return s.draw(m.ruler.fit(right, m.width))
	}
	return s.draw(m.ruler.fit(left, room-1) + " " + right)
}

// oneLine makes s fit for a row of its own, whatever is in it.
func oneLine(r ruler, s string) string { return r.show(text.Clean(s)) }

// state is what the right end of the status line says.
func (t *talk) state() string {
	var parts []string
	if t.flash != "" {
		parts = append(parts, t.flash)
	}
	if t.search.words != "" {
		parts = append(parts, t.search.state())
	}
	if files := t.ferryState(); files != "" {
		parts = append(parts, files)
	}
	if n := t.waiting(); n > 0 {
		parts = append(parts, wire.Counted(n, "message waits", "messages wait"))
	}
	if t.lost == nil {
		return strings.Join(append(parts, "connected"), " · ")
	}
	words := "reconnecting…"
	if left := time.Until(t.retryAt); left > time.Second/2 {
		words = fmt.Sprintf("reconnecting in %.0f s", left.Seconds())
	}
	return strings.Join(append(parts, words), " · ")
}

// farewell returns the last rows of the talk, as they stay on the terminal.
func (t *talk) farewell(m *model) string {
	l := m.look(t.columns(m))
	l.search = ""
	t.view.toEnd()
	t.view.forgetUnread()
	height := max(m.height-2, 1)
	under := t.drawSent(l, height)
	rows := append(t.view.draw(l, &t.transcript, height-len(under)), under...)
	var b strings.Builder
	for _, row := range rows {
		if row = strings.TrimRight(ansi.Strip(row), " "); row != "" || b.Len() > 0 {
			b.WriteString(row + "\n")
		}
	}
	return b.String()
}

package screen

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/text"
	"chat/relay/wire"
)

const (
	memberColumns  = 22 // of the member list, with its margin
	memberListFrom = 60 // columns that a terminal needs to show the member list
	maxInputRows   = 8
)

// A frame is a conversation laid out on the terminal as it is now, and draws it.
type frame struct {
	c       *conversation
	t       *terminal
	painter *painter // of the transcript
	height  int      // rows of the transcript

	prompt       string
	inputColumns int
	input        []inputRow
	cursorRow    int // in input
	cursorColumn int
	hint         string // "": no row for it
	commandRows  int
}

func newFrame(c *conversation) *frame {
	f := &frame{c: c, t: &c.m.terminal, hint: c.composer.hint()}
	columns := f.t.width
	if c.members.visible && !c.copying && columns >= memberListFrom && !c.sheet.isOpen() {
		columns -= memberColumns
	}
	f.painter = c.painter(columns)
	f.prompt = f.painter.drawnNick(c.nick) + "› "
	if f.t.ruler.width(f.prompt) > f.t.width/3 {
		f.prompt = "› "
	}
	if c.composer.field != nil {
		f.prompt = c.composer.field.prompt + " › "
	}
	f.inputColumns = max(f.t.width-f.t.ruler.width(f.prompt), 2)
	f.input, f.cursorRow, f.cursorColumn = c.composer.typing().rows(f.inputColumns)
	most := min(maxInputRows, max(f.t.height-3, 1))
	if len(f.input) > most { // those around the cursor
		first := min(max(f.cursorRow-most+1, 0), len(f.input)-most)
		f.input, f.cursorRow = f.input[first:first+most], f.cursorRow-first
	}
	rest := f.t.height - len(f.input) - 1
	if c.isListingCommands() {
		f.hint = ""
	}
	if f.hint != "" && rest > 2 {
		rest--
	} else {
		f.hint = ""
	}
	f.commandRows = c.commandRows(rest)
	f.height = max(rest-f.commandRows, 0)
	return f
}

// draw draws the transcript or the sheet, with the member list beside it, the status
// line, the hint and the input.
func (f *frame) draw() (rows []string, cursor *tea.Cursor) {
	c := f.c
	if c.sheet.isOpen() {
		rows = c.sheet.draw(f.t, f.t.width, f.height)
	} else {
		pending := f.drawPending(f.height - 1)
		rows = append(c.view.draw(f.painter, &c.transcript, f.height-len(pending)), pending...)
		f.drawNewBelow(rows)
	}
	if f.painter.columns < f.t.width {
		for i, row := range c.members.draw(c.painter(memberColumns-2), len(rows)) {
			rows[i] = padded(f.t.ruler, rows[i], f.painter.columns) + dimStyle.draw("│") + " " + row
		}
	}
	rows = append(rows, c.drawCommands(f.commandRows)...)
	rows = append(rows, f.drawStatus())
	if f.hint != "" {
		rows = append(rows, dimStyle.draw(f.t.ruler.cut(f.t.ruler.show(f.hint), f.t.width)))
	}
	indent := f.t.ruler.width(f.prompt)
	for i, row := range f.input {
		head := strings.Repeat(" ", indent)
		if i == 0 && row.start == 0 {
			head = f.t.palette.styleOf(c.nick).with(boldStyle).draw(f.prompt)
		}
		rows = append(rows, head+row.text)
	}
	y := len(rows) - len(f.input) + f.cursorRow
	return rows, tea.NewCursor(min(indent+f.cursorColumn, f.t.width-1), y)
}

// padded fills up a drawn row with spaces.
func padded(r ruler, row string, columns int) string {
	return row + strings.Repeat(" ", max(columns-r.method.StringWidth(row), 0))
}

// drawPending draws the messages that the host has not acknowledged, dim, in at most so
// many rows: the last ones.
func (f *frame) drawPending(most int) (rows []string) {
	if !f.c.view.following {
		return nil
	}
	items := f.c.outbox.items
	var pending []*entry
	for i := len(items) - 1; i >= 0 && len(pending) <= most; i-- {
		if e := &items[i].entry; e.kind.isMessage() {
			pending = append(pending, e)
		}
	}
	slices.Reverse(pending)
	return f.c.view.drawPending(f.painter, &f.c.transcript, pending, most)
}

// drawNewBelow replaces the last row by how many messages came below it.
func (f *frame) drawNewBelow(rows []string) {
	n := f.c.view.newBelow
	if n == 0 || len(rows) == 0 {
		return
	}
	line := "↓ " + wire.Counted(n, "new message", "new messages") + " below · End: jump there"
	rows[len(rows)-1] = newStyle.draw(f.t.ruler.fit(line, f.painter.columns))
}

// drawStatus draws the line between the transcript and the input: the room on the left, the
// state on the right.
func (f *frame) drawStatus() string {
	c, r := f.c, f.t.ruler
	left := " " + r.show(c.title)
	if c.addr != "" {
		left += " · " + c.addr
	}
	left += " · " + fmt.Sprint(c.members.count()) + " here"
	if c.topic != "" {
		left += " · " + r.show(c.topic)
	}
	left = oneLine(r, left)
	right := oneLine(r, f.state()) + " "
	room := f.t.width - r.width(right)
	s := style("7")
	if c.lost != nil {
		s = newStyle
	}
	if room < 4 {
		return s.draw(r.fit(right, f.t.width))
	}
	return s.draw(r.fit(left, room-1) + " " + right)
}

// oneLine makes s safe to draw as one row, whatever is in it.
func oneLine(r ruler, s string) string { return r.show(text.Clean(s)) }

// state returns the right end of the status line.
func (f *frame) state() string {
	c := f.c
	var parts []string
	for _, part := range []string{c.flash, c.search.status(), c.transfers.status()} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if n := c.pending(); n > 0 {
		parts = append(parts, wire.Counted(n, "message", "messages")+" pending")
	}
	connection := "connected"
	if f.c.unanswered && f.c.pending() > 0 {
		connection = "no answer to your message yet"
	}
	switch {
	case c.joiningOther:
		connection = "joining…"
	case c.gone != nil:
		connection = "the room is gone"
	case c.lost != nil:
		connection = "reconnecting…"
		if left := time.Until(c.retryAt); left > time.Second/2 {
			connection = fmt.Sprintf("reconnecting in %.0f s", left.Seconds())
		}
	}
	return strings.Join(append(parts, connection), " · ")
}

// farewell returns the last rows of the transcript as plain text.
func (f *frame) farewell() string {
	height := max(f.t.height-2, 1)
	f.painter.printed = true
	pending := f.drawPending(height)
	rows := append(f.c.view.draw(f.painter, &f.c.transcript, height-len(pending)), pending...)
	var b strings.Builder
	for _, row := range rows {
		if row = strings.TrimRight(ansi.Strip(row), " "); row != "" || b.Len() > 0 {
			b.WriteString(row + "\n")
		}
	}
	return b.String()
}

package screen

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/screen/theme"
)

const (
	memberColumns  = 22 // of the member list, with its margins
	memberListFrom = 60 // columns that a terminal needs to show the member list
	maxInputRows   = 8

	headerFrom  = 10  // rows that a terminal needs to show the header
	keysFrom    = 16  // and the keys
	topicFrom   = 56  // columns that the header needs to show the topic
	addressFrom = 100 // and the address
	leastTopic  = 8   // columns of a topic that are worth showing
)

// A frame is a conversation laid out on the terminal as it is now, and draws it: the header, the transcript
// or a sheet, the transfers, the list of commands, the rule, the composer, and the keys. A low terminal
// has fewer of them.
type frame struct {
	c       *conversation
	t       *terminal
	painter *painter // of the transcript
	height  int      // rows of the transcript

	hasHeader, hasKeys bool
	transferRows       int
	commandRows        int // of the list of commands

	prompt       string // drawn
	indent       int    // columns that the prompt takes
	inputColumns int
	input        []inputRow
	cursorRow    int // in input
	cursorColumn int
}

func newFrame(c *conversation) *frame {
	f := &frame{c: c, t: &c.m.terminal}
	f.hasHeader, f.hasKeys = f.t.height >= headerFrom, f.t.height >= keysFrom
	columns := f.t.width
	if c.members.visible && !c.copying && columns >= memberListFrom && !c.sheet.isOpen() {
		columns -= memberColumns
	}
	f.painter = c.painter(columns)
	rest := f.t.height - 1 // the rule
	if f.hasHeader {
		rest--
	}
	if f.hasKeys {
		rest--
	}
	f.layOutInput(max(rest-leastMessageRows, 1))
	rest -= len(f.input)
	f.commandRows = c.commandRows(rest)
	rest -= f.commandRows
	f.transferRows = c.transfers.rowsIn(rest)
	f.height = max(rest-f.transferRows, 0)
	return f
}

// layOutInput lays out the text of the composer, in at most so many rows: those around the cursor.
func (f *frame) layOutInput(most int) {
	r, t := f.t.ruler, f.t.theme
	who := f.painter.drawnNick(f.c.nick)
	if f.c.composer.field != nil {
		who = f.c.composer.field.prompt
	}
	if who = " " + who; r.width(who) > f.t.width/3 {
		who = ""
	}
	f.prompt, f.indent = theme.Bold.Draw(who)+" "+t.Accent.Draw("›")+" ", r.width(who)+3
	if f.t.width-f.indent < 2 { // a wide character has to fit
		f.prompt, f.indent = "", 0
	}
	f.inputColumns = max(f.t.width-f.indent, 2)
	f.input, f.cursorRow, f.cursorColumn = f.c.composer.typing().rows(f.inputColumns)
	most = min(maxInputRows, most)
	if len(f.input) > most {
		first := min(max(f.cursorRow-most+1, 0), len(f.input)-most)
		f.input, f.cursorRow = f.input[first:first+most], f.cursorRow-first
	}
}

// draw draws all rows, and says where the cursor is.
func (f *frame) draw() (rows []string, cursor *tea.Cursor) {
	if f.hasHeader {
		rows = append(rows, f.drawHeader())
	}
	rows = append(rows, f.drawBody()...)
	rows = append(rows, f.c.transfers.draw(f.t, f.transferRows, f.c.lost != nil)...)
	rows = append(rows, f.c.drawCommands(f.commandRows)...)
	if f.t.height > 1 {
		rows = append(rows, f.drawRule())
	}
	y := len(rows) + f.cursorRow
	rows = append(rows, f.drawInput()...)
	if f.hasKeys {
		rows = append(rows, f.drawKeys())
	}
	return rows, tea.NewCursor(min(f.indent+f.cursorColumn, f.t.width-1), y)
}

// drawBody draws the transcript or the sheet, with the member list beside it.
func (f *frame) drawBody() (rows []string) {
	c := f.c
	if c.sheet.isOpen() {
		rows = c.sheet.draw(f.t, f.t.width, f.height)
	} else if c.showsCard() {
		rows = c.drawCard(f.painter.columns, f.height)
	} else {
		pending := f.drawPending(f.height - 1)
		rows = append(c.view.draw(f.painter, &c.transcript, f.height-len(pending)), pending...)
	}
	if f.painter.columns < f.t.width {
		for i, row := range c.members.draw(c.painter(memberColumns-3), len(rows)) {
			rows[i] = padded(f.t.ruler, rows[i], f.painter.columns) + f.t.theme.Hairline.Draw("│") + " " + row
		}
	}
	return rows
}

// drawInput draws the text of the composer, or the placeholder if there is none.
func (f *frame) drawInput() (rows []string) {
	margin := strings.Repeat(" ", f.indent)
	for i, row := range f.input {
		head := margin
		if i == 0 && row.start == 0 {
			head = f.prompt
		}
		rows = append(rows, head+row.text)
	}
	if f.c.composer.typing().text == "" {
		placeholder := f.t.ruler.elide(oneLine(f.t.ruler, f.c.placeholder()), f.inputColumns-1)
		rows[0] += f.t.theme.Dim.Draw(placeholder)
	}
	return rows
}

// placeholder returns the text that the composer's row shows while it is empty.
func (c *conversation) placeholder() string {
	switch {
	case c.composer.field != nil:
		return c.composer.field.placeholder
	case c.gone != nil:
		return "Enter joins " + c.gone.Now.Title
	case c.ended:
		return "Ctrl-C twice leaves; the room cannot be joined again from here"
	case c.listens:
		return "You may only read here; commands work"
	case c.showsCard() && c.isAlone():
		return "Say something, they will see it when they come"
	}
	return "Message " + c.title
}

// drawKeys draws the short message of the last key, or the hints.
func (f *frame) drawKeys() string {
	if f.c.flash != "" {
		return " " + f.t.ruler.elide(oneLine(f.t.ruler, f.c.flash), f.t.width-2)
	}
	return drawHints(f.t.ruler, f.t.theme, f.c.hints(), f.t.width)
}

// drawPending draws the messages that the host has not acknowledged, dim, in at most so
// many rows: the last ones.
func (f *frame) drawPending(most int) (rows []string) {
	if !f.c.view.following && !f.c.view.held {
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

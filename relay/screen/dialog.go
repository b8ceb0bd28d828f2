package screen

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"chat/relay/screen/theme"
)

// A dialog is a page that the person answers or closes before anything else: it gets all keys and pastes. It is
// owned by Bubble Tea's event loop.
type dialog struct {
	// Fixed.
	sheet    sheet // its title, page and hints; it scrolls as others do
	keys     map[string]func() tea.Cmd
	leave    func() tea.Cmd // is called when the person closes it; nil: nothing is to be done
	question *question      // that it asks; nil: none of a client's

	field *secretField // nil: nothing is typed
}

// openDialog shows a dialog, after those that are open.
func (m *model) openDialog(d *dialog) { m.dialogs = append(m.dialogs, d) }

// closeDialog closes a dialog, if it is open.
func (m *model) closeDialog(d *dialog) {
	m.dialogs = slices.DeleteFunc(m.dialogs, func(open *dialog) bool { return open == d })
}

// closeQuestion closes the dialog of a question that no one waits for.
func (m *model) closeQuestion(q *question) {
	m.dialogs = slices.DeleteFunc(m.dialogs, func(open *dialog) bool { return open.question == q })
}

// updateDialog handles keys, pastes and the mouse while a dialog is open. It reports whether msg was for it.
func (m *model) updateDialog(msg tea.Msg) (cmd tea.Cmd, handled bool) {
	if len(m.dialogs) == 0 {
		return nil, false
	}
	d := m.dialogs[0]
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		return m.pressDialogKey(d, msg), true
	case tea.PasteMsg:
		if d.field != nil {
			return d.field.paste(msg.Content), true
		}
		return nil, true
	case tea.MouseWheelMsg:
		switch msg.Button {
		case tea.MouseWheelUp:
			d.sheet.first -= wheelRows
		case tea.MouseWheelDown:
			d.sheet.first += wheelRows
		}
		return nil, true
	}
	return nil, false
}

func (m *model) pressDialogKey(d *dialog, msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	if act := d.keys[strings.ToLower(name)]; act != nil {
		return act()
	}
	switch name {
	case "esc", "ctrl+c", "ctrl+d":
		m.closeDialog(d)
		if d.leave != nil {
			return d.leave()
		}
	case "up", "down", "pgup", "pgdown":
		d.sheet.scroll(name)
	default:
		if d.field != nil {
			return d.field.press(msg)
		}
	}
	return nil
}

// drawDialog draws a dialog on the whole screen, except for the header of a conversation.
func (m *model) drawDialog(d *dialog) (rows []string, cursor *tea.Cursor) {
	t := &m.terminal
	if c := m.conversation; c != nil && t.height >= headerFrom {
		rows = append(rows, newFrame(c).drawHeader())
	}
	hasRule, hasKeys := t.height >= leastDialogRule, t.height > 2
	below := 0
	for _, has := range []bool{hasRule, d.field != nil, hasKeys} {
		if has {
			below++
		}
	}
	rows = append(rows, d.sheet.draw(t, t.width, max(t.height-len(rows)-below, 0))...)
	if hasRule {
		rows = append(rows, d.drawRule(t))
	}
	if d.field != nil {
		row, column := d.field.draw(t)
		cursor = tea.NewCursor(min(column, t.width-1), min(len(rows), t.height-1))
		rows = append(rows, row)
	}
	if hasKeys {
		hints := d.sheet.hints
		if d.sheet.total > d.sheet.height {
			hints = slices.Insert(slices.Clone(hints), len(hints)-1, hint{nil, "↑↓", "scroll"})
		}
		rows = append(rows, drawHints(t.ruler, t.theme, hints, t.width))
	}
	return rows, cursor
}

// leastDialogRule is how many rows a terminal needs to show the rule below a dialog.
const leastDialogRule = 7

func (d *dialog) drawRule(t *terminal) string {
	position, _ := d.sheet.position()
	if n := t.ruler.width(position); position != "" && n+6 <= t.width {
		line := t.theme.Hairline
		return line.Draw(strings.Repeat("─", t.width-n-4)) + " " + t.theme.Dim.Draw(position) + " " + line.Draw("──")
	}
	return t.theme.Hairline.Draw(strings.Repeat("─", t.width))
}

// A dialogPage is the drawn text of a dialog.
type dialogPage struct {
	t       *terminal
	columns int // of its text
	rows    []string
}

const (
	dialogColumns = 76 // of the text of a dialog at most
	dialogMargin  = 3  // columns left of it
)

// dialogPageOf returns the page of a dialog whose rows write draws. On a terminal that they do not fit on it is
// without its blank rows.
func dialogPageOf(t *terminal, write func(p *dialogPage)) page {
	return func(columns, rows int) (int, func(int) string) {
		margin := min(dialogMargin, columns/20)
		p := dialogPage{t: t, columns: max(min(columns-2*margin, dialogColumns), 1)}
		write(&p)
		all := slices.Concat([]string{""}, p.rows)
		if len(all) > rows {
			all = slices.DeleteFunc(all, func(row string) bool { return row == "" })
		}
		return pageOf(indented(all, margin))
	}
}

func (p *dialogPage) blank() { p.rows = append(p.rows, "") }

// add adds text in one style.
func (p *dialogPage) add(text string, s theme.Style) {
	p.rows = append(p.rows, drawWrapped(p.t.ruler, oneLine(p.t.ruler, text), p.columns, s)...)
}

package screen

import (
	"cmp"
	"fmt"

	tea "charm.land/bubbletea/v2"
)

// A sheet is a page shown in the place of the messages: help, the ways to join. It scrolls if it does
// not fit. The zero value is closed. It is owned by Bubble Tea's event loop.
type sheet struct {
	// Fixed while it is open.
	title string
	esc   string                    // the effect of Esc, in one or two words; "": close
	page  page                      // nil: closed
	hints []hint                    // of the keys row
	keys  map[string]func() tea.Cmd // of its own, by the names that Bubble Tea gives them

	first int // the first row that is shown

	// As it was drawn last.
	total  int // rows of the page
	height int // rows of it on the screen
}

// listHints are the hints of a sheet with a list that scrolls.
var listHints = []hint{{(*conversation).isSheetCut, "↑↓ PgUp PgDn", "scroll"}, {nil, "Esc", "close"}}

// lastRow is after the last row of any page: draw goes back to the last that there is.
const lastRow = 1 << 30

// A page lays its content out for a width in columns, and for a height in rows if it can. It returns how many
// rows that takes, and a function that draws one of them: a page can be long, and only the visible rows are drawn.
type page func(columns, rows int) (total int, row func(i int) string)

// pageOf returns the result of a page that is drawn already.
func pageOf(rows []string) (total int, row func(i int) string) {
	return len(rows), func(i int) string { return rows[i] }
}

func (s *sheet) isOpen() bool { return s.page != nil }

// openSheet shows a sheet. If it has a field, that takes the place of the message until the sheet
// closes: both close together.
func (c *conversation) openSheet(s sheet, f *field) {
	c.closeSheet()
	if f != nil {
		f.hints = s.hints
		f.key = c.pressSheetKey
		f.changed = func(string) tea.Cmd { c.sheet.first = 0; return nil }
		f.closed = func() { c.sheet = sheet{} }
		c.composer.openField(f)
	}
	c.sheet = s
}

// closeSheet shows the messages again, and the message being written. Without a sheet it does nothing.
func (c *conversation) closeSheet() {
	if c.sheet.isOpen() {
		c.sheet = sheet{}
		c.composer.closeField()
	}
}

// pressSheetKey scrolls or closes the sheet, or carries out an action of its own. It reports whether the key was for it:
// letters are for the field, or for the message, which closes a sheet that has no field.
func (c *conversation) pressSheetKey(name string) (cmd tea.Cmd, used bool) {
	s := &c.sheet
	if act := s.keys[name]; act != nil {
		return act(), true
	}
	switch {
	case s.scroll(name):
	case name == "esc", name == "enter", name == "ctrl+c", name == "f1":
		c.closeSheet()
	default:
		if c.composer.field == nil {
			c.closeSheet()
		}
		return nil, false
	}
	return nil, true
}

// scroll scrolls by a key, and reports whether it is one for that.
func (s *sheet) scroll(key string) bool {
	step := max(s.height-2, 1)
	switch key {
	case "pgdown":
		s.first += step
	case "pgup":
		s.first -= step
	case "down", "ctrl+n":
		s.first++
	case "up", "ctrl+p":
		s.first--
	case "home":
		s.first = 0
	case "end":
		s.first = lastRow
	default:
		return false
	}
	return true
}

// noMatchPage is a page whose filter leaves nothing of it.
func noMatchPage(t *terminal, what, filter string, columns int) (total int, row func(i int) string) {
	return pageOf([]string{"", t.theme.Dim.Draw(t.ruler.fit(fmt.Sprintf("  %s matches %q.", what, filter), columns))})
}

// wheel scrolls the sheet, or the messages if none is open.
func (c *conversation) wheel(rows int) {
	if c.sheet.isOpen() {
		c.sheet.first += rows
		return
	}
	c.scroll(rows)
}

// draw draws the sheet in exactly height rows: its title, and as much of the page as there is room for.
func (s *sheet) draw(t *terminal, columns, height int) []string {
	rows := make([]string, 0, max(height, 0))
	if height >= 3 {
		rows = append(rows, sheetTitle(t, s.title, cmp.Or(s.esc, "close"), columns))
	}
	s.height = max(height-len(rows), 0)
	total, row := s.page(columns, s.height)
	s.total = total
	s.first = max(min(s.first, total-s.height), 0)
	for i := s.first; i < min(s.first+s.height, total); i++ {
		rows = append(rows, row(i))
	}
	for len(rows) < height {
		rows = append(rows, "")
	}
	return rows
}

// isSheetCut reports whether there is more in the sheet than is shown.
func (c *conversation) isSheetCut() bool { return c.sheet.total > c.sheet.height }

// position returns which rows of the page are shown, and the key that shows more; "" if all are.
func (s *sheet) position() (rows, key string) {
	if s.total <= s.height {
		return "", ""
	}
	last := min(s.first+s.height, s.total)
	if key = "PgDn"; last == s.total {
		key = "PgUp"
	}
	return fmt.Sprintf("%d–%d of %d", s.first+1, last, s.total), key
}

// sheetTitle draws the row above a page. esc is the effect of Esc.
func sheetTitle(t *terminal, title, esc string, columns int) string {
	return titleLine(t, title, t.theme.Accent.Draw("Esc")+" "+t.theme.Dim.Draw(esc), columns)
}

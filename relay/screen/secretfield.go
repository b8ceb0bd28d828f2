package screen

import (
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"chat/relay/screen/theme"
)

// A secretField is a line whose characters are not shown. It is owned by Bubble Tea's event loop.
type secretField struct {
	editor editor
	note   string // about the last secret, shown in red; "": none

	// Fixed.
	pasted func(text string) (cmd tea.Cmd, used bool) // is called with each paste; the field gets those that it does not use
	submit func(typed string) tea.Cmd                 // is called by Enter
}

// maxSecretField is how long a line may be, in bytes: an invite has its secret, too.
const maxSecretField = 1 << 10

// press handles a key.
func (f *secretField) press(msg tea.KeyPressMsg) tea.Cmd {
	switch name := msg.String(); {
	case name == "enter":
		return f.submit(f.editor.text)
	case strings.HasSuffix(name, "+enter"), name == "ctrl+j": // it has one line
	case !f.editor.key(name) && msg.Text != "":
		f.editor.insert(msg.Text)
	}
	return nil
}

func (f *secretField) paste(block string) tea.Cmd {
	line := strings.TrimSpace(block)
	line, _, _ = strings.Cut(line, "\n")
	line = strings.TrimSpace(line)
	if cmd, used := f.pasted(line); used {
		return cmd
	}
	f.editor.insert(line)
	return nil
}

// clear forgets the text, and what undoing would bring back.
func (f *secretField) clear() { f.editor = editor{ruler: f.editor.ruler, limit: f.editor.limit} }

// draw draws a dot for each character, and returns the column of the cursor. If not all fit, those before the
// cursor are drawn.
func (f *secretField) draw(t *terminal) (row string, column int) {
	label := " secret "
	if t.width < lobbyColumns/2 {
		label = " "
	}
	indent := t.ruler.width(label) + 2
	dots, column := masked(&f.editor, max(t.width-indent-1, 0))
	if t.width <= indent {
		return "", 0
	}
	return theme.Bold.Draw(label) + t.theme.Accent.Draw("›") + " " + dots, indent + column
}

// masked returns a dot for each character of an editor that fits into so many columns, and the column of the
// cursor.
func masked(e *editor, columns int) (dots string, cursor int) {
	all, before := utf8.RuneCountInString(e.text), utf8.RuneCountInString(e.text[:e.cursor])
	first := max(before-columns, 0)
	return strings.Repeat("•", min(all-first, columns)), before - first
}

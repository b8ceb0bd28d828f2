package screen

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"chat/relay/text"
)

// A field is a line that is typed in the composer's row instead of the message: words to search for, or the
// filter of a list. The message waits in the composer and comes back when the field closes. It is owned by
// Bubble Tea's event loop.
type field struct {
	editor editor

	// Fixed.
	prompt      string // the purpose of the line, in one word
	placeholder string // shown while the line is empty
	hints       []hint // of the keys row

	// key handles a key before the field does. It reports whether it used the key up; nil: it uses none.
	key func(name string) (cmd tea.Cmd, used bool)
	// changed is called after the text changed; nil: ignored.
	changed func(typed string) tea.Cmd
	// closed is called once, however the field closes; nil: no one needs to know.
	closed func()
}

// maxField is how long a line in a field may be, in bytes.
const maxField = 500

// newField returns a field that has no text yet. The caller sets the functions, hints and placeholder
// that it needs, and opens it with openField.
func newField(r ruler, prompt string) *field {
	return &field{prompt: prompt, editor: editor{ruler: r, limit: maxField}}
}

// openField puts a field in the place of the message. One that is open closes first.
func (c *composer) openField(f *field) {
	c.closeField()
	c.completer.stop()
	c.search = reverseSearch{}
	c.field = f
}

// closeField brings the message back. Without a field it does nothing.
func (c *composer) closeField() {
	f := c.field
	if c.field = nil; f != nil && f.closed != nil {
		f.closed()
	}
}

// typing returns the editor that gets the keys: of the field, or of the message.
func (c *composer) typing() *editor {
	if c.field != nil {
		return &c.field.editor
	}
	return &c.editor
}

// pressFieldKey handles a key while a field is open. It reports whether the key was for it: those that
// scroll or open a page are not.
func pressFieldKey(c *conversation, msg tea.KeyPressMsg) (cmd tea.Cmd, used bool) {
	f, name := c.composer.field, msg.String()
	if f.key != nil {
		if cmd, used = f.key(name); used {
			return cmd, true
		}
	}
	before := f.editor.text
	switch {
	case name == "esc", name == "ctrl+c", name == "ctrl+d" && before == "":
		c.composer.closeField()
		return nil, true
	case viewActions[name] != nil:
		return nil, false
	case name == "up", name == "down", name == "ctrl+p", name == "ctrl+n", name == "ctrl+j", strings.HasSuffix(name, "+enter"):
		return nil, true // a field has one line and no history
	case !f.editor.key(name) && msg.Text != "":
		f.insert(msg.Text)
	}
	return f.noteChange(before), true
}

// paste inserts a pasted block, as one line.
func (f *field) paste(block string) tea.Cmd {
	before := f.editor.text
	f.insert(strings.Join(strings.Fields(text.CleanLines(block)), " "))
	return f.noteChange(before)
}

func (f *field) insert(typed string) { f.editor.insert(strings.ReplaceAll(harmless(typed), "\n", " ")) }

// set replaces the text, as if it were typed.
func (f *field) set(typed string) tea.Cmd {
	before := f.editor.text
	f.editor.set(text.Clean(typed))
	return f.noteChange(before)
}

func (f *field) noteChange(before string) tea.Cmd {
	if f.changed == nil || f.editor.text == before {
		return nil
	}
	return f.changed(f.editor.text)
}

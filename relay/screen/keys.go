package screen

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/wire"
)

// wheelRows is how many rows one step of the mouse wheel scrolls.
const wheelRows = 3

// keyActions are the actions of keys in a conversation, by the names that Bubble Tea gives
// the keys. The editor handles the other keys.
var keyActions = map[string]func(c *conversation) tea.Cmd{
	"enter":     (*conversation).submit,
	"esc":       func(c *conversation) tea.Cmd { _ = c.stopCopying() || takeBackUnsent(c); return nil },
	"ctrl+c":    interrupt,
	"tab":       func(c *conversation) tea.Cmd { return complete(c, 1) },
	"shift+tab": func(c *conversation) tea.Cmd { return complete(c, -1) },
	"up":        func(c *conversation) tea.Cmd { return moveOrRecall(c, -1) },
	"down":      func(c *conversation) tea.Cmd { return moveOrRecall(c, 1) },
	"home":      func(c *conversation) tea.Cmd { c.goToTop(); return nil },
	"end":       func(c *conversation) tea.Cmd { c.view.toEnd(); return nil },
}

// viewActions are the actions of keys that leave the message being written as it is. They work
// while a field is open, too.
var viewActions = map[string]func(c *conversation) tea.Cmd{
	"pgup":       pageUp,
	"ctrl+up":    pageUp,
	"shift+up":   pageUp,
	"pgdown":     pageDown,
	"ctrl+down":  pageDown,
	"shift+down": pageDown,
	"f1":         func(c *conversation) tea.Cmd { openHelp(c); return nil },
	"f2":         func(c *conversation) tea.Cmd { toggleMembers(c); return nil },
	"f3":         func(c *conversation) tea.Cmd { c.toggleCopying(); return nil },
}

// pressKey handles a key in a conversation. A paste that waits for a decision gets it
// first, then the field, the sheet, the search in the input history, and the list of
// commands.
func pressKey(c *conversation, msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	e := &c.composer.editor
	if c.composer.paste != nil && decidePaste(c, name) {
		return nil
	}
	if c.composer.field != nil {
		if cmd, used := pressFieldKey(c, msg); used {
			return cmd
		}
		return viewActions[name](c)
	}
	if c.sheet.isOpen() {
		if cmd, used := c.pressSheetKey(name); used {
			return cmd
		}
	}
	if c.composer.search.key(e, name, msg.Text) {
		return nil
	}
	if cmd, used := pressCommandKey(c, name); used {
		return cmd
	}
	if name != "tab" && name != "shift+tab" {
		c.composer.completer.stop()
	}
	if name == "ctrl+d" && e.text == "" {
		name = "ctrl+c"
	}
	if name == "ctrl+k" && openCommands(c) {
		return nil
	}
	if act := viewActions[name]; act != nil {
		return act(c)
	}
	if act := keyActions[name]; act != nil {
		return act(c)
	}
	if !e.key(name) && msg.Text != "" && !e.insert(msg.Text) {
		c.flash = fmt.Sprintf("A message can have at most %d bytes.", wire.MessageBytes)
	}
	return nil
}

// decidePaste sends or drops the paste. It reports whether the key was a decision: other
// keys are for the message being written.
func decidePaste(c *conversation, name string) bool {
	switch name {
	case "enter":
		c.sendPaste()
	case "esc", "ctrl+c":
		c.flash = "Nothing was sent."
	default:
		return false
	}
	c.composer.paste = nil
	return true
}

func complete(c *conversation, step int) tea.Cmd {
	c.composer.completer.next(&c.composer.editor, c.members.recent(c.nick), step)
	return nil
}

// moveOrRecall moves the cursor up (-1) or down a row. From the first and the last row it
// moves on in the input history.
func moveOrRecall(c *conversation, step int) tea.Cmd {
	if e := &c.composer.editor; !e.moveRow(step, newFrame(c).inputColumns) {
		e.recall(step)
	}
	return nil
}

func pageUp(c *conversation) tea.Cmd {
	c.scroll(-halfPage(c))
	return nil
}

func pageDown(c *conversation) tea.Cmd {
	c.scroll(halfPage(c))
	return nil
}

func halfPage(c *conversation) int { return max(newFrame(c).height/2, 1) }

// interrupt is Ctrl-C. It clears the input or takes back unsent messages; if there is
// nothing to clear, pressing it twice leaves.
func interrupt(c *conversation) tea.Cmd {
	if c.composer.editor.text != "" {
		c.composer.editor.putAway()
		c.flash = "↑ brings it back."
		return nil
	}
	if takeBackUnsent(c) {
		return nil
	}
	if time.Since(c.leaveAsked) < leaveWithin {
		return c.m.quit()
	}
	c.leaveAsked = time.Now()
	switch n := c.pending(); {
	case n > 0:
		c.flash = wire.Counted(n, "message", "messages") + " not delivered · Ctrl-C again leaves"
	case len(c.transfers.running) > 0:
		c.flash = wire.Counted(len(c.transfers.running), "transfer", "transfers") + " in progress · Ctrl-C again leaves"
	case c.operator:
		c.flash = "Ctrl-C again closes the room for everyone"
	default:
		c.flash = "Ctrl-C again leaves"
	}
	return nil
}

// takeBackUnsent takes back the messages that were not passed to the room yet. It reports
// whether there were any.
func takeBackUnsent(c *conversation) bool {
	typed := c.outbox.takeBack()
	if len(typed) == 0 {
		return false
	}
	for _, text := range typed {
		c.composer.editor.addHistory(text)
	}
	c.flash = wire.Counted(len(typed), "message", "messages") + " taken back. ↑ brings them back."
	return true
}

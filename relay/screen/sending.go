package screen

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"chat/relay/text"
	"chat/relay/wire"
)

// submit carries out the command or sends the message in the editor.
func (c *conversation) submit() tea.Cmd {
	typed := c.composer.editor.text
	if c.gone != nil {
		if t, err := wire.ParseTyped(typed, wire.Screen); err != nil || t.Command == nil || commandHere(t.Command.Name) == nil {
			return c.joinOther()
		}
	}
	if strings.TrimSpace(typed) == "" {
		return nil
	}
	t, unknown := wire.ParseTyped(typed, wire.Screen)
	if unknown != nil {
		c.refuse(unknown)
		return nil
	}
	if c.listens && (t.Command == nil || t.Command.Lines) {
		c.flash = "Not sent: your invite is only for reading."
		return nil
	}
	c.view.clearUnread()
	c.composer.editor.sent()
	if t.Command != nil {
		if run := commandHere(t.Command.Name); run != nil {
			if t.Command.Lines { // they are a text to send
				t.Args = expandEmoji(t.Args)
			}
			return run(c, strings.TrimSpace(t.Args))
		}
	}
	c.send(withEmoji(typed))
	c.view.toEnd()
	return nil
}

// send sends a message or a command to the host as soon as it keeps up.
func (c *conversation) send(typed string) {
	r, n := requestOf(typed)
	if r.Text == "" {
		return
	}
	if tooManyLines(r.Text) {
		c.show(kindError, tooManyLinesError)
		c.restoreTyped(typed)
		return
	}
	n.at, n.from, n.own = c.now().UnixMilli(), c.nick, true
	c.outbox.add(r, n, typed)
	c.transcript.noteWriter(&n)
	c.flush()
}

// sendPaste sends a large paste as several messages.
func (c *conversation) sendPaste() {
	for _, message := range c.composer.paste.messages {
		c.send(wire.EscapeSlash(message))
	}
	c.view.toEnd()
}

// flush passes messages of the outbox to the room, as many as it accepts.
func (c *conversation) flush() {
	for _, failed := range c.outbox.flush(c.m.ctx) {
		if c.m.ctx.Err() == nil {
			c.show(kindError, "not sent: "+failed.err.Error())
		}
		c.restoreTyped(failed.typed)
	}
}

// restoreTyped puts text that was not sent into the input history, so that the message being
// written is not disturbed.
func (c *conversation) restoreTyped(typed string) {
	c.composer.editor.addHistory(typed)
	c.flash = "Not sent. ↑ brings it back."
}

// pending returns how many messages would be lost by leaving now. Those that were sent a
// moment ago over a working connection are not counted.
func (c *conversation) pending() int { return c.outbox.pending(c.lost == nil) }

// requestOf returns the request that sends typed, a message or a command of the host, and
// how it is shown until the host acknowledges it. A request without a text is not sent.
func requestOf(typed string) (wire.Request, entry) {
	t, err := wire.ParseTyped(typed, wire.Screen)
	if err != nil || t.Command == nil { // submit has refused unknown commands
		message := text.CleanLines(t.Message)
		return wire.Request{Type: wire.TypeSay, Text: message}, entry{kind: kindMessage, text: message}
	}
	name, rest := t.Command.Name, text.CleanLines(strings.TrimSpace(t.Args))
	to, message, _ := strings.Cut(rest, " ")
	switch message = strings.TrimSpace(message); {
	case name == "me" && rest != "":
		return wire.Request{Type: name, Text: rest}, entry{kind: kindAction, text: rest}
	case name == "msg" && message != "":
		return wire.Request{Type: name, To: to, Text: message}, entry{kind: kindPrivate, to: to, text: message}
	}
	line := text.Clean(strings.ReplaceAll(typed, "\n", " "))
	return wire.Request{Type: "command", Text: line}, entry{kind: kindNotice}
}

package screen

import (
	"fmt"
	"strings"

	"chat/relay/text"
	"chat/relay/wire"
)

// A composer is the message being written, with completion, the input history and pastes. A field can take its
// place.
type composer struct {
	editor    editor // of the message
	field     *field // that gets the keys and pastes; nil: the message does
	completer completer
	commands  commandList
	search    reverseSearch
	paste     *paste // waits for the person's decision; nil: none
}

const (
	// From this many bytes and lines on, the hint shows how much is left of a message.
	countBytesFrom = wire.MessageBytes - 500
	countLinesFrom = wire.MessageLines - 10
)

func newComposer(r ruler, operator bool) composer {
	return composer{editor: editor{ruler: r, limit: wire.MessageBytes}, completer: completer{operator: operator}}
}

// hint returns notes on the message, the most important first: a question about a paste,
// what Tab offers, how much is left of the message, or the usage of a command; nil: nothing.
func (c *composer) hint() []string {
	const gap = "  " // between choices, and between the usage of a command and its help
	written := c.editor.text
	lines := 1 + strings.Count(written, "\n")
	switch choices := c.completer.choices(); {
	case c.paste != nil:
		return c.paste.question()
	case c.field != nil:
		return nil
	case c.search.active:
		return c.search.hint()
	case choices != "":
		return strings.Split(choices, gap)
	case len(written) > countBytesFrom:
		return []string{wire.Counted(wire.MessageBytes-len(written), "byte", "bytes") + " left"}
	case lines > wire.MessageLines:
		return []string{wire.Counted(lines-wire.MessageLines, "line", "lines") + " too many"}
	case lines > countLinesFrom:
		return []string{wire.Counted(wire.MessageLines-lines, "line", "lines") + " left"}
	}
	if usage := commandHint(written, c.completer.operator); usage != "" {
		return strings.SplitN(usage, gap, 2)
	}
	return nil
}

// insertPaste inserts a pasted block into the message, with a fence around it if it is code. If
// it does not fit, it waits for a decision. It returns a note for the person; "": none.
func (c *composer) insertPaste(block string) string {
	c.completer.stop()
	c.search = reverseSearch{}
	block = text.CleanLines(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(block))
	switch {
	case block == "":
	case c.paste != nil:
		return "Decide on the first paste before the next."
	case len(c.editor.text)+len(block) <= c.editor.limit && !tooManyLines(c.editor.text+block):
		if c.editor.insertCode(block, c.editor.fenceFor(block)) {
			return "pasted as code · Ctrl-_ undoes it"
		}
	default:
		c.paste = &paste{messages: splitPaste(block, c.editor.fenceFor(block)), lines: 1 + strings.Count(block, "\n")}
	}
	return ""
}

// A paste is a pasted block that is more than one message, until the person has decided
// what to do with it.
type paste struct {
	messages []string // that it would be sent as
	lines    int
}

// question asks what to do with the paste.
func (p *paste) question() []string {
	size := 0
	for _, message := range p.messages {
		size += len(message)
	}
	return []string{
		fmt.Sprintf("Enter: send %s", wire.Counted(len(p.messages), "message", "messages")), "Esc: drop",
		fmt.Sprintf("a paste of %s, %d KiB", wire.Counted(p.lines, "line", "lines"), (size+1023)>>10),
	}
}

// splitPaste splits a block into messages, between lines if possible, each with a fence around it.
func splitPaste(block string, f codeFence) (messages []string) {
	f.after = strings.TrimSuffix(f.after, "\n")
	most := wire.MessageBytes - len(f.before) - len(f.after)
	mostLines := wire.MessageLines - strings.Count(f.before+f.after, "\n")
	var lines []string
	size := 0
	flush := func() {
		if message := strings.Trim(strings.Join(lines, "\n"), "\n"); message != "" {
			messages = append(messages, f.before+message+f.after)
		}
		lines, size = nil, 0
	}
	for line := range strings.SplitSeq(block, "\n") {
		for {
			part := cutBytes(line, most)
			if len(lines) >= mostLines || size+len(part) > most {
				flush()
			}
			lines = append(lines, part)
			size += len(part) + 1
			if line = line[len(part):]; line == "" {
				break
			}
		}
	}
	flush()
	return messages
}

// tooManyLines reports whether message has more lines than a message can have.
func tooManyLines(message string) bool { return strings.Count(message, "\n") >= wire.MessageLines }

var tooManyLinesError = fmt.Sprintf("not sent: a message can have at most %d lines", wire.MessageLines)

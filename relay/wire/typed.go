package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file is the one place that decides whether a text is a message or a command, or ends the
// input. The host, the screen and --plain use it; relay/web/page/typed.js is the same rule for the
// page, and the table in testdata/typed.json holds both to it.

// A Typed is a text as a person typed or pasted it: a message or a command.
type Typed struct {
	Command *Command // nil: it is a message
	Args    string   // of a command: what follows its name
	Message string   // of a message: the text to send
}

// ParseTyped returns what text is in a client; 0: for the host, which carries out the commands
// that are not local. The error is a [*Fault] of [CodeUnknown], with the text in it, if text looks
// like a command and there is none of that name. Then nothing may be sent.
//
//   - A text is a command if it has one line and begins with "/" and a word. Only commands that send
//     the text that follows them, such as /me, can have several lines: a pasted block is a message.
//   - "//" and a word, where "/" and the word would not be a message, sends "/" and the word.
//   - All else is a message, as it is: "/ 2", "// TODO: fix".
func ParseTyped(text string, client Client) (Typed, error) {
	if text == "" || text[0] != '/' {
		return Typed{Message: text}, nil
	}
	slashes := len(text) - len(strings.TrimLeft(text, "/"))
	word, args := cutWord(text[slashes:])
	if word == "" {
		return Typed{Message: text}, nil
	}
	c := CommandNamed(strings.ToLower(word))
	if c != nil && c.Local != 0 && c.Local&client == 0 {
		c = nil // another client's
	}
	hasLines := strings.Contains(strings.TrimRightFunc(text, unicode.IsSpace), "\n")
	switch {
	case hasLines && (c == nil || !c.Lines):
		return Typed{Message: text}, nil
	case slashes > 1:
		return Typed{Message: text[1:]}, nil
	case c == nil:
		return Typed{}, unknownCommand(text)
	}
	return Typed{Command: c, Args: args}, nil
}

// EscapeSlash returns the text to type that sends message.
func EscapeSlash(message string) string {
	if typed, err := ParseTyped(message, Screen|Plain|Page); err != nil || typed.Message != message {
		return "/" + message
	}
	return message
}

// maxEnd is the length of the longest line in bytes that EndsInput looks at.
const maxEnd = 16

// EndsInput reports whether a typed line, with or without its newline, has only Ctrl-D or
// Ctrl-Z. A terminal passes a key on if it does not end its input: on Windows Ctrl-D,
// elsewhere Ctrl-Z if nothing can be suspended. Who typed it wants to leave.
func EndsInput[T string | []byte](line T) bool {
	if len(line) > maxEnd {
		return false
	}
	trimmed := strings.TrimSpace(string(line))
	return len(trimmed) == 1 && (trimmed[0] == 'D'&0x1f || trimmed[0] == 'Z'&0x1f)
}

// cutWord cuts text after its first word. rest is without the blanks between them.
func cutWord(text string) (word, rest string) {
	if i := strings.IndexFunc(text, unicode.IsSpace); i >= 0 {
		return text[:i], strings.TrimLeftFunc(text[i:], unicode.IsSpace)
	}
	return text, ""
}

// maxUnknown is how many bytes of an unknown command's name an error repeats.
const maxUnknown = 64

// unknownCommand returns the fault for line, which is no command. It has the line as it would be
// sent, so that it is not lost.
func unknownCommand(line string) *Fault {
	name, _ := cutWord(line)
	if len(name) > maxUnknown {
		n := maxUnknown
		for !utf8.RuneStart(name[n]) {
			n--
		}
		name = name[:n] + "…"
	}
	return Faultf(CodeUnknown, "unknown command %s; /help lists them\nput // in front to send it: /%s", name, line)
}

package screen

import (
	"strings"
	"testing"

	"chat/relay/wire"
)

const pastedGo = "func f() error {\n\tif err := g(); err != nil {\n\t\treturn err\n\t}\n\treturn nil\n}"

func TestIsCode(t *testing.T) {
	for block, want := range map[string]bool{
		pastedGo:                          true,
		"a(\n  b,\n  c)":                  true,
		"x = 1;\ny = 2;\n\nz = 3":         true,
		"a {\n}":                          false, // two rows
		"a {\n\n\n}":                      false,
		"one\ntwo,\nthree\nfour":          false,
		"Dear all,\nsoup is ready\nbye":   false,
		"```\n" + pastedGo + "\n```":      false,
		"":                                false,
		"\n\n\n":                          false,
		"x\n```\n  a\n  b\n  c\n```\n  d": false,
	} {
		if got := isCode(block); got != want {
			t.Errorf("%q: %v, want %v", block, got, want)
		}
	}
}

func TestPastedCode(t *testing.T) {
	const fenced = "```go\n" + pastedGo + "\n```\n"
	for _, test := range []struct{ name, before, after, want string }{
		{"alone", "", "", fenced},
		{"after words", "see", "", "see\n" + fenced},
		{"after a row", "see\n", "", "see\n" + fenced},
		{"before words", "", "ok", fenced + "ok"},
		{"after a command", "/msg alice ", "", "/msg alice \n" + fenced},
		{"in a fence", "```\n", "\n```", "```\n" + pastedGo + "\n```"},
		{"on a fence", "```", "", "```" + pastedGo},
		{"on a fence with a language", "a\n```go", "", "a\n```go" + pastedGo},
		{"after a block", "```\na\n```\n", "", "```\na\n```\n" + fenced},
	} {
		c := newComposer(ruler{}, false)
		c.editor.text, c.editor.cursor = test.before+test.after, len(test.before)
		note := c.insertPaste(strings.ReplaceAll(pastedGo, "\n", "\r\n"))
		if c.editor.text != test.want || (note == "") != !strings.Contains(test.want, fenced) {
			t.Errorf("%s: %q (%q), want %q", test.name, c.editor.text, note, test.want)
		}
		if c.editor.cursor != len(test.want)-len(test.after) {
			t.Errorf("%s: the cursor is at %d of %d", test.name, c.editor.cursor, len(c.editor.text))
		}
		if note != "" { // one undo removes the fence, another one the block
			for _, want := range []string{test.before + pastedGo + test.after, test.before + test.after} {
				if c.editor.undo(); c.editor.text != want {
					t.Errorf("%s: undone: %q, want %q", test.name, c.editor.text, want)
				}
			}
		}
	}
}

// A paste that fits only without a fence has none. Each message of a larger one has.
func TestLargePastedCode(t *testing.T) {
	c := newComposer(ruler{}, false)
	fits := strings.Repeat("\tx\n", wire.MessageLines-1) + "x"
	if note := c.insertPaste(fits); note != "" || c.editor.text != fits || c.paste != nil {
		t.Errorf("a block of %d bytes became %d, with %q", len(fits), len(c.editor.text), note)
	}
	c = newComposer(ruler{}, false)
	c.insertPaste(strings.Repeat("\treturn f(x);\n", 3*wire.MessageLines))
	if c.paste == nil || len(c.paste.messages) < 3 {
		t.Fatalf("a block of several messages was not asked about: %+v", c.paste)
	}
	lines := 0
	for _, message := range c.paste.messages {
		blocks := blocksIn(message)
		if len(message) > wire.MessageBytes || tooManyLines(message) || len(blocks) != 1 || blocks[0].span != (span{0, len(message)}) {
			t.Errorf("a message of %d bytes is not one block: %.40q", len(message), message)
			continue
		}
		lines += 1 + strings.Count(message[blocks[0].code.from:blocks[0].code.to], "\n")
	}
	if lines != 3*wire.MessageLines {
		t.Errorf("%d lines are sent, want %d", lines, 3*wire.MessageLines)
	}
}

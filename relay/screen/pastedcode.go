package screen

import (
	"strings"
	"unicode"

	"chat/relay/screen/syntax"
)

// minCodeLines is from how many lines on a paste may be code.
const minCodeLines = 3

// isCode reports whether a pasted block looks like code without fences: half of its rows are
// indented or end as code does.
func isCode(block string) bool {
	rows, like := 0, 0
	for row := range strings.SplitSeq(block, "\n") {
		if _, _, ok := fence(row); ok {
			return false
		}
		end := strings.TrimRightFunc(row, unicode.IsSpace)
		if end == "" {
			continue
		}
		if rows++; row[0] == ' ' || row[0] == '\t' || strings.ContainsRune("{};),", rune(end[len(end)-1])) {
			like++
		}
	}
	return rows >= minCodeLines && like*2 >= rows
}

// inFence reports whether the cursor is in a block of code, or on the fence that begins one.
func (e *editor) inFence() bool {
	start := e.lineStart()
	if _, _, ok := fence(e.text[start:e.cursor]); ok {
		return true
	}
	before := e.text[:start] + "x"
	blocks := blocksIn(before)
	return len(blocks) > 0 && blocks[len(blocks)-1].code.to == len(before)
}

// A codeFence is the rows before and after a pasted block of code.
type codeFence struct{ before, after string }

// fenceFor returns the fence for a pasted block at the cursor; none if it is no code.
func (e *editor) fenceFor(block string) (f codeFence) {
	if !isCode(block) || e.inFence() {
		return f
	}
	return codeFence{"```" + syntax.Guess(block) + "\n", "\n```\n"}
}

// insertCode inserts a pasted block with a fence around it, in two changes: one undo removes
// the fence, and another one the block. If all of it does not fit, the fence is left out. It
// reports whether there is one.
func (e *editor) insertCode(block string, f codeFence) bool {
	from := e.cursor
	e.insert(block)
	if f.before == "" {
		return false
	}
	if from > 0 && e.text[from-1] != '\n' {
		f.before = "\n" + f.before
	}
	fenced := f.before + e.text[from:e.cursor] + f.after
	whole := e.text[:from] + fenced + e.text[e.cursor:]
	if len(whole) > e.limit || tooManyLines(strings.TrimRight(whole, "\n")) {
		return false
	}
	e.replace(from, e.cursor, fenced, otherEdit)
	return true
}

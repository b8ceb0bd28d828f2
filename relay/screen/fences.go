package screen

import (
	"strings"
)

// This file finds the blocks of code in messages, between rows of backticks. As with marks, the
// page has the same rules, and testdata/marks.json holds both to them.
//
//   - A fence is a row of three or more backticks and maybe the language of the code: letters,
//     digits and "+#._-". It ends at a row of at least as many backticks, or with the message.
//   - A fence with no rows after it, and a pair of fences with none between them, are text:
//     whatever was written is shown.

// maxLanguage is how many bytes the name of a language may have. In a fence with a longer one,
// it would vanish on a narrow terminal.
const maxLanguage = 20

// A block is the rows of code between two fences.
type block struct {
	span            // all of it, from the first fence to the last
	code     span   // without the fences
	language string // as it was written
}

// blocksIn returns the blocks of code in text, in order.
func blocksIn(text string) (found []block) {
	if !strings.Contains(text, "```") {
		return nil
	}
	for at := 0; at < len(text); {
		end := rowEnd(text, at)
		ticks, language, ok := fence(text[at:end])
		if !ok || end == len(text) {
			at = end + 1
			continue
		}
		b := block{span{at, len(text)}, span{end + 1, len(text)}, language}
		for from := b.code.from; from <= len(text); {
			to := rowEnd(text, from)
			if n, word, ok := fence(text[from:to]); ok && n >= ticks && word == "" {
				b.code.to, b.to = from-1, to
				break
			}
			from = to + 1
		}
		if b.code.from <= b.code.to && (b.to < len(text) || b.code.from < len(text)) {
			found = append(found, b)
		}
		at = b.to + 1
	}
	return found
}

// rowEnd returns where the row ends that starts at text[at:].
func rowEnd(text string, at int) int {
	if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(text)
}

// fence reports whether a row is a fence, and returns how many backticks and which language it has.
func fence(row string) (ticks int, language string, ok bool) {
	language = strings.TrimLeft(row, "`")
	ticks = len(row) - len(language)
	language = strings.TrimRight(language, " \t")
	return ticks, language, ticks >= 3 && len(language) <= maxLanguage && strings.Trim(language, languageBytes) == ""
}

const languageBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+#._-"

package commands

import (
	"fmt"
	"unicode"
	"unicode/utf16"
)

// escaped returns JSON text with each character that is not printable as \uXXXX, which means the same: root may read the answer of
// another user's program, and JSON allows characters that control a terminal.
func escaped(json []byte) []byte {
	out := make([]byte, 0, len(json))
	for _, r := range string(json) { // invalid UTF-8 is U+FFFD
		switch {
		case unicode.IsPrint(r):
			out = append(out, string(r)...)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default: // in a string: outside of one, JSON has ASCII only
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

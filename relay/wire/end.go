package wire

import "strings"

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

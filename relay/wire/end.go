package wire

import "bytes"

// EndsInput reports whether a typed line, with or without its newline, has only Ctrl-D or
// Ctrl-Z. A terminal passes a key on if it does not end its input: on Windows Ctrl-D,
// elsewhere Ctrl-Z if nothing can be suspended. Who typed it wants to leave.
func EndsInput(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 1 && (line[0] == 'D'&0x1f || line[0] == 'Z'&0x1f)
}

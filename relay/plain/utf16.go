package plain

import (
	"bufio"
	"io"

	"golang.org/x/text/encoding/unicode"
)

// decoded returns the text of r as UTF-8. It recognizes UTF-16 by the byte order mark that
// Windows PowerShell writes at the start of files (FF FE) or its opposite; in UTF-8 there are
// no such bytes. It waits for the second byte only after one of these.
func decoded(r io.Reader) io.Reader {
	in := bufio.NewReader(&untilError{r: r})
	first, _ := in.Peek(1)
	if len(first) == 0 || first[0] < 0xfe {
		return in
	}
	mark, _ := in.Peek(2)
	var order unicode.Endianness
	switch string(mark) {
	case "\xff\xfe":
		order = unicode.LittleEndian
	case "\xfe\xff":
		order = unicode.BigEndian
	default:
		return in
	}
	return unicode.UTF16(order, unicode.ExpectBOM).NewDecoder().Reader(in)
}

// An untilError reads r until its first error, which it keeps: after Ctrl-D at the start of a line,
// a terminal could be read further.
type untilError struct {
	r   io.Reader
	err error
}

func (u *untilError) Read(p []byte) (n int, err error) {
	if u.err != nil {
		return 0, u.err
	}
	n, u.err = u.r.Read(p)
	return n, u.err
}

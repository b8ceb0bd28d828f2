package wire

import (
	"bytes"
	"errors"
	"io"
	"math"
	"sync"
)

// ErrLineTooLong is returned by [LineReader.ReadLine] once for a line over the
// limit. The line is dropped; the next call continues after its newline.
var ErrLineTooLong = errors.New("line too long")

// firstBuffer is how many bytes a reader's buffer has at first: enough for most lines
// that people type, and little for the thousands who only listen.
const firstBuffer = 512

// A LineReader reads lines from a peer that may send anything: no newline,
// a byte a second, or megabytes at once. It holds no more than its limit.
// It is not safe for concurrent use.
//
// An error of the underlying reader (a timeout, say) loses nothing: the bytes read
// before it stay, and the next call continues with them.
type LineReader struct {
	OnRead func(n int) // if not nil, called after each read of n bytes
	OnWait func()      // if not nil, called before each read, when no whole line is left

	// Decode, if not nil, decodes the bytes of a read, b[1:], in place; b[0] is spare. It moves
	// lines to the start of b and returns the number of their bytes. After its first error
	// nothing more is read. Complete lines before the error are returned, and then the error.
	Decode func(b []byte) (n int, err error)

	r          io.Reader
	max        int    // bytes of a line with its newline
	buf        []byte // buf[start:end] is read but not yet returned
	start, end int
	scanned    int      // of buf[start:end], how much holds no newline
	dropping   bool     // inside a line that was too long
	atEnd      bool     // the stream ends with buf
	err        error    // of Decode
	dropped    [16]byte // how the line began that was dropped last
}

// NewLineReader reads lines of at most limit bytes, newline included; 0: of any length.
func NewLineReader(r io.Reader, limit int) *LineReader {
	l := &LineReader{r: r}
	l.SetMax(limit)
	return l
}

// SetMax changes the limit from the next line on.
func (l *LineReader) SetMax(limit int) {
	if limit <= 0 {
		limit = math.MaxInt
	}
	l.max = limit
}

// Max returns the limit.
func (l *LineReader) Max() int { return l.max }

// Dropped returns the first bytes of the line that was dropped last.
func (l *LineReader) Dropped() []byte { return l.dropped[:] }

// Pending returns the bytes read after the line returned last: at a timeout, the
// unfinished line.
func (l *LineReader) Pending() []byte { return l.buf[l.start:l.end] }

// Feed has the reader continue with b, as if it had just read it. No line is left.
func (l *LineReader) Feed(b []byte) {
	l.start, l.scanned = 0, 0
	l.buf = append(make([]byte, l.spare(), len(b)+l.spare()), b...)
	l.end = l.received(0, len(b))
}

// Release drops the buffer and the pending bytes. The reader is not used after it.
func (l *LineReader) Release() {
	l.release()
	l.start, l.end, l.scanned = 0, 0, 0
}

// ReadLine returns the next line without its "\n" or "\r\n". The slice is valid
// until the next call. At the end of the stream an unfinished line is returned
// before io.EOF, so that a last line without newline is not lost.
func (l *LineReader) ReadLine() ([]byte, error) {
	for {
		if line, ok, err := l.NextLine(); ok || err != nil {
			return line, err
		}
		if err := l.Fill(); err != nil {
			return nil, err
		}
	}
}

// NextLine is ReadLine without reading; ok is false if no complete line has been
// read. Its only error is ErrLineTooLong.
func (l *LineReader) NextLine() (line []byte, ok bool, err error) {
	for {
		i := bytes.IndexByte(l.buf[l.start+l.scanned:l.end], '\n')
		if i < 0 {
			return l.unfinishedLine()
		}
		n := l.scanned + i + 1
		line := l.buf[l.start : l.start+n-1]
		l.start += n
		l.scanned = 0
		switch {
		case l.dropping:
			l.dropping = false
			continue
		case n > l.max:
			copy(l.dropped[:], line)
			return nil, false, ErrLineTooLong
		}
		return bytes.TrimSuffix(line, []byte{'\r'}), true, nil
	}
}

// unfinishedLine handles a line whose newline has not been read.
func (l *LineReader) unfinishedLine() (line []byte, ok bool, err error) {
	l.scanned = l.end - l.start
	switch {
	case l.dropping:
		l.start, l.end, l.scanned = 0, 0, 0
	case l.scanned >= l.max:
		copy(l.dropped[:], l.buf[l.start:l.end])
		l.dropping = true
		l.start, l.end, l.scanned = 0, 0, 0
		return nil, false, ErrLineTooLong
	case l.atEnd && l.scanned > 0:
		line := l.buf[l.start:l.end]
		l.start, l.end, l.scanned = 0, 0, 0
		return bytes.TrimSuffix(line, []byte{'\r'}), true, nil
	}
	return nil, false, nil
}

// Fill reads more. It is called when [LineReader.NextLine] returns no more lines.
// While it waits, its frames and those of the reader below are on the stack of each
// of many thousand goroutines, so they are few and small.
func (l *LineReader) Fill() error {
	if l.OnWait != nil {
		l.OnWait()
	}
	if l.err != nil {
		return l.err
	}
	if lazy, ok := l.r.(LazyReader); ok && l.start == l.end {
		l.release()
		l.start, l.end = 0, 0
		buf, n, err := lazy.ReadLazily(l.spare())
		l.buf = buf
		l.end = l.received(0, n)
		return err
	}
	err := l.readMore()
	if err == io.EOF && l.end > l.start && !l.dropping && !l.atEnd && l.Decode == nil {
		l.atEnd = true
		return nil // the line that ends there
	}
	return err
}

// readMore reads to the end of buf, after making room there.
func (l *LineReader) readMore() error {
	switch free := len(l.buf) - l.end - l.spare(); {
	case l.start > 0 && free <= len(l.buf)/2: // a small read would be a waste of a call
		l.end = copy(l.buf, l.buf[l.start:l.end])
		l.start = 0
	case free <= 0:
		grown := make([]byte, min(max(2*len(l.buf), firstBuffer), l.limit()))
		copy(grown, l.buf[:l.end])
		l.release()
		l.buf = grown
	}
	for range 100 { // as bufio: a reader that returns nothing forever is broken
		n, err := l.r.Read(l.buf[l.end+l.spare():])
		l.end = l.received(l.end, n)
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// spare returns how many bytes must be free before those that are read: see Decode.
func (l *LineReader) spare() int {
	if l.Decode != nil {
		return 1
	}
	return 0
}

// limit returns how many bytes the buffer has at most.
func (l *LineReader) limit() int {
	if l.max == math.MaxInt {
		return l.max
	}
	return l.max + l.spare()
}

// received counts and decodes n bytes that were read to buf[at+spare:], and returns where in
// buf they end.
func (l *LineReader) received(at, n int) (end int) {
	if n == 0 {
		return at
	}
	if l.OnRead != nil {
		l.OnRead(n)
	}
	if l.Decode == nil {
		return at + n
	}
	n, l.err = l.Decode(l.buf[at : at+1+n])
	return at + n
}

// release returns the buffer, if it is one of those that are shared.
func (l *LineReader) release() {
	if len(l.buf) == bufferSize {
		PutBuffer(l.buf)
	}
	l.buf = nil
}

// A LazyReader reads without holding a buffer while it waits: most of many
// thousand connections wait most of the time.
type LazyReader interface {
	io.Reader
	// ReadLazily waits until there is something to read, and reads it into a
	// buffer from [TakeBuffer], after so many spare bytes. n does not count them.
	// It returns no buffer with an error.
	ReadLazily(spare int) (buf []byte, n int, err error)
}

// bufferSize is how many bytes one read takes at most: enough for a flood to need
// few reads.
const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// TakeBuffer returns a buffer of 16 KiB, to be returned by [PutBuffer].
func TakeBuffer() []byte { return buffers.Get().(*[bufferSize]byte)[:] }

// PutBuffer returns a buffer; its bytes are not used any more.
func PutBuffer(b []byte) { buffers.Put((*[bufferSize]byte)(b)) }

// TelnetMark is what telnet sends when its user presses Ctrl-C: "do timing mark"
// (RFC 860). It shows nothing more until the mark comes, or [TelnetNoMark].
var (
	TelnetMark   = []byte{255, 253, 6} // IAC DO TIMING-MARK
	TelnetNoMark = []byte{255, 252, 6} // IAC WONT TIMING-MARK
)

// StripTelnet removes the commands that telnet clients send within a line
// (RFC 854, IAC sequences), in place. Their first byte, 0xFF, never occurs in UTF-8,
// so the lines of other clients do not change.
func StripTelnet(line []byte) []byte {
	const (
		iac = 255
		sb  = 250 // sub-negotiation, up to IAC SE
		se  = 240
	)
	if bytes.IndexByte(line, iac) < 0 {
		return line
	}
	kept := line[:0]
	for i := 0; i < len(line); i++ {
		if line[i] != iac {
			kept = append(kept, line[i])
			continue
		}
		i++
		switch {
		case i >= len(line) || line[i] < sb || line[i] == iac: // a command of two bytes
		case line[i] == sb:
			end := bytes.Index(line[i:], []byte{iac, se})
			if end < 0 {
				return kept
			}
			i += end + 1
		default: // WILL, WONT, DO, DONT and their option
			i++
		}
	}
	return kept
}

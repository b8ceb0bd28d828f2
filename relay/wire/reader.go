package wire

import (
	"bytes"
	"errors"
	"io"
	"math"
	"sync"
)

// ErrLineTooLong is returned by [LineReader.ReadLine] once for a line over the
// limit. The line is dropped; the next call goes on behind its newline.
var ErrLineTooLong = errors.New("line too long")

// firstBuffer is what a reader starts with, in bytes: enough for most lines
// people type, and little for the thousands who only listen.
const firstBuffer = 512

// A LineReader reads lines from a peer that may send anything: without newline,
// a byte a second, or megabytes at once. It holds no more than its limit.
// It is not safe for concurrent use.
//
// An error of the reader below (a timeout, say) loses nothing: what came in
// before stays and the next call goes on with it.
type LineReader struct {
	OnRead func(n int) // told of each read of n bytes, if it is not nil
	OnWait func()      // called before each read, when no whole line is left, if it is not nil

	r          io.Reader
	max        int    // bytes of a line with its newline
	buf        []byte // buf[start:end] is read but not yet returned
	start, end int
	scanned    int      // of buf[start:end], how much holds no newline
	dropping   bool     // inside a line that was too long
	atEnd      bool     // nothing more comes behind what is read
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

// Dropped returns how the line began that was dropped last, for those who must
// know what it was.
func (l *LineReader) Dropped() []byte { return l.dropped[:] }

// Pending returns what came in behind the line returned last: at a timeout, the
// unfinished line.
func (l *LineReader) Pending() []byte { return l.buf[l.start:l.end] }

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

// NextLine is ReadLine of what was read already; ok is false when that holds no
// whole line. Its only error is ErrLineTooLong.
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

// unfinishedLine deals with what was read of a line whose newline is not there yet.
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

// Fill reads more, to be called when [LineReader.NextLine] has no line any more.
// While it waits, its frames and those of the reader below stand on the stack of each
// of many thousand goroutines: they are few and small.
func (l *LineReader) Fill() error {
	if l.OnWait != nil {
		l.OnWait()
	}
	if lazy, ok := l.r.(LazyReader); ok && l.start == l.end {
		l.release()
		l.start, l.end = 0, 0
		var err error
		l.buf, l.end, err = lazy.ReadLazily()
		l.told(l.end)
		return err
	}
	err := l.readMore()
	if err == io.EOF && l.end > l.start && !l.dropping && !l.atEnd {
		l.atEnd = true
		return nil // the line that ends there
	}
	return err
}

// readMore reads behind buf[:end], making room first.
func (l *LineReader) readMore() error {
	if l.start == l.end {
		l.start, l.end = 0, 0
	}
	if l.end == len(l.buf) {
		switch {
		case l.start > 0:
			copy(l.buf, l.buf[l.start:l.end])
		default:
			grown := make([]byte, min(max(2*len(l.buf), firstBuffer), l.max))
			copy(grown, l.buf[:l.end])
			l.release()
			l.buf = grown
		}
		l.end -= l.start
		l.start = 0
	}
	for range 100 { // as bufio: a reader that returns nothing forever is broken
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		l.told(n)
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

func (l *LineReader) told(n int) {
	if l.OnRead != nil && n > 0 {
		l.OnRead(n)
	}
}

// release gives the buffer back, if it is one of those that are shared.
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
	// buffer from [TakeBuffer]. It returns no buffer with an error.
	ReadLazily() (buf []byte, n int, err error)
}

// bufferSize is what one read takes at most, in bytes: large enough for a flood to
// cost few reads.
const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// TakeBuffer returns a buffer of 16 KiB, which goes back by [PutBuffer].
func TakeBuffer() []byte { return buffers.Get().(*[bufferSize]byte)[:] }

// PutBuffer gives a buffer back; its bytes are not used any more.
func PutBuffer(b []byte) { buffers.Put((*[bufferSize]byte)(b)) }

// TelnetMark is what telnet sends when its user presses Ctrl-C: "do timing mark"
// (RFC 860). It shows nothing more until the mark comes, or [TelnetNoMark].
var (
	TelnetMark   = []byte{255, 253, 6} // IAC DO TIMING-MARK
	TelnetNoMark = []byte{255, 252, 6} // IAC WONT TIMING-MARK
)

// StripTelnet removes the commands that telnet clients mix into what is typed
// (RFC 854, IAC sequences), in place. Their first byte, 0xFF, stands in no UTF-8
// text, so for every other client this changes nothing.
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

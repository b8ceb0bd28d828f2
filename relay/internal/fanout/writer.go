package fanout

import (
	"net"
	"sync"
)

// A Writer is what one worker writes with. It belongs to the worker.
type Writer struct {
	Runs [][]byte // scratch space for the lines of one target
	flat []byte   // several short runs as one

	// of the write in progress; see nonBlockingConn
	put func(fd uintptr) bool
	buf []byte
	n   int
	err error
}

// writers are kept from workers that have ended for those that start.
var writers = sync.Pool{New: func() any { return &Writer{flat: make([]byte, 0, flatSize)} }}

// release returns w to the pool without the bytes that were written.
func (w *Writer) release() {
	clear(w.Runs[:cap(w.Runs)])
	w.buf = nil
	writers.Put(w)
}

// flatSize is how many bytes of several runs are joined for one write.
const flatSize = 64 << 10

// An EagerConn is a connection that can be written to without waiting.
type EagerConn interface {
	// WriteEagerly writes runs with w as far as the connection takes them at once,
	// and returns the rest.
	WriteEagerly(w *Writer, runs [][]byte) (rest [][]byte, err error)
}

// NonBlocking returns conn as an [EagerConn] that also holds no buffer while it waits to
// be read, if the system and the kind of connection allow it, and conn itself otherwise.
func NonBlocking(conn net.Conn) net.Conn { return nonBlocking(conn) }

// Next returns the bytes of the next write: the first run, or several short ones joined.
func (w *Writer) Next(runs [][]byte) []byte {
	if len(runs) == 1 || len(runs[0]) >= flatSize {
		return runs[0]
	}
	w.flat = w.flat[:0]
	for _, run := range runs {
		if len(w.flat)+len(run) > flatSize {
			break
		}
		w.flat = append(w.flat, run...)
	}
	return w.flat
}

// After returns what remains of runs after their first n bytes. It may change runs.
func After(runs [][]byte, n int) [][]byte {
	for len(runs) > 0 && n >= len(runs[0]) {
		n -= len(runs[0])
		runs = runs[1:]
	}
	if n > 0 {
		runs[0] = runs[0][n:]
	}
	return runs
}

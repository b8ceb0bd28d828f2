package relay

import "sync"

// A writer is what one worker of the fanout writes with.
type writer struct {
	runs [][]byte // of the session at hand
	flat []byte   // several runs as one

	// of the write at hand, see eagerConn
	put func(fd uintptr) bool
	buf []byte
	n   int
	err error
}

// writers are what workers that have ended leave to those that come.
var writers = sync.Pool{New: func() any { return &writer{flat: make([]byte, 0, flatSize)} }}

// release gives w back, and lets go of what was written.
func (w *writer) release() {
	clear(w.runs[:cap(w.runs)])
	w.buf = nil
	writers.Put(w)
}

// flatSize is how many bytes of several runs are put together for one write.
const flatSize = 64 << 10

// An eagerConn is a connection that can be written to without waiting.
type eagerConn interface {
	// writeNow writes w.runs as far as the connection takes them at once, and
	// returns what is left.
	writeNow(w *writer) (left [][]byte, err error)
}

// next returns what the next write has of runs: the first one, or several short
// ones put together.
func (w *writer) next(runs [][]byte) []byte {
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

// behind returns what is left of runs behind their first n bytes.
func behind(runs [][]byte, n int) [][]byte {
	for len(runs) > 0 && n >= len(runs[0]) {
		n -= len(runs[0])
		runs = runs[1:]
	}
	if n > 0 {
		runs[0] = runs[0][n:]
	}
	return runs
}

package fanout

import (
	"net"
	"sync"
)

// A Writer holds the buffers of one worker, which owns it.
type Writer struct {
	Runs [][]byte // scratch space for the lines of one target
	flat []byte   // copies of short runs

	// of the write in progress; see nonBlockingConn
	put    func(fd uintptr) bool
	vector [][]byte // see Gather
	n      int      // bytes that were
	err    error
}

// writers are kept from workers that have ended for those that start.
var writers = sync.Pool{New: func() any { return &Writer{flat: make([]byte, 0, flatSize)} }}

// release returns w to the pool without the bytes that were written.
func (w *Writer) release() {
	clear(w.Runs[:cap(w.Runs)])
	clear(w.vector[:cap(w.vector)])
	writers.Put(w)
}

// flatSize is how many bytes of short runs are copied for one write.
const flatSize = 64 << 10

// An EagerConn is a connection that can be written to without waiting.
type EagerConn interface {
	// WriteEagerly writes runs with w as far as the connection takes them at once,
	// and returns the rest. If the connection is a [RunWriter], some of what it took may be unsent.
	WriteEagerly(w *Writer, runs [][]byte) (rest [][]byte, err error)
}

// A RunWriter is a connection that encrypts what it writes, and may have accepted more than it could send.
type RunWriter interface {
	// WriteRuns writes runs, within the write deadline, and removes from runs what the connection has accepted. What is
	// unsent goes first. sent is how many bytes the peer's side has taken: if it is 0, there was no progress.
	WriteRuns(runs *net.Buffers) (sent int64, err error)
	// Unsent reports whether accepted bytes are unsent.
	Unsent() bool
}

// HasUnsent reports whether conn has accepted bytes that it could not send yet.
func HasUnsent(conn net.Conn) bool {
	writer, ok := conn.(RunWriter)
	return ok && writer.Unsent()
}

// WriteRuns writes runs to conn, within the write deadline, and removes what was written. sent is 0 if there was no
// progress.
func WriteRuns(conn net.Conn, runs *net.Buffers) (sent int64, err error) {
	if writer, ok := conn.(RunWriter); ok {
		return writer.WriteRuns(runs)
	}
	return runs.WriteTo(conn)
}

// NonBlocking returns conn as an [EagerConn] that also holds no buffer while it waits to
// be read, if the system and the kind of connection allow it, and conn itself otherwise.
func NonBlocking(conn net.Conn) net.Conn { return nonBlocking(conn) }

// Gather returns the pieces for the next write, and the number of their bytes. It copies
// adjacent short runs into one piece; a long run is a piece of its own and not copied. The
// pieces are valid until the next call.
func (w *Writer) Gather(runs [][]byte) (pieces [][]byte, size int) {
	w.flat, w.vector = w.flat[:0], w.vector[:0]
	if len(runs) == 1 {
		w.vector = append(w.vector, runs[0])
		return w.vector, len(runs[0])
	}
	for follows := false; len(runs) > 0; runs = runs[1:] { // follows: the last piece of vector is the end of flat
		run, last := runs[0], len(w.vector)-1
		isShort := len(run) < shortRun && len(w.flat)+len(run) <= flatSize
		if !(follows && isShort) && len(w.vector) == maxVector {
			break
		}
		size += len(run)
		switch start := len(w.flat); {
		case !isShort:
			w.vector = append(w.vector, run)
		case follows:
			w.flat = append(w.flat, run...)
			w.vector[last] = w.flat[start-len(w.vector[last]):]
		default:
			w.flat = append(w.flat, run...)
			w.vector = append(w.vector, w.flat[start:])
		}
		follows = isShort
	}
	return w.vector, size
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

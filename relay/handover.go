package relay

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// errWeb ends the greeting of a connection that speaks HTTP.
var errWeb = errors.New("it speaks HTTP")

// A webConn is a connection that speaks HTTP, handed over by its session. That one stands
// for it in what the server counts, and is closed with the room, until the webConn is closed.
type webConn struct {
	net.Conn
	head    []byte // what was read already; the reader's
	session *session
	release func() // gives its place back, once
}

// handOver gives the connection to what speaks HTTP, with the request line that was read
// of it; over is called when it has been closed.
func (s *session) handOver(request []byte, over func()) {
	head := slices.Concat(request, []byte("\r\n"), s.lines.Pending())
	s.readBy(time.Time{})
	s.server.mu.Lock()
	s.server.countPageLocked(s.address, 1)
	s.mu.Lock()
	s.handedOver = true
	ending := s.ending
	s.mu.Unlock()
	s.server.mu.Unlock()
	w := &webConn{Conn: s.conn, head: head, session: s, release: sync.OnceFunc(func() {
		s.mu.Lock()
		due := s.due
		s.mu.Unlock()
		s.server.keepDebt(s.address, due)
		s.server.release(s)
		over()
	})}
	if ending { // the room closed meanwhile
		w.Close()
		return
	}
	s.server.opts.Web(w)
}

func (w *webConn) Read(b []byte) (int, error) {
	if len(w.head) == 0 {
		return w.Conn.Read(b)
	}
	n := copy(b, w.head)
	if w.head = w.head[n:]; len(w.head) == 0 {
		w.head = nil
	}
	return n, nil
}

// KeepPace counts a request as a line is counted, and waits until it may be answered: asking
// without end takes no more from the room than talking without end.
func (w *webConn) KeepPace() {
	s := w.session
	s.mu.Lock()
	wait := s.server.pace.take(&s.due)
	s.mu.Unlock()
	if wait <= 0 {
		return
	}
	select {
	case <-time.After(wait):
	case <-s.hasEnded():
	}
}

// ReadFrom lets the system copy a file to the connection, where it can.
func (w *webConn) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := w.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(onlyWriter{w.Conn}, r)
}

type onlyWriter struct{ io.Writer }

func (w *webConn) Close() error {
	defer w.release()
	return w.Conn.Close()
}

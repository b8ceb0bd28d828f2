package session

import (
	"chat/relay/internal/fanout"
	"errors"
	"net"
	"slices"
	"sync"
)

// A FramedConn is a connection on which what is written is put into frames, as a
// browser's WebSocket is. Each frame holds whole lines, and several of them where
// several are there. Its peer is a program: it says a hello.
type FramedConn interface {
	net.Conn // what comes in is read from it, without frames

	// NetConn returns the connection that frames are written to.
	NetConn() net.Conn
	// AppendHeader appends what stands before n bytes of lines in a frame.
	AppendHeader(dst []byte, n int) []byte
	// AppendGoodbye appends the last frame, which ends the connection.
	AppendGoodbye(dst []byte) []byte
	// OnControl sets what takes frames of the connection's own, to be written between the
	// others. It is called once, before the first read.
	OnControl(write func(frame []byte))
}

// maxFrame is how many bytes a frame has at most, if not one run of the log has more:
// its reader must have all of it before it sees the first line.
const maxFrame = 64 << 10

// maxControl is how many bytes of control frames wait for a session; what comes
// beyond is dropped: the peer asks again.
const maxControl = 4 << 10

// A framedConn is a FramedConn as a session uses it.
type framedConn struct {
	FramedConn
	raw net.Conn // writes

	mu      sync.Mutex
	control []byte // frames to be written before the next one; under mu
}

// Framed returns conn as a [Conn] takes it. The connection below writes; see fanout.NonBlocking.
func Framed(conn FramedConn, below net.Conn) net.Conn {
	return &framedConn{FramedConn: conn, raw: below}
}

func (c *framedConn) Write(b []byte) (int, error) { return c.raw.Write(b) }

// CloseWrite ends what is written, so that the peer can read it to its end.
func (c *framedConn) CloseWrite() error {
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// putControl takes a frame to be written before the next one.
func (c *framedConn) putControl(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.control)+len(frame) <= maxControl {
		c.control = append(c.control, frame...)
	}
}

// takeControl returns the control frames that wait.
func (c *framedConn) takeControl() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.control
	c.control = nil
	return b
}

func (c *framedConn) hasControl() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.control) > 0
}

// frame puts runs of lines into frames.
func (c *framedConn) frame(runs [][]byte) [][]byte {
	framed := make([][]byte, 0, len(runs)+2)
	if b := c.takeControl(); len(b) > 0 {
		framed = append(framed, b)
	}
	for len(runs) > 0 {
		n, size := 1, len(runs[0])
		for n < len(runs) && size+len(runs[n]) <= maxFrame {
			size += len(runs[n])
			n++
		}
		framed = append(framed, c.AppendHeader(nil, size))
		framed = append(framed, runs[:n]...)
		runs = runs[n:]
	}
	return framed
}

// frameLocked counts the lines that are written next, and puts them into frames if the
// connection has frames.
func (o *outbox) frameLocked(runs [][]byte) [][]byte {
	for _, run := range runs {
		o.counts.Sent += uint64(len(run))
	}
	c, ok := o.conn.(*framedConn)
	if !ok {
		return runs
	}
	framed := c.frame(runs)
	return append(slices.Delete(runs, 0, len(runs)), framed...)
}

// hasControl reports whether frames of the connection's own wait.
func (o *outbox) hasControl() bool {
	c, ok := o.conn.(*framedConn)
	return ok && c.hasControl()
}

// eagerly returns conn as one that can be written to without waiting, if it can.
func eagerly(conn net.Conn) (fanout.EagerConn, bool) {
	if c, ok := conn.(*framedConn); ok {
		conn = c.raw
	}
	eager, ok := conn.(fanout.EagerConn)
	return eager, ok
}

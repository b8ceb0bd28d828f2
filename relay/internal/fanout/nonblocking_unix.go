//go:build unix

package fanout

import (
	"fmt"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"chat/relay/wire"
)

// A nonBlockingConn is a TCP connection that is written to without waiting, and holds no
// buffer while it waits to be read. One goroutine reads it.
type nonBlockingConn struct {
	*net.TCPConn
	raw syscall.RawConn

	// of the reading goroutine
	try   func(fd uintptr) bool // read, bound once: it would be allocated with each read
	spare int                   // bytes that are free at the start of buf
	buf   []byte                // from the read that ended the wait
	n     int                   // bytes in buf after those
	err   error
}

func nonBlocking(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	c := &nonBlockingConn{TCPConn: tcp, raw: raw}
	c.try = c.read
	return c
}

// ReadLazily implements [wire.LazyReader].
func (c *nonBlockingConn) ReadLazily(spare int) ([]byte, int, error) {
	c.spare, c.buf, c.n, c.err = spare, nil, 0, nil
	if err := c.raw.Read(c.try); err != nil {
		return nil, 0, err
	}
	buf, n, err := c.buf, c.n, c.err
	c.buf = nil
	switch {
	case err != nil:
		err = fmt.Errorf("read: %w", err)
	case n == 0:
		err = io.EOF
	default:
		return buf, n, nil
	}
	wire.PutBuffer(buf)
	return nil, 0, err
}

// WriteEagerly implements [EagerConn].
func (c *nonBlockingConn) WriteEagerly(w *Writer, runs [][]byte) (rest [][]byte, err error) {
	if w.put == nil {
		w.put = w.write
	}
	for rest = runs; len(rest) > 0; {
		_, size := w.Gather(rest)
		if err := c.raw.Write(w.put); err != nil {
			return nil, fmt.Errorf("write: %w", err)
		}
		switch {
		case w.err == unix.EAGAIN:
			return rest, nil
		case w.err != nil:
			return nil, fmt.Errorf("write: %w", w.err)
		}
		if rest = After(rest, w.n); w.n < size {
			return rest, nil
		}
	}
	return nil, nil
}

// write writes w.vector once. It never asks the runtime to wait.
func (w *Writer) write(fd uintptr) bool {
	for {
		if len(w.vector) == 1 {
			w.n, w.err = write(int(fd), w.vector[0])
		} else {
			w.n, w.err = writev(int(fd), w.vector)
		}
		if w.err != unix.EINTR {
			return true
		}
	}
}

// read reads what has arrived; false means that nothing has.
func (c *nonBlockingConn) read(fd uintptr) bool {
	c.buf = wire.TakeBuffer()
	for {
		c.n, c.err = read(int(fd), c.buf[c.spare:])
		switch c.err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			wire.PutBuffer(c.buf)
			c.buf = nil
			return false
		}
		return true
	}
}

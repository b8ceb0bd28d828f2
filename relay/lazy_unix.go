//go:build unix

package relay

import (
	"fmt"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"chat/relay/wire"
)

// A lazyConn is a TCP connection that holds no buffer while it waits to be read.
// One goroutine reads it.
type lazyConn struct {
	*net.TCPConn
	raw syscall.RawConn
	try func(fd uintptr) bool // attempt, made once: it would be new with each read

	buf []byte // what the attempt that ended the waiting read
	n   int
	err error
}

// lazily returns conn as one that can be read without a buffer, where that can be.
func lazily(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	c := &lazyConn{TCPConn: tcp, raw: raw}
	c.try = c.attempt
	return c
}

// ReadLazily is that of wire.LazyReader.
func (c *lazyConn) ReadLazily() ([]byte, int, error) {
	c.buf, c.n, c.err = nil, 0, nil
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

// writeNow is that of eagerConn.
func (c *lazyConn) writeNow(w *writer) ([][]byte, error) {
	if w.put == nil {
		w.put = w.attempt
	}
	for left := w.runs; ; {
		if len(left) == 0 {
			return nil, nil
		}
		w.buf = w.next(left)
		if err := c.raw.Write(w.put); err != nil {
			return nil, fmt.Errorf("write: %w", err)
		}
		switch {
		case w.err == unix.EAGAIN:
			return left, nil
		case w.err != nil:
			return nil, fmt.Errorf("write: %w", w.err)
		}
		left = behind(left, w.n)
		if w.n < len(w.buf) {
			return left, nil
		}
	}
}

// attempt writes w.buf once; it never asks to wait.
func (w *writer) attempt(fd uintptr) bool {
	for {
		if w.n, w.err = unix.Write(int(fd), w.buf); w.err != unix.EINTR {
			return true
		}
	}
}

// attempt reads what there is; false means that there is nothing yet.
func (c *lazyConn) attempt(fd uintptr) bool {
	c.buf = wire.TakeBuffer()
	for {
		c.n, c.err = unix.Read(int(fd), c.buf)
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

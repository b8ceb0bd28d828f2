package encrypted

import (
	"chat/relay/internal/fanout"
	"chat/relay/wire"
)

// An eagerConn is a Conn on a connection that is written to without waiting, and read without holding a buffer.
type eagerConn struct{ *Conn }

// WriteEagerly implements [fanout.EagerConn]. It encrypts only if all ciphertext before is sent, so at most one piece
// is unsent in the end.
func (c eagerConn) WriteEagerly(w *fanout.Writer, runs [][]byte) (rest [][]byte, err error) {
	if !c.sending.TryLock() {
		return runs, nil
	}
	defer c.sending.Unlock()
	for rest = runs; ; {
		if isAll, err := c.flushNow(w); err != nil || !isAll || len(rest) == 0 {
			return rest, err
		}
		if rest, err = c.encrypt(rest); err != nil {
			return rest, err
		}
	}
}

// ReadLazily implements [wire.LazyReader]. A goroutine that has never received anything waits without crypto/tls on its
// stack, which then is half as large.
func (c eagerConn) ReadLazily(spare int) ([]byte, int, error) {
	for {
		if c.isDrained {
			if err := c.await(); err != nil {
				return nil, 0, err
			}
		}
		buf := wire.TakeBuffer()
		n, err := c.readAll(buf[spare:])
		if n > 0 {
			return buf, n, nil // an error comes again
		}
		wire.PutBuffer(buf)
		if err != errNoInput {
			return nil, 0, err
		}
	}
}

// readAll reads all input that has arrived, up to the length of b.
func (c eagerConn) readAll(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = c.tls.Read(b[n:])
		n += m
	}
	return n, err
}

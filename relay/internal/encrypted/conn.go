package encrypted

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"chat/relay/internal/fanout"
	"chat/relay/wire"
)

// A Conn is the host's end of a TLS connection. One goroutine reads it. Write, WriteRuns and CloseWrite may be called
// at any time, and Close ends them.
//
// The deadlines are those of the connection below. Unlike with a [tls.Conn], a timeout loses nothing, and the next call
// continues.
type Conn struct {
	net.Conn // below; fixed

	tls *tls.Conn // on the link; fixed

	// owned by the goroutine that reads
	turn  sync.Locker // see Handshake; nil after it
	in    []byte      // ciphertext that tls has not read
	inBuf []byte      // the buffer of in, from wire.TakeBuffer; nil: it has none

	isDrained bool // tls has returned all that arrived; owned by the goroutine that reads

	// sending is held while bytes are encrypted and written. tls does not need it to add an alert or a key update.
	sending sync.Mutex

	mu  sync.Mutex // guards out; taken last
	out *outgoing  // ciphertext that the connection below has not accepted; nil: there is none
}

// Server returns the host's end of a TLS connection on conn, from which head was read already. config has to disable
// dynamic record sizes. [Conn.Handshake] comes next.
func Server(conn net.Conn, head []byte, config *tls.Config) *Conn {
	c := &Conn{Conn: conn, in: head}
	c.tls = tls.Server((*link)(c), config)
	return c
}

// Handshake runs the handshake. It holds turn while it computes, and not while it waits for the peer: that costs
// nothing. The deadlines have to bound it.
func (c *Conn) Handshake(turn sync.Locker) error {
	turn.Lock()
	defer turn.Unlock()
	c.turn = turn
	defer func() { c.turn = nil }()
	if err := c.tls.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	return nil
}

// NonBlocking returns c as a connection that is written to without waiting and holds no buffer while it waits to be
// read, if the one below is such a connection; see [fanout.NonBlocking].
func (c *Conn) NonBlocking() net.Conn {
	if c.isLazy() && c.isEager() {
		return eagerConn{c}
	}
	return c
}

func (c *Conn) isLazy() bool {
	_, ok := c.Conn.(wire.LazyReader)
	return ok
}

func (c *Conn) isEager() bool {
	_, ok := c.Conn.(fanout.EagerConn)
	return ok
}

// Exporter returns length bytes that only the two ends of the connection know (RFC 8446, section 7.5). Call it after
// the handshake.
func (c *Conn) Exporter(label string, length int) ([]byte, error) {
	state := c.tls.ConnectionState()
	b, err := state.ExportKeyingMaterial(label, nil, length)
	if err != nil {
		return nil, fmt.Errorf("export key material: %w", err)
	}
	return b, nil
}

// Read implements net.Conn. The input may end only as TLS ends it, by close_notify; otherwise someone may have cut off
// the rest.
func (c *Conn) Read(b []byte) (int, error) {
	for {
		if c.isDrained && len(b) > 0 {
			if err := c.await(); err != nil {
				return 0, err
			}
		}
		if n, err := c.tls.Read(b); err != errNoInput || n > 0 {
			return n, err
		}
	}
}

// await waits for ciphertext and reads it into a buffer.
func (c *Conn) await() error {
	buf, n, err := c.Conn.(wire.LazyReader).ReadLazily(0)
	if err != nil {
		return ended(err)
	}
	c.in, c.inBuf, c.isDrained = buf[:n], buf, false
	return nil
}

// errCutOff is the end of an input without close_notify.
var errCutOff = fmt.Errorf("%w: TLS did not end it", io.ErrUnexpectedEOF)

func ended(err error) error {
	if err == io.EOF {
		return errCutOff
	}
	return err
}

// Write implements net.Conn. It encrypts at most 64 KiB before the connection below has accepted the ciphertext before.
// n counts bytes that were encrypted, of which some may be unsent after an error.
func (c *Conn) Write(b []byte) (n int, err error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	for {
		if sent, err := c.flush(); err != nil {
			return n, timeoutError(err, sent)
		}
		if n == len(b) {
			return n, nil
		}
		written, err := c.tls.Write(b[n:min(len(b), n+maxPiece)])
		n += written
		if err != nil {
			return n, fmt.Errorf("encrypt: %w", err)
		}
	}
}

// WriteRuns implements [fanout.RunWriter].
func (c *Conn) WriteRuns(runs *net.Buffers) (sent int64, err error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	for {
		n, err := c.flush()
		sent += int64(n)
		if err != nil || len(*runs) == 0 {
			return sent, err
		}
		if *runs, err = c.encrypt(*runs); err != nil {
			return sent, err
		}
	}
}

// CloseWrite sends close_notify, after which the peer can still send.
func (c *Conn) CloseWrite() error {
	if err := c.tls.CloseWrite(); err != nil {
		return fmt.Errorf("send close_notify: %w", err)
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	if _, err := c.flush(); err != nil {
		return fmt.Errorf("send close_notify: %w", err)
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements net.Conn. It sends close_notify if that goes at once.
func (c *Conn) Close() error { return c.tls.Close() }

// A TimeoutError is a timeout of a write that still made progress: the connection below accepted Sent bytes of
// what was encrypted before.
type TimeoutError struct {
	Sent  int
	Cause error
}

func (e *TimeoutError) Error() string { return fmt.Sprintf("after %d bytes: %v", e.Sent, e.Cause) }

func (e *TimeoutError) Unwrap() error { return e.Cause }

// Progress reports that bytes were sent. Package web asks for it.
func (e *TimeoutError) Progress() bool { return true }

// timeoutError returns err, as a TimeoutError if it is one.
func timeoutError(err error, sent int) error {
	if sent > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return &TimeoutError{Sent: sent, Cause: err}
	}
	return err
}

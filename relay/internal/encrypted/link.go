package encrypted

import (
	"errors"
	"net"
	"time"

	"chat/relay/internal/fanout"
	"chat/relay/wire"
)

// A link is a [Conn] as crypto/tls has it: the connection below its own. Reading takes the ciphertext that the Conn
// has read, and writing leaves it with the Conn. It has no deadlines.
type link Conn

// errNoInput means that more ciphertext has to be awaited. To crypto/tls it is a passing error, as a timeout is: the
// next read continues.
var errNoInput error = noInput{}

type noInput struct{}

func (noInput) Error() string   { return "no input yet" }
func (noInput) Timeout() bool   { return false }
func (noInput) Temporary() bool { return true }

// Read implements net.Conn. The goroutine that reads the Conn calls it.
func (l *link) Read(b []byte) (n int, err error) {
	c := (*Conn)(l)
	if len(c.in) == 0 {
		switch {
		case c.turn != nil:
			n, err = l.readInHandshake(b)
		case c.isLazy():
			c.isDrained = true
			return 0, errNoInput
		default:
			n, err = c.Conn.Read(b)
		}
		if n > 0 || err != nil {
			return n, ended(err)
		}
	}
	n = copy(b, c.in)
	if c.in = c.in[n:]; len(c.in) == 0 {
		c.in = nil
		if c.inBuf != nil {
			wire.PutBuffer(c.inBuf)
			c.inBuf = nil
		}
	}
	return n, nil
}

// readInHandshake waits for input.
func (l *link) readInHandshake(b []byte) (int, error) {
	c := (*Conn)(l)
	c.turn.Unlock()
	defer c.turn.Lock()
	if c.isLazy() {
		return 0, c.await()
	}
	return c.Conn.Read(b)
}

// maxUnsent is the limit of ciphertext that waits in a Conn, in bytes. Only a peer that reads nothing and asks for new
// keys again and again reaches it.
const maxUnsent = 256 << 10

var errTooMuch = errors.New("the peer does not read its key updates")

// Write implements net.Conn. crypto/tls has a lock while it calls it, so it does not wait, except in the handshake.
func (l *link) Write(b []byte) (int, error) {
	c := (*Conn)(l)
	if !c.keep(b) {
		return 0, errTooMuch
	}
	switch {
	case c.turn != nil:
		c.turn.Unlock()
		defer c.turn.Lock()
		if _, err := c.flush(); err != nil {
			return 0, err
		}
	case c.isEager() && c.sending.TryLock(): // it is an alert or a key update, by the goroutine that reads or closes
		defer c.sending.Unlock()
		if _, err := c.flushNow(new(fanout.Writer)); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// closeTime is how long Close waits for an alert to be sent on a connection that cannot be written to without waiting.
const closeTime = 100 * time.Millisecond

// Close implements net.Conn.
func (l *link) Close() error {
	c := (*Conn)(l)
	if !c.isEager() && c.Unsent() && c.sending.TryLock() {
		defer c.sending.Unlock()
		c.Conn.SetWriteDeadline(time.Now().Add(closeTime))
		c.flush() // the connection ends either way
	}
	return c.Conn.Close()
}

func (l *link) LocalAddr() net.Addr              { return l.Conn.LocalAddr() }
func (l *link) RemoteAddr() net.Addr             { return l.Conn.RemoteAddr() }
func (l *link) SetDeadline(time.Time) error      { return nil }
func (l *link) SetReadDeadline(time.Time) error  { return nil }
func (l *link) SetWriteDeadline(time.Time) error { return nil }

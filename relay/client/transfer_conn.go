package client

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

const (
	// stallTime is how long a connection may make no progress. A host with a slow disk
	// writes the end of a large file before it answers.
	stallTime = time.Minute

	// sendAhead is how much an upload sends ahead of the host's acknowledgements, as the time
	// that the line takes for it. The messages of the room wait behind these bytes.
	sendAhead = time.Second

	// The limits of that in bytes. The first is also what an upload starts with.
	minSendBuffer = 16 << 10
	maxSendBuffer = 4 << 20
)

// A lastTime is when something happened last. It may be used concurrently.
type lastTime struct{ nanoseconds atomic.Int64 }

func (l *lastTime) set() { l.nanoseconds.Store(time.Now().UnixNano()) }

// within reports whether it happened within the last d.
func (l *lastTime) within(d time.Duration) bool {
	return time.Since(time.Unix(0, l.nanoseconds.Load())) < d
}

// A transferConn is the connection of an upload or download. It fails if it makes no progress for
// stallTime, and sends no more than sendAhead.
type transferConn struct {
	net.Conn
	client   *Client
	addr     string // as dialed
	progress *lastTime

	// owned by the writing goroutine
	buffer  int       // bytes that may be sent ahead
	began   time.Time // of the measurement of the line's speed
	written int       // bytes since then
}

// newTransferConn returns the transferConn of c over conn, a connection to addr.
func (c *Client) newTransferConn(conn net.Conn, addr string) *transferConn {
	t := &transferConn{Conn: conn, client: c, addr: addr, progress: c.transferred, began: time.Now()}
	t.setBuffer(minSendBuffer)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.carriers[t] = true
	if addr != c.hostAddr { // the client has moved meanwhile
		t.cut()
	}
	return t
}

// Close closes the connection.
func (t *transferConn) Close() error {
	t.client.mu.Lock()
	delete(t.client.carriers, t)
	t.client.mu.Unlock()
	return t.Conn.Close()
}

// cut ends the connection without a goodbye, which its peer may not take.
func (t *transferConn) cut() { t.raw().Close() }

// cutTransfersLocked cuts the connections to other hosts than the current one. Their uploads and downloads continue
// there: the one before is perhaps gone, which they would notice only after stallTime.
func (c *Client) cutTransfersLocked() {
	for t := range c.carriers {
		if t.addr != c.hostAddr {
			t.cut()
		}
	}
}

// raw returns the connection below TLS.
func (t *transferConn) raw() net.Conn {
	if encrypted, ok := t.Conn.(*tls.Conn); ok {
		return encrypted.NetConn()
	}
	return t.Conn
}

// setBuffer sets the size of the system's buffer, which holds the bytes sent ahead.
func (t *transferConn) setBuffer(size int) {
	t.buffer = size
	if conn, ok := t.raw().(interface{ SetWriteBuffer(bytes int) error }); ok {
		conn.SetWriteBuffer(size) // if it fails, more is sent ahead
	}
}

func (t *transferConn) Read(b []byte) (int, error) {
	t.SetReadDeadline(time.Now().Add(stallTime))
	n, err := t.Conn.Read(b)
	if n > 0 {
		t.progress.set()
	}
	return n, err
}

func (t *transferConn) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		t.SetWriteDeadline(time.Now().Add(stallTime))
		var some int
		some, err = t.Conn.Write(b[n:min(n+t.buffer, len(b))])
		n += some
		t.progress.set()
		t.adjust(some)
	}
	return n, err
}

// adjust adjusts the buffer to the speed of the line: bytes that were written and are no longer in the
// buffer have arrived.
func (t *transferConn) adjust(written int) {
	if t.written += written; t.written < 4*t.buffer {
		return
	}
	speed := float64(t.written-t.buffer) / max(time.Since(t.began), time.Millisecond).Seconds()
	size := int(min(max(speed*sendAhead.Seconds(), minSendBuffer), maxSendBuffer))
	if size > 2*t.buffer || size < t.buffer/2 {
		t.setBuffer(size)
	}
	t.began, t.written = time.Now(), 0
}

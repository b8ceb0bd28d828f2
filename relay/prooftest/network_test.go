package prooftest

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A network connects clients with a listener. Its cables can fail. It lives in a synctest
// bubble, so waiting is instant.
type network struct {
	mu      sync.Mutex
	ln      *listener     // nil if there is no host; guarded by mu
	cables  []*cable      // to ln; guarded by mu
	latency time.Duration // of new cables; guarded by mu
}

// window is how many bytes may be in transit in one direction.
const window = 4 << 10

// listen returns a new listener, which all later dials reach.
func (n *network) listen() *listener {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ln, n.cables = l, nil
	return l
}

// disconnectAll ends the listener as a kill does: without a goodbye. What is in transit to
// clients arrives, or is lost.
func (n *network) disconnectAll(arrives bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ln = nil
	for _, c := range n.cables {
		if arrives {
			c.cutAfterChunks(toClient)
		} else {
			c.cut()
		}
	}
	n.cables = nil
}

// dial connects to the listener, for client.Options.Dial.
func (n *network) dial(ctx context.Context) (*end, error) {
	n.mu.Lock()
	l, latency := n.ln, n.latency
	n.mu.Unlock()
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	c := newCable(latency)
	n.mu.Lock()
	n.cables = append(n.cables, c)
	n.mu.Unlock()
	select {
	case l.conns <- &end{cable: c, side: toClient}:
		return &end{cable: c, side: toHost}, nil
	case <-l.closed:
		return nil, syscall.ECONNREFUSED
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A listener gives the host its connections.
type listener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return noAddr{} }

type noAddr struct{}

func (noAddr) Network() string { return "made" }
func (noAddr) String() string  { return "nowhere" }

// The directions of a cable. Each is written by the end with the same number.
const (
	toHost = iota
	toClient
)

// A cable is a connection, with the bytes in transit in both directions. The fields are
// guarded by mu.
type cable struct {
	mu         sync.Mutex
	changed    chan struct{} // closed at the next change
	latency    time.Duration
	directions [2]direction
	broken     [2]bool // by end: it was reset
	closed     [2]bool // by end: its owner has closed it
}

// A direction is one direction of a cable, guarded by the cable's mu.
type direction struct {
	chunks []chunk   // in transit or unread
	size   int       // bytes in chunks, and dropped ones
	last   time.Time // when the last chunk arrives
	fin    bool      // there are no bytes after the chunks
	limit  int       // bytes until the cable breaks; negative: no limit
	drops  bool      // bytes are dropped; neither end notices
}

type chunk struct {
	at    time.Time // when it arrives
	bytes []byte
}

func newCable(latency time.Duration) *cable {
	c := &cable{changed: make(chan struct{}), latency: latency}
	c.directions[toHost].limit, c.directions[toClient].limit = -1, -1
	return c
}

func (c *cable) changeLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// waitLocked releases mu until something changes, or until the first of times that is not
// zero.
func (c *cable) waitLocked(times ...time.Time) {
	changed := c.changed
	c.mu.Unlock()
	defer c.mu.Lock()
	var until time.Time
	for _, t := range times {
		if !t.IsZero() && (until.IsZero() || t.Before(until)) {
			until = t
		}
	}
	if until.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

// cut resets the connection. Bytes in transit are lost.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = [2]bool{true, true}
	c.changeLocked()
}

// cutAfterChunks ends the connection after the bytes in transit in one direction.
func (c *cable) cutAfterChunks(direction int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cutAfterChunksLocked(direction)
}

func (c *cable) cutAfterChunksLocked(direction int) {
	c.directions[direction].fin = true
	c.broken[direction] = true
	c.changeLocked()
}

// cutAfterBytes ends the connection after this many more bytes in one direction, usually
// within a line.
func (c *cable) cutAfterBytes(direction, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.directions[direction].limit = bytes
}

// deadPeerTimeout is how long TCP waits for a peer that does not answer.
const deadPeerTimeout = 45 * time.Second

// dropAll drops all bytes of one direction. Neither end notices until deadPeerTimeout.
func (c *cable) dropAll(direction int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.directions[direction].drops = true
	time.AfterFunc(deadPeerTimeout, c.cut)
}

// delay changes the latency.
func (c *cable) delay(latency time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latency = latency
}

// An end is the connection of one side.
type end struct {
	cable *cable
	side  int       // also the direction in which it writes
	read  time.Time // deadline; guarded by cable.mu
	write time.Time // deadline; guarded by cable.mu
}

func (e *end) Read(b []byte) (int, error) {
	c := e.cable
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.directions[1-e.side]
	for {
		var arrives time.Time
		if len(w.chunks) > 0 {
			arrives = w.chunks[0].at
		}
		now := time.Now()
		switch {
		case c.closed[e.side]:
			return 0, net.ErrClosed
		case past(e.read, now):
			return 0, os.ErrDeadlineExceeded
		case c.broken[e.side]:
			return 0, syscall.ECONNRESET
		case past(arrives, now):
			n := copy(b, w.chunks[0].bytes)
			if w.chunks[0].bytes = w.chunks[0].bytes[n:]; len(w.chunks[0].bytes) == 0 {
				w.chunks = w.chunks[1:]
			}
			w.size -= n
			c.changeLocked()
			return n, nil
		case len(w.chunks) == 0 && w.fin:
			return 0, io.EOF
		}
		c.waitLocked(arrives, e.read)
	}
}

func past(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }

func (e *end) Write(b []byte) (written int, err error) {
	c := e.cable
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.directions[e.side]
	for len(b) > 0 {
		switch {
		case c.closed[e.side] || w.fin && !c.broken[e.side]:
			return written, net.ErrClosed
		case past(e.write, time.Now()):
			return written, os.ErrDeadlineExceeded
		case c.broken[e.side]:
			return written, syscall.EPIPE
		case c.closed[1-e.side]: // a closed end answers data with a reset
			c.broken[e.side] = true
			c.changeLocked()
			return written, syscall.EPIPE
		case w.size >= window:
			c.waitLocked(e.write)
			continue
		}
		n := min(len(b), window-w.size)
		w.addLocked(b[:n], c.latency)
		if w.limit == 0 {
			c.cutAfterChunksLocked(e.side)
		}
		c.changeLocked()
		written, b = written+n, b[n:]
	}
	return written, nil
}

// addLocked puts b in transit.
func (w *direction) addLocked(b []byte, latency time.Duration) {
	w.size += len(b)
	if w.drops {
		return
	}
	if w.limit >= 0 {
		b = b[:min(len(b), w.limit)]
		w.limit -= len(b)
	}
	at := time.Now().Add(latency)
	if at.Before(w.last) { // bytes stay in order
		at = w.last
	}
	w.last = at
	if len(b) > 0 {
		w.chunks = append(w.chunks, chunk{at, append([]byte(nil), b...)})
	}
}

// Close ends the connection after the written bytes or, like TCP, by a reset if there are
// unread bytes.
func (e *end) Close() error {
	c := e.cable
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed[e.side] = true
	c.directions[e.side].fin = true
	if len(c.directions[1-e.side].chunks) > 0 {
		c.broken[1-e.side] = true
	}
	c.changeLocked()
	return nil
}

// CloseWrite ends the direction in which e writes.
func (e *end) CloseWrite() error {
	c := e.cable
	c.mu.Lock()
	defer c.mu.Unlock()
	c.directions[e.side].fin = true
	c.changeLocked()
	return nil
}

func (e *end) SetDeadline(t time.Time) error {
	e.setDeadlines(&t, &t)
	return nil
}

func (e *end) SetReadDeadline(t time.Time) error {
	e.setDeadlines(&t, nil)
	return nil
}

func (e *end) SetWriteDeadline(t time.Time) error {
	e.setDeadlines(nil, &t)
	return nil
}

func (e *end) setDeadlines(read, write *time.Time) {
	e.cable.mu.Lock()
	defer e.cable.mu.Unlock()
	if read != nil {
		e.read = *read
	}
	if write != nil {
		e.write = *write
	}
	e.cable.changeLocked()
}

func (e *end) LocalAddr() net.Addr  { return noAddr{} }
func (e *end) RemoteAddr() net.Addr { return noAddr{} }

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

// A network connects those who dial with the one who listens, by cables that fail as they
// are told. It lives in a bubble, whose time passes at once.
type network struct {
	mu      sync.Mutex
	ln      *listener     // nil while nobody listens; under mu
	cables  []*cable      // to ln; under mu
	latency time.Duration // of cables to come; under mu
}

// window is how many bytes may be on their way in one direction.
const window = 4 << 10

// listen makes l the one who is dialled.
func (n *network) listen() *listener {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ln, n.cables = l, nil
	return l
}

// unplug ends whoever listens as a kill does: nobody is told, and what is on its way to
// the others arrives, or is lost.
func (n *network) unplug(arrives bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ln = nil
	for _, c := range n.cables {
		if arrives {
			c.cutBehind(toClient)
		} else {
			c.cut()
		}
	}
	n.cables = nil
}

// dial is an Options.Dial of a client.
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

// A listener is what the host accepts connections from.
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

func (l *listener) Addr() net.Addr { return nowhere{} }

type nowhere struct{}

func (nowhere) Network() string { return "made" }
func (nowhere) String() string  { return "nowhere" }

// The directions of a cable; each is written to by the end of the same number.
const (
	toHost = iota
	toClient
)

// A cable is a connection, with what is on its way in both directions.
type cable struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change; under mu
	latency time.Duration // under mu
	ways    [2]way        // under mu
	broken  [2]bool       // by end: it was reset; under mu
	closed  [2]bool       // by end: its owner has closed it; under mu
}

// A way is one direction of a cable.
type way struct {
	chunks   []chunk   // on their way, or not read yet
	size     int       // of chunks, and of what was swallowed
	last     time.Time // when the last chunk arrives
	fin      bool      // nothing comes behind them
	left     int       // how many bytes get through before the cable breaks; negative: any number
	swallows bool      // nothing arrives any more, and nobody is told
}

type chunk struct {
	at    time.Time // when it arrives
	bytes []byte
}

func newCable(latency time.Duration) *cable {
	c := &cable{changed: make(chan struct{}), latency: latency}
	c.ways[toHost].left, c.ways[toClient].left = -1, -1
	return c
}

func (c *cable) changeLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// waitLocked gives the lock away until something changes, or the first of these times
// that are not zero.
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

// cut resets the connection: what is on its way is lost.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = [2]bool{true, true}
	c.changeLocked()
}

// cutBehind ends the connection behind what is on its way in one direction.
func (c *cable) cutBehind(direction int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cutBehindLocked(direction)
}

func (c *cable) cutBehindLocked(direction int) {
	c.ways[direction].fin = true
	c.broken[direction] = true
	c.changeLocked()
}

// cutAfter ends the connection when so many more bytes have gone in one direction, in the
// middle of a line.
func (c *cable) cutAfter(direction, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ways[direction].left = bytes
}

// deadPeer is when TCP finds a peer that does not answer.
const deadPeer = 45 * time.Second

// swallow has all be lost in one direction, and nobody knows of it for long.
func (c *cable) swallow(direction int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ways[direction].swallows = true
	time.AfterFunc(deadPeer, c.cut)
}

// delay has all take longer from now on.
func (c *cable) delay(latency time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latency = latency
}

// An end is one side's connection.
type end struct {
	cable *cable
	side  int       // the direction in which it writes
	read  time.Time // deadline; under cable.mu
	write time.Time // deadline; under cable.mu
}

func (e *end) Read(b []byte) (int, error) {
	c := e.cable
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.ways[1-e.side]
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
	w := &c.ways[e.side]
	for len(b) > 0 {
		switch {
		case c.closed[e.side] || w.fin && !c.broken[e.side]:
			return written, net.ErrClosed
		case past(e.write, time.Now()):
			return written, os.ErrDeadlineExceeded
		case c.broken[e.side]:
			return written, syscall.EPIPE
		case c.closed[1-e.side]: // what comes for one that is closed is answered with a reset
			c.broken[e.side] = true
			c.changeLocked()
			return written, syscall.EPIPE
		case w.size >= window:
			c.waitLocked(e.write)
			continue
		}
		n := min(len(b), window-w.size)
		w.putLocked(b[:n], c.latency)
		if w.left == 0 {
			c.cutBehindLocked(e.side)
		}
		c.changeLocked()
		written, b = written+n, b[n:]
	}
	return written, nil
}

// putLocked sends b on its way.
func (w *way) putLocked(b []byte, latency time.Duration) {
	w.size += len(b)
	if w.swallows {
		return
	}
	if w.left >= 0 {
		b = b[:min(len(b), w.left)]
		w.left -= len(b)
	}
	at := time.Now().Add(latency)
	if at.Before(w.last) { // nothing overtakes what went before
		at = w.last
	}
	w.last = at
	if len(b) > 0 {
		w.chunks = append(w.chunks, chunk{at, append([]byte(nil), b...)})
	}
}

// Close ends the connection behind what was written; where something is unread, as TCP
// does, with a reset.
func (e *end) Close() error {
	c := e.cable
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed[e.side] = true
	c.ways[e.side].fin = true
	if len(c.ways[1-e.side].chunks) > 0 {
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
	c.ways[e.side].fin = true
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

func (e *end) LocalAddr() net.Addr  { return nowhere{} }
func (e *end) RemoteAddr() net.Addr { return nowhere{} }

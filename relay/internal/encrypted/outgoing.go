package encrypted

import (
	"slices"
	"sync"

	"chat/relay/internal/fanout"
)

const (
	// maxPiece is how many bytes are encrypted for one write, in records of 16 KiB.
	maxPiece = 64 << 10

	// outSize is the size of a buffer for a piece with the 22 bytes that each record adds, and an alert or key update.
	outSize = 72 << 10
)

// An outgoing is ciphertext on its way. A Conn has one from the pool while it sends, and keeps it while its peer is
// slow.
type outgoing struct {
	array  []byte    // of outSize bytes; nil: it was not needed any more
	unsent []byte    // not yet accepted by the connection below
	run    [1][]byte // unsent, for fanout.EagerConn
}

var (
	outgoings = sync.Pool{New: func() any { return &outgoing{array: make([]byte, 0, outSize)} }}
	flats     = sync.Pool{New: func() any { return new([maxPiece]byte) }}
)

// Unsent implements [fanout.RunWriter].
func (c *Conn) Unsent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out != nil
}

// keep appends to the unsent ciphertext. It returns false if that is too much.
func (c *Conn) keep(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		c.out = outgoings.Get().(*outgoing)
		c.out.unsent = c.out.array[:0]
	}
	if len(c.out.unsent)+len(b) > maxUnsent {
		return false
	}
	c.out.unsent = append(c.out.unsent, b...)
	return true
}

// next returns the ciphertext to send next; nil: none. It stays valid while sending is held.
func (c *Conn) next() *outgoing {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out != nil {
		c.out.run[0] = c.out.unsent
	}
	return c.out
}

// sent removes n bytes that were sent. With shrinks, the rest will wait, and needs no buffer of full size.
func (c *Conn) sent(n int, shrinks bool) (isAll bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.out
	o.unsent, o.run[0] = o.unsent[n:], nil
	switch {
	case len(o.unsent) == 0:
		c.out, o.unsent = nil, nil
		if o.array != nil {
			outgoings.Put(o)
		}
		return true
	case shrinks && o.array != nil && len(o.unsent) < cap(o.array)/2:
		c.out = &outgoing{unsent: slices.Clone(o.unsent)}
		o.unsent = nil
		outgoings.Put(o)
	}
	return false
}

// flush sends all that is unsent, within the write deadline. sending is held, or the handshake runs. sent is how many
// bytes the connection below has accepted.
func (c *Conn) flush() (sent int, err error) {
	for {
		o := c.next()
		if o == nil {
			return sent, nil
		}
		n, err := c.Conn.Write(o.run[0])
		sent += n
		c.sent(n, false)
		if err != nil {
			return sent, err
		}
	}
}

// flushNow is flush without waiting, for a connection below that can do so.
func (c *Conn) flushNow(w *fanout.Writer) (isAll bool, err error) {
	for {
		o := c.next()
		if o == nil {
			return true, nil
		}
		size := len(o.run[0])
		rest, err := c.Conn.(fanout.EagerConn).WriteEagerly(w, o.run[:])
		if err != nil {
			return false, err
		}
		left := 0
		if len(rest) > 0 {
			left = len(rest[0])
		}
		if !c.sent(size-left, left > 0) && left > 0 {
			return false, nil
		}
	}
}

// encrypt encrypts the start of runs, up to maxPiece bytes, and returns the rest. sending is held.
func (c *Conn) encrypt(runs [][]byte) (rest [][]byte, err error) {
	piece := runs[0]
	if len(runs) > 1 && len(piece) < maxPiece { // fewer and larger records
		flat := flats.Get().(*[maxPiece]byte)
		defer flats.Put(flat)
		piece = gather(flat[:0], runs)
	}
	n, err := c.tls.Write(piece[:min(len(piece), maxPiece)])
	return fanout.After(runs, n), err
}

// gather copies runs to dst, as far as there is space.
func gather(dst []byte, runs [][]byte) []byte {
	for _, run := range runs {
		n := min(len(run), cap(dst)-len(dst))
		dst = append(dst, run[:n]...)
		if n < len(run) {
			break
		}
	}
	return dst
}

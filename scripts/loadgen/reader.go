//go:build linux

package main

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A reader is a thread that reads for its share of the clients. They share one buffer,
// which keeps a client cheap.
type reader struct {
	gen  *generator
	poll int

	// Owned by loop.
	buf     []byte
	cipher  []byte // of a client by TLS; nil before the first
	now     int64  // when the current bytes were read
	count   int64
	latency *histogram
	bytes   int // since the last pause
	pause   time.Duration

	_           [64]byte // the fields that others read get their own cache line
	delivered   atomic.Int64
	lastArrival atomic.Int64 // when the last message arrived
	_           [48]byte
}

const (
	readSize   = 128 << 10
	idleMillis = 5 // a reader checks for the end this often
)

func newReader(gen *generator) (*reader, error) {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &reader{gen: gen, poll: poll, buf: make([]byte, readSize), latency: new(histogram)}, nil
}

func (r *reader) add(c *client) error {
	return unix.EpollCtl(r.poll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.id)})
}

// setWritable turns on or off the event that a client's socket is writable.
func (r *reader) setWritable(c *client, out bool) error {
	events := uint32(unix.EPOLLIN)
	if out {
		events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(r.poll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Events: events, Fd: int32(c.id)})
}

func (r *reader) loop() {
	defer r.gen.reading.Done()
	events := make([]unix.EpollEvent, 1024)
	for !r.gen.stopped.Load() {
		n, err := unix.EpollWait(r.poll, events, idleMillis)
		if err != nil && err != unix.EINTR {
			r.gen.fail(err)
			return
		}
		for i := range max(n, 0) {
			if err := r.read(&r.gen.clients[events[i].Fd]); err != nil {
				r.gen.fail(err)
				return
			}
			if i%64 == 63 {
				r.gen.trySend()
			}
		}
		r.gen.trySend()
		r.pauseIfFast(n)
	}
}

// pauseIfFast pauses while reads return little, for so long that the next ones return
// several lines. Otherwise a server that writes line by line would share the machine with a
// generator that reads line by line. A pause is much shorter than the time for the messages
// in flight. There is none while latency is measured.
func (r *reader) pauseIfFast(reads int) {
	const little, shortest, longest = 2 << 10, 50 * time.Microsecond, 5 * time.Millisecond
	switch {
	case reads <= 0 || r.gen.schedule.Load() != nil:
		r.pause = 0
	case r.bytes < reads*little:
		r.pause = min(max(2*r.pause, shortest), longest)
	default:
		r.pause /= 2
	}
	if r.bytes = 0; r.pause >= shortest {
		wait := unix.NsecToTimespec(int64(r.pause))
		_ = unix.Nanosleep(&wait, nil)
	}
}

// read reads for one client.
func (r *reader) read(c *client) error {
	begun := copy(r.buf, c.partial)
	to := r.buf[begun:]
	if c.sealed != nil {
		to = r.cipherBuf()
	}
	n, err := rawRead(c.fd, to)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return nil
	case err != nil:
		return fmt.Errorf("client %d: %w", c.id, err)
	case n == 0:
		return fmt.Errorf("client %d: %w", c.id, errClosed)
	}
	r.bytes += n
	if c.sealed != nil {
		if n, err = c.sealed.decrypt(r.buf[begun:], to[:n]); err != nil {
			return fmt.Errorf("client %d: %w", c.id, err)
		}
	}
	if c.dialect.frames {
		n = len(c.frames.strip(r.buf[:begun+n], begun)) - begun
	}
	before := r.count
	r.now = clock()
	b := r.buf[:begun+n]
	used, err := c.readLines(r, b)
	if err != nil {
		return err
	}
	if len(b)-used > len(r.buf)/2 {
		return fmt.Errorf("client %d: line of %d bytes", c.id, len(b)-used)
	}
	c.partial = append(c.partial[:0], b[used:]...)
	if r.count != before {
		r.lastArrival.Store(r.now)
		r.delivered.Store(r.count)
	}
	return nil
}

// cipherBuf returns the buffer for ciphertext. It is smaller than half of buf, by more than a record, which a client may
// have received before.
func (r *reader) cipherBuf() []byte {
	if r.cipher == nil {
		r.cipher = make([]byte, readSize/2-32<<10)
	}
	return r.cipher
}

// countArrivals counts n more messages of a sender at a client.
func (r *reader) countArrivals(c *client, sender int, n int64) {
	g := &c.received[sender]
	before := g.count
	g.count += n
	r.count += n
	if sched := r.gen.schedule.Load(); sched != nil && (sender == c.id || !r.gen.acksOnly) {
		for k := before; k < g.count; k++ {
			if due, ok := sched.due(sender, k); ok {
				r.latency.add(r.now - due)
			}
		}
	}
	if f := r.gen.flow; f != nil {
		f.blockArrived(sender, before, g.count)
	}
}

// rawRead reads without notifying the scheduler: the sockets never block.
func rawRead(fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

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

// A reader is one thread that reads for its share of the clients, all into one
// buffer: that is what keeps a client cheap.
type reader struct {
	gen     *generator
	poll    int
	buf     []byte
	now     int64 // when the bytes in hand were read
	count   int64
	latency *histogram
	bytes   int // since it rested
	pause   time.Duration

	_         [64]byte // what others look at has a cache line of its own
	delivered atomic.Int64
	last      atomic.Int64 // when the last message came
	_         [48]byte
}

const (
	readSize   = 128 << 10
	idleMillis = 5 // a reader looks up this often
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

// watch asks to be woken when a client's socket takes bytes again, or no longer.
func (r *reader) watch(c *client, out bool) error {
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
				r.gen.pump()
			}
		}
		r.gen.pump()
		r.rest(n)
	}
}

// rest lets more come where reads get little: so long that the next ones get some
// lines at once. A server that writes line by line would otherwise have to share the
// machine with a generator that reads line by line. It takes far less time than the
// messages in flight last, and is not done where latency is measured.
func (r *reader) rest(reads int) {
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

// read takes what has come for one client.
func (r *reader) read(c *client) error {
	begun := copy(r.buf, c.carry)
	n, err := rawRead(c.fd, r.buf[begun:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return nil
	case err != nil:
		return fmt.Errorf("client %d: %w", c.id, err)
	case n == 0:
		return fmt.Errorf("client %d: %w", c.id, errClosed)
	}
	r.bytes += n
	if c.frames.begun {
		n = len(c.frames.take(r.buf[begun : begun+n]))
	}
	before := r.count
	r.now = clock()
	b := r.buf[:begun+n]
	used, err := c.take(r, b)
	if err != nil {
		return err
	}
	if len(b)-used > len(r.buf)/2 {
		return fmt.Errorf("client %d: a line of %d bytes", c.id, len(b)-used)
	}
	c.carry = append(c.carry[:0], b[used:]...)
	if r.count != before {
		r.last.Store(r.now)
		r.delivered.Store(r.count)
	}
	return nil
}

// arrived notes n further messages of a sender at a client.
func (r *reader) arrived(c *client, sender int, n int64) {
	g := &c.from[sender]
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
		f.passed(sender, before, g.count)
	}
}

// rawRead does not tell the scheduler: the sockets never block.
func rawRead(fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

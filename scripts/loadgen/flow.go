//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// inFlight is how many messages may be sent but not received by the slowest client.
const inFlight = 1024

// A flow sends under back-pressure. It counts messages in blocks: once the last client has
// received a block, its sender may send another one. So no one has to search for the
// slowest client. The reader that completed the block sends the next messages itself, so no
// thread has to be woken.
type flow struct {
	gen     *generator
	senders []*sender
	shift   int // a block has 1<<shift messages
	window  int64

	mu   sync.Mutex
	open bool // between start and close; guarded by mu

	ready atomic.Bool // a sender may have something to send
}

const ringSize = 32 // more than the blocks of a window

// A sender is a client that sends, in a flow or by a schedule.
type sender struct {
	// Fixed.
	client    *client
	flow      *flow
	receivers int32
	size      int   // of one line
	numbers   []int // offsets of the number in a line

	// Guarded by flow.mu.
	sent    int64
	quota   int64  // messages it may still send
	pending []byte // sent, but not accepted by the socket
	blocked bool   // the reader waits until the socket is writable
	lines   []byte // a window of lines, without their numbers

	// Counted by all readers.
	blocksArrived atomic.Int64 // blocks that all clients have received
	arrivedCounts [ringSize]atomic.Int32
}

func newFlow(g *generator) *flow {
	share := inFlight / max(g.senders, 1)
	f := &flow{gen: g}
	for 16<<f.shift <= share {
		f.shift++
	}
	f.window = int64(share) >> f.shift << f.shift
	for id := range g.senders {
		f.senders = append(f.senders, newSender(f, id))
	}
	return f
}

func newSender(f *flow, id int) *sender {
	line := f.gen.dialect.message(newText(id, 0))
	s := &sender{client: &f.gen.clients[id], flow: f, receivers: int32(f.gen.receivers()), size: len(line)}
	for n := range int(f.window) {
		s.lines = append(s.lines, f.gen.dialect.message(newText(id, n))...)
	}
	digits := fmt.Sprintf("%08d", firstNumber)
	for at := 0; ; {
		i := strings.Index(line[at:], digits)
		if i < 0 {
			break
		}
		s.numbers = append(s.numbers, at+i)
		at += i + len(digits)
	}
	return s
}

// blockArrived counts messages before to after of a sender as received by one more client.
func (f *flow) blockArrived(sender int, before, after int64) {
	if before>>f.shift == after>>f.shift || sender >= len(f.senders) {
		return
	}
	s := f.senders[sender]
	for block := before >> f.shift; block < after>>f.shift; block++ {
		if at := &s.arrivedCounts[block%ringSize]; at.Add(1) == s.receivers {
			at.Store(0)
			s.blocksArrived.Add(1)
			f.ready.Store(true)
		}
	}
}

// start lets every sender send up to quota messages. After stop they only send what a
// socket has not accepted yet; after close, nothing.
func (f *flow) start(quota int64) {
	f.mu.Lock()
	f.open = true
	for _, s := range f.senders {
		s.quota = min(quota, mostNumbers-s.sent)
	}
	f.mu.Unlock()
	f.ready.Store(true)
	f.trySend()
}

func (f *flow) stop() (sent []int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.senders {
		s.quota = 0
		sent = append(sent, s.sent)
	}
	return sent
}

func (f *flow) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = false
}

// isExhausted reports whether the senders have sent all they may.
func (f *flow) isExhausted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !slices.ContainsFunc(f.senders, func(s *sender) bool { return s.quota > 0 || s.waits() })
}

// trySend sends what may be sent. If two readers call it at the same time, one of them does
// it.
func (f *flow) trySend() {
	for again := true; again && f.ready.Load() && f.mu.TryLock(); {
		again = f.sendReady()
		f.mu.Unlock()
	}
}

// sendReady sends, with mu held. It returns false if trying again at once would not help.
func (f *flow) sendReady() bool {
	for f.open && f.ready.Swap(false) {
		for _, s := range f.senders {
			if err := s.sendQuota(); err != nil {
				f.gen.fail(fmt.Errorf("sender %d: %w", s.client.id, err))
				return false
			}
		}
		if f.isBlocked() {
			f.ready.Store(true)
			return false
		}
	}
	return f.open
}

// isBlocked reports whether a socket did not accept everything.
func (f *flow) isBlocked() bool {
	return slices.ContainsFunc(f.senders, (*sender).waits)
}

// waits reports whether the socket has not accepted everything.
func (s *sender) waits() bool { return len(s.pending) > 0 || s.client.hasUnsent() }

func (s *sender) sendQuota() error {
	if s.waits() {
		if err := s.write(s.pending); err != nil || s.waits() {
			return err
		}
	}
	n := min(s.blocksArrived.Load()<<s.flow.shift+s.flow.window-s.sent, s.quota)
	if n <= 0 {
		return nil
	}
	return s.send(int(n))
}

// send sends the next n messages.
func (s *sender) send(n int) error {
	digits := number(s.sent)
	lines := s.lines[:n*s.size]
	for at := 0; at < len(lines); at += s.size {
		for _, i := range s.numbers {
			binary.BigEndian.PutUint64(lines[at+i:], digits)
		}
		digits = nextNumber(digits)
	}
	s.sent += int64(n)
	s.quota -= int64(n)
	return s.write(lines)
}

func (s *sender) write(b []byte) error {
	n, err := s.client.write(b)
	if err == unix.EAGAIN || err == unix.EINTR {
		n, err = 0, nil
	}
	s.pending = b[max(n, 0):]
	if waits := s.waits(); err == nil && waits != s.blocked {
		s.blocked = waits
		err = s.flow.gen.readerOf(s.client).setWritable(s.client, waits)
	}
	return err
}

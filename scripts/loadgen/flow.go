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

// inFlight is how many messages may be on their way to the slowest client.
const inFlight = 1024

// A flow sends under back-pressure. The messages of a sender count in blocks: when
// the last client has a block, the sender may send another. So nobody has to look
// for the slowest client. What is sent is sent by the reader that made room for it:
// no thread has to be woken.
type flow struct {
	gen     *generator
	senders []*sender
	shift   int // a block has 1<<shift messages
	window  int64

	mu   sync.Mutex
	open bool
	want atomic.Bool
}

const ringSize = 32 // more than the blocks of a window

type sender struct {
	client    *client
	flow      *flow
	receivers int32
	sent      int64
	quota     int64  // it may send so many more
	pending   []byte // sent, but for the socket
	waits     bool   // for the socket to take more
	lines     []byte // a window of lines, their numbers to be filled in
	size      int    // of a line
	numbers   []int  // where a line has its number

	blocks  atomic.Int64 // that arrived everywhere
	arrived [ringSize]atomic.Int32
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
	line := f.gen.dialect.say(newText(id, 0))
	s := &sender{client: &f.gen.clients[id], flow: f, receivers: int32(f.gen.receivers()), size: len(line)}
	for n := range int(f.window) {
		s.lines = append(s.lines, f.gen.dialect.say(newText(id, n))...)
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

// passed notes that a client has the messages before after of a sender.
func (f *flow) passed(sender int, before, after int64) {
	if before>>f.shift == after>>f.shift || sender >= len(f.senders) {
		return
	}
	s := f.senders[sender]
	for block := before >> f.shift; block < after>>f.shift; block++ {
		if at := &s.arrived[block%ringSize]; at.Add(1) == s.receivers {
			at.Store(0)
			s.blocks.Add(1)
			f.want.Store(true)
		}
	}
}

// start lets every sender send, each at most quota messages. stop ends it, but for
// what a socket has yet to take; close ends that, too.
func (f *flow) start(quota int64) {
	f.mu.Lock()
	f.open = true
	for _, s := range f.senders {
		s.quota = min(quota, mostNumbers-s.sent)
	}
	f.mu.Unlock()
	f.want.Store(true)
	f.pump()
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

// exhausted: the senders have sent all they may.
func (f *flow) exhausted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !slices.ContainsFunc(f.senders, func(s *sender) bool { return s.quota > 0 || len(s.pending) > 0 })
}

// pump sends what may be sent. Of two readers that come at the same time one does it.
func (f *flow) pump() {
	for again := true; again && f.want.Load() && f.mu.TryLock(); {
		again = f.push()
		f.mu.Unlock()
	}
}

// push is pump, alone. It returns false if to try again at once would be in vain.
func (f *flow) push() bool {
	for f.open && f.want.Swap(false) {
		for _, s := range f.senders {
			if err := s.push(); err != nil {
				f.gen.fail(fmt.Errorf("sender %d: %w", s.client.id, err))
				return false
			}
		}
		if f.stuck() {
			f.want.Store(true)
			return false
		}
	}
	return f.open
}

// stuck: a socket took less than it was given.
func (f *flow) stuck() bool {
	return slices.ContainsFunc(f.senders, func(s *sender) bool { return len(s.pending) > 0 })
}

func (s *sender) push() error {
	if len(s.pending) > 0 {
		if err := s.write(s.pending); err != nil || len(s.pending) > 0 {
			return err
		}
	}
	n := min(s.blocks.Load()<<s.flow.shift+s.flow.window-s.sent, s.quota)
	if n <= 0 {
		return nil
	}
	return s.say(int(n))
}

// say sends the next n messages.
func (s *sender) say(n int) error {
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
	n, err := unix.Write(s.client.fd, b)
	if err == unix.EAGAIN || err == unix.EINTR {
		n, err = 0, nil
	}
	s.pending = b[max(n, 0):]
	if waits := len(s.pending) > 0; err == nil && waits != s.waits {
		s.waits = waits
		err = s.flow.gen.readerOf(s.client).watch(s.client, waits)
	}
	return err
}

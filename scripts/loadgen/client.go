//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A client is one connection, with the state of what it receives. Its only buffer is for an
// incomplete line. Once it is added to a reader, that reader owns it.
type client struct {
	fd          int
	id          int
	dialect     *dialect
	sends       bool
	joined      bool   // the server has let it in
	record      int    // bytes of the last message with its frame; the next one probably has as many
	partial     []byte // an incomplete line
	frames      unframer
	sealed      *tlsEnd        // nil: the connection is plain
	received    []receiveState // by sender
	joinedCount *atomic.Int64
}

// A receiveState counts a client's messages from one sender.
type receiveState struct {
	next  uint64 // the expected number
	count int64
}

// write writes to the socket, and returns how many bytes it took.
func (c *client) write(b []byte) (int, error) {
	if c.sealed != nil {
		return c.sealed.write(b)
	}
	return unix.Write(c.fd, b)
}

// hasUnsent reports whether bytes of a write wait for the socket.
func (c *client) hasUnsent() bool { return c.sealed != nil && c.sealed.hasUnsent() }

// readLines counts the messages in b, which begins at the start of a line, and returns how
// many bytes the complete lines have.
func (c *client) readLines(r *reader, b []byte) (used int, err error) {
	for used < len(b) {
		if len(c.received) == 1 {
			used += c.readRun(r, b[used:])
		} else {
			used += c.readMixed(r, b[used:])
		}
		n, err := c.readLine(r, b[used:])
		if err != nil {
			return used, err
		}
		if n == 0 {
			break
		}
		used += n
	}
	return used, nil
}

// readRun reads messages of the expected length and numbers, all from the only sender. This
// is the hot path.
func (c *client) readRun(r *reader, b []byte) int {
	size, after, next := c.record, c.dialect.after, c.received[0].next
	if size == 0 {
		return 0
	}
	n, end := 0, size
	for end <= len(b) {
		if b[end-1] != '\n' || binary.BigEndian.Uint64(b[end-after-numberSize:]) != next {
			break
		}
		next = nextNumber(next)
		n++
		end += size
	}
	if n > 0 {
		c.received[0].next = next
		r.countArrivals(c, 0, int64(n))
	}
	return end - size
}

// readMixed is readRun for several senders.
func (c *client) readMixed(r *reader, b []byte) int {
	size, after := c.record, c.dialect.after
	if size == 0 {
		return 0
	}
	end := size
	for ; end <= len(b); end += size {
		if b[end-1] != '\n' || !c.readExpected(r, b[end-after-tailSize:end-after]) {
			break
		}
	}
	return end - size
}

// readExpected counts a message, given its last bytes, if it has the number expected of its
// sender.
func (c *client) readExpected(r *reader, tail []byte) bool {
	sender := senderOf(tail)
	if uint(sender) >= uint(len(c.received)) {
		return false
	}
	g := &c.received[sender]
	if binary.BigEndian.Uint64(tail[senderSize+1:]) != g.next {
		return false
	}
	g.next = nextNumber(g.next)
	r.countArrivals(c, sender, 1)
	return true
}

// readLine reads one line of any kind. It returns 0 if the line is incomplete.
func (c *client) readLine(r *reader, b []byte) (int, error) {
	size := bytes.IndexByte(b, '\n') + 1
	if size == 0 {
		return 0, nil
	}
	line := b[:size]
	if n := size - c.dialect.after; n >= textSize && line[n-numberSize-1] == '-' && c.readExpected(r, line[n-tailSize:n]) {
		// Only some messages have a label; most have none.
		if c.record = size + c.dialect.before; c.dialect.hasLabels {
			c.record = textSize + c.dialect.after
		}
		return size, nil
	}
	return size, c.readOther(r, line)
}

func (c *client) readOther(r *reader, line []byte) error {
	if c.dialect.hasLabels {
		line = withoutLabels(line)
	}
	if n := len(line) - c.dialect.after; bytes.Contains(line, []byte(marker)) {
		if c.dialect.hasLabels && n >= textSize && c.readExpected(r, line[n-tailSize:n]) {
			return nil
		}
		return c.lineError(line)
	}
	if c.dialect.acked != nil && c.dialect.acked(line) {
		own := &c.received[c.id]
		own.next = nextNumber(own.next)
		r.countArrivals(c, c.id, 1)
		return nil
	}
	reply, in := c.dialect.handleControl(line, c.sends)
	if reply != "" {
		if _, err := c.write([]byte(reply)); err != nil {
			return fmt.Errorf("client %d: %w", c.id, err)
		}
	}
	if in && !c.joined {
		c.joined = true
		c.joinedCount.Add(1)
	}
	return nil
}

// withoutLabels deletes every "<user12> " inside a line.
func withoutLabels(line []byte) []byte {
	for {
		at := bytes.Index(line, []byte("<user"))
		if at < 0 {
			return line
		}
		end := bytes.Index(line[at:], []byte("> "))
		if end < 0 {
			return line
		}
		line = append(line[:at:at], line[at+end+2:]...)
	}
}

func (c *client) lineError(line []byte) error {
	var next []byte
	if n := len(line) - c.dialect.after; n >= textSize {
		if sender := senderOf(line[n-tailSize:]); uint(sender) < uint(len(c.received)) {
			next = binary.BigEndian.AppendUint64(nil, c.received[sender].next)
		}
	}
	return fmt.Errorf("client %d got %.120q, want number %s: a line was lost, changed or duplicated", c.id, line, next)
}

var errClosed = errors.New("the server closed the connection")

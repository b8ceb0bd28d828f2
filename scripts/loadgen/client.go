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

// A client is one connection and what it has to get next. It has no buffer of its
// own but for the beginning of a line whose rest has not come.
type client struct {
	fd       int
	id       int
	dialect  *dialect
	talks    bool
	in       bool   // the server let it in
	record   int    // bytes of the last message as it came; the next one is likely as long
	carry    []byte // a line begun
	frames   unframer
	from     []got // by sender
	arrivals *atomic.Int64
}

// got is what a client has of one sender.
type got struct {
	next  uint64 // the number it has to get next
	count int64
}

// take counts the messages in b, which starts where a line starts, and returns how
// many bytes were whole lines.
func (c *client) take(r *reader, b []byte) (used int, err error) {
	for used < len(b) {
		if len(c.from) == 1 {
			used += c.takeRun(r, b[used:])
		} else {
			used += c.takeMix(r, b[used:])
		}
		n, err := c.takeLine(r, b[used:])
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

// takeRun takes messages of the expected length and number, all of one sender: here
// the time goes.
func (c *client) takeRun(r *reader, b []byte) int {
	size, after, next := c.record, c.dialect.after, c.from[0].next
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
		c.from[0].next = next
		r.arrived(c, 0, int64(n))
	}
	return end - size
}

// takeMix does the same where several send.
func (c *client) takeMix(r *reader, b []byte) int {
	size, after := c.record, c.dialect.after
	if size == 0 {
		return 0
	}
	end := size
	for ; end <= len(b); end += size {
		if b[end-1] != '\n' || !c.expected(r, b[end-after-tailSize:end-after]) {
			break
		}
	}
	return end - size
}

// expected takes a message by its last bytes, if it is the next one of its sender.
func (c *client) expected(r *reader, tail []byte) bool {
	sender := senderOf(tail)
	if uint(sender) >= uint(len(c.from)) {
		return false
	}
	g := &c.from[sender]
	if binary.BigEndian.Uint64(tail[senderSize+1:]) != g.next {
		return false
	}
	g.next = nextNumber(g.next)
	r.arrived(c, sender, 1)
	return true
}

// takeLine takes one line of any kind. It returns 0 if there is no whole one.
func (c *client) takeLine(r *reader, b []byte) (int, error) {
	size := bytes.IndexByte(b, '\n') + 1
	if size == 0 {
		return 0, nil
	}
	line := b[:size]
	if n := size - c.dialect.after; n >= textSize && line[n-numberSize-1] == '-' && c.expected(r, line[n-tailSize:n]) {
		// A label stands before some messages only: those without it are the most.
		if c.record = size + c.dialect.before; c.dialect.labels {
			c.record = textSize + c.dialect.after
		}
		return size, nil
	}
	return size, c.takeOdd(r, line)
}

func (c *client) takeOdd(r *reader, line []byte) error {
	if c.dialect.labels {
		line = withoutLabels(line)
	}
	if n := len(line) - c.dialect.after; bytes.Contains(line, []byte(marker)) {
		if c.dialect.labels && n >= textSize && c.expected(r, line[n-tailSize:n]) {
			return nil
		}
		return c.wrong(line)
	}
	if c.dialect.acked != nil && c.dialect.acked(line) {
		own := &c.from[c.id]
		own.next = nextNumber(own.next)
		r.arrived(c, c.id, 1)
		return nil
	}
	if c.dialect.frames && isHeaderEnd(line) {
		c.frames.begun = true
	}
	reply, in := c.dialect.control(line, c.talks)
	if reply != "" {
		if _, err := unix.Write(c.fd, []byte(reply)); err != nil {
			return fmt.Errorf("client %d: %w", c.id, err)
		}
	}
	if in && !c.in {
		c.in = true
		c.arrivals.Add(1)
	}
	return nil
}

// withoutLabels takes out each "<user12> " that got into a line.
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

func (c *client) wrong(line []byte) error {
	var next []byte
	if n := len(line) - c.dialect.after; n >= textSize {
		if sender := senderOf(line[n-tailSize:]); uint(sender) < uint(len(c.from)) {
			next = binary.BigEndian.AppendUint64(nil, c.from[sender].next)
		}
	}
	return fmt.Errorf("client %d got %.120q, number %s is due: a line was lost, changed or came twice", c.id, line, next)
}

var errClosed = errors.New("the server closed the connection")

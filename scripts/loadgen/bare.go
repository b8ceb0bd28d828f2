//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// The bare program is the ceiling: it writes the lines of a room to all clients and
// does nothing else, as many of them in a write as go into a chunk. It is told how
// many and how long on a connection that comes after those of the clients, and how
// many messages have arrived:
//
//	> send 500ms 20000
//	> got 100000
//	> got 200000
//	< 19902
type bareServer struct {
	listener net.Listener
	clients  []int  // blocking file descriptors
	lines    []byte // what one write takes
	size     int    // of a line
	sent     int64  // messages
	written  int64  // to all clients together
	got      atomic.Int64
}

// mostAhead is how many messages may be written and not read, in all clients
// together. More of them would not fit into the processor's cache, and be slower.
const mostAhead = 300_000

func runBare(args []string) error {
	flags := flag.NewFlagSet("bare", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "listen on `ADDR`")
	clients := flags.Int("clients", 1, "serve `N` clients")
	chunk := flags.Int("chunk", 64<<10, "write at most `BYTES` at once, but a line at least")
	if err := flags.Parse(args); err != nil {
		return err
	}
	line := bareDialect.say(newText(0, 0))
	s := &bareServer{size: len(line), lines: []byte(strings.Repeat(line, max(1, *chunk/len(line))))}
	var err error
	if s.listener, err = net.Listen("tcp", *addr); err != nil {
		return err
	}
	for range *clients {
		if err := s.accept(); err != nil {
			return err
		}
	}
	orders, err := s.listener.Accept()
	if err != nil {
		return err
	}
	return s.obey(orders)
}

// accept takes one client's file descriptor away from the runtime.
func (s *bareServer) accept() error {
	conn, err := s.listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	file, err := conn.(*net.TCPConn).File()
	if err != nil {
		return err
	}
	defer file.Close()
	fd, err := syscall.Dup(int(file.Fd())) // Fd makes it block
	if err != nil {
		return err
	}
	s.clients = append(s.clients, fd)
	_, err = syscall.Write(fd, []byte("listen\n"))
	return err
}

// obey reads the orders, while what they ask for is done.
func (s *bareServer) obey(orders net.Conn) error {
	defer orders.Close()
	floods := make(chan string, 1)
	go func() {
		defer close(floods)
		for input := bufio.NewScanner(orders); input.Scan(); {
			if got, ok := strings.CutPrefix(input.Text(), "got "); ok {
				n, _ := strconv.ParseInt(got, 10, 64)
				s.got.Store(n)
			} else {
				floods <- input.Text()
			}
		}
	}()
	for order := range floods {
		var length string
		var most int64
		if _, err := fmt.Sscanf(order, "send %s %d", &length, &most); err != nil {
			return err
		}
		limit, err := time.ParseDuration(length)
		if err != nil {
			return err
		}
		if err := s.flood(limit, most); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(orders, s.sent); err != nil {
			return err
		}
	}
	return nil
}

func (s *bareServer) flood(limit time.Duration, most int64) error {
	perWrite := int64(len(s.lines) / s.size)
	for end, sent := time.Now().Add(limit), int64(0); time.Now().Before(end) && sent < most; sent += perWrite {
		digits := number(s.sent)
		for at := s.size - bareDialect.after - numberSize; at < len(s.lines); at += s.size {
			binary.BigEndian.PutUint64(s.lines[at:], digits)
			digits = nextNumber(digits)
		}
		for _, fd := range s.clients {
			for s.written-s.got.Load() > mostAhead {
				wait := syscall.NsecToTimespec(20_000)
				_ = syscall.Nanosleep(&wait, nil)
			}
			if err := writeAll(fd, s.lines); err != nil {
				return err
			}
			s.written += perWrite
		}
		s.sent += perWrite
	}
	return nil
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := syscall.Write(fd, b)
		if err != nil && err != syscall.EINTR {
			return err
		}
		b = b[max(n, 0):]
	}
	return nil
}

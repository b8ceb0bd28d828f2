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

// A bareServer measures the ceiling. It only writes the lines of a room to all clients,
// with as many lines per write as fit into a chunk. One more connection, after those of the
// clients, says how long and how many messages to send and how many have arrived:
//
//	> send 500ms 20000
//	> got 100000
//	> got 200000
//	< 19902
type bareServer struct {
	listener net.Listener
	clients  []int // blocking file descriptors
	size     int   // of one line

	// Owned by flood.
	lines   []byte // the lines of one write
	sent    int64  // messages
	written int64  // messages times clients

	arrived atomic.Int64 // messages times clients, as reported
}

// maxAhead limits the messages that are written and not yet read, for all clients together.
// With more of them the processor's cache overflows and the result gets worse.
const maxAhead = 300_000

func runBare(args []string) error {
	flags := flag.NewFlagSet("bare", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:8000", "listen on `ADDR`")
	clients := flags.Int("clients", 1, "serve exactly `N` clients")
	chunk := flags.Int("chunk", 64<<10, "write at most `BYTES` at a time, but at least one line")
	if err := flags.Parse(args); err != nil {
		return err
	}
	line := bareDialect.message(newText(0, 0))
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
	return s.serveOrders(orders)
}

// accept takes the file descriptor of a client out of the runtime's hands.
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
	fd, err := syscall.Dup(int(file.Fd())) // Fd makes it blocking
	if err != nil {
		return err
	}
	s.clients = append(s.clients, fd)
	_, err = syscall.Write(fd, []byte("listen\n"))
	return err
}

// serveOrders carries out the orders and, while it does, reads the next ones.
func (s *bareServer) serveOrders(orders net.Conn) error {
	defer orders.Close()
	floods := make(chan string, 1)
	go func() {
		defer close(floods)
		for input := bufio.NewScanner(orders); input.Scan(); {
			if got, ok := strings.CutPrefix(input.Text(), "got "); ok {
				n, _ := strconv.ParseInt(got, 10, 64)
				s.arrived.Store(n)
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
			for s.written-s.arrived.Load() > maxAhead {
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

//go:build linux

package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// proxies is how many there were: each has an address of its own.
var proxies atomic.Int32

// between returns a proxy and the two ends of a connection through it.
func between(t *testing.T) (p *proxy, client, host *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if p, err = newProxy(address(int(proxies.Add(1))), ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	other, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	client, host = conn.(*net.TCPConn), other.(*net.TCPConn)
	send(t, client, "hello\n")
	if got := line(t, host); got != "hello\n" {
		t.Fatalf("got %q", got)
	}
	return p, client, host
}

func send(t *testing.T, conn net.Conn, s string) {
	t.Helper()
	if _, err := conn.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
}

func line(t *testing.T, conn net.Conn) string {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	s, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// end returns what was left to read, and the error behind it.
func end(conn net.Conn) (string, error) {
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	b, err := io.ReadAll(conn)
	return string(b), err
}

// awaitDead waits until the only connection of p has swallowed something.
func awaitDead(t *testing.T, p *proxy) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		dead := false
		p.each(func(l *link) { dead = l.dead.Load() })
		if dead {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was swallowed within 5 s")
		}
	}
}

func TestReset(t *testing.T) {
	p, client, host := between(t)
	p.reset()
	for _, conn := range []net.Conn{client, host} {
		if _, err := end(conn); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("ended with %v", err)
		}
	}
}

func TestRefuse(t *testing.T) {
	p, client, host := between(t)
	p.refuse()
	for _, conn := range []net.Conn{client, host} {
		if _, err := end(conn); err != nil {
			t.Errorf("ended with %v", err)
		}
	}
	if _, err := net.Dial("tcp", p.addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v", err)
	}
	if err := p.allow(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", p.addr); errors.Is(err, syscall.ECONNREFUSED) { // nobody is behind it
		t.Error(err)
	}
}

func TestTruncate(t *testing.T) {
	for _, bytes := range []int{0, 5, 8, 12} {
		p, client, host := between(t)
		p.truncate(true, bytes)
		send(t, client, "one two\nthree four\n")
		got, err := end(host)
		if !errors.Is(err, syscall.ECONNRESET) || len(got) > bytes || strings.HasSuffix(got, "\n") {
			t.Errorf("%q came of %d bytes; %v", got, bytes, err)
		}
	}
}

func TestHalfOpen(t *testing.T) {
	tests := []struct {
		name         string
		tell         int
		client, host error
	}{
		{"both", tellBoth, syscall.ECONNRESET, syscall.ECONNRESET},
		{"client", tellClient, syscall.ECONNRESET, os.ErrDeadlineExceeded},
		{"host", tellHost, os.ErrDeadlineExceeded, syscall.ECONNRESET},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, client, host := between(t)
			p.swallow()
			send(t, client, "lost\n")
			send(t, host, "lost too\n")
			awaitDead(t, p)
			p.restore(test.tell)
			for conn, want := range map[net.Conn]error{client: test.client, host: test.host} {
				conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
				if n, err := conn.Read(make([]byte, 100)); n > 0 || !errors.Is(err, want) {
					t.Errorf("%d bytes, %v instead of %v", n, err, want)
				}
			}
		})
	}
}

func TestOneWay(t *testing.T) {
	p, client, host := between(t)
	p.change(func(w *weather) { w.oneWay = true })
	send(t, client, "question\n")
	if got := line(t, host); got != "question\n" {
		t.Errorf("the host got %q", got)
	}
	send(t, host, "answer\n")
	client.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := client.Read(make([]byte, 100)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client got %d bytes, %v", n, err)
	}
	p.allowBothWays()
	for _, conn := range []net.Conn{client, host} {
		if got, err := end(conn); got != "" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("ended with %q, %v", got, err)
		}
	}
}

func TestWeatherChangesNothing(t *testing.T) {
	p, client, host := between(t)
	p.change(func(w *weather) { *w = weather{delay: time.Millisecond, loss: true, slice: true} })
	want := strings.Repeat(text("bot01", 500)+"\n", 10)
	go func() {
		client.Write([]byte(want))
		client.CloseWrite()
	}()
	if got, err := end(host); got != want || err != nil {
		t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
	}
}

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

// proxyCount numbers the proxies: each has its own address.
var proxyCount atomic.Int32

// newProxyPair returns a proxy and the two ends of a connection through it.
func newProxyPair(t *testing.T) (p *proxy, client, host *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if p, err = newProxy(address(int(proxyCount.Add(1))), ln.Addr().String()); err != nil {
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

// end reads to the end of the connection. It returns the bytes and the error that followed.
func end(conn net.Conn) (string, error) {
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	b, err := io.ReadAll(conn)
	return string(b), err
}

// awaitDead waits until the only connection of p has dropped bytes.
func awaitDead(t *testing.T, p *proxy) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		dead := false
		p.eachLink(func(l *link) { dead = l.blackholed.Load() })
		if dead {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no bytes were dropped within 5 s")
		}
	}
}

func TestReset(t *testing.T) {
	p, client, host := newProxyPair(t)
	p.reset()
	for _, conn := range []net.Conn{client, host} {
		if _, err := end(conn); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("ended with %v", err)
		}
	}
}

func TestRefuse(t *testing.T) {
	p, client, host := newProxyPair(t)
	p.refuse()
	for _, conn := range []net.Conn{client, host} {
		if _, err := end(conn); err != nil {
			t.Errorf("ended with %v", err)
		}
	}
	if _, err := net.Dial("tcp", p.addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v", err)
	}
	if err := p.listen(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", p.addr); errors.Is(err, syscall.ECONNREFUSED) { // no one accepts it
		t.Error(err)
	}
}

func TestTruncate(t *testing.T) {
	for _, bytes := range []int{0, 5, 8, 12} {
		p, client, host := newProxyPair(t)
		p.truncate(true, bytes)
		send(t, client, "one two\nthree four\n")
		got, err := end(host)
		if !errors.Is(err, syscall.ECONNRESET) || len(got) > bytes || strings.HasSuffix(got, "\n") {
			t.Errorf("got %q after a limit of %d bytes; %v", got, bytes, err)
		}
	}
}

func TestHalfOpen(t *testing.T) {
	tests := []struct {
		name         string
		ends         int
		client, host error
	}{
		{"both", resetBoth, syscall.ECONNRESET, syscall.ECONNRESET},
		{"client", resetClient, syscall.ECONNRESET, os.ErrDeadlineExceeded},
		{"host", resetHost, os.ErrDeadlineExceeded, syscall.ECONNRESET},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, client, host := newProxyPair(t)
			p.blackhole()
			send(t, client, "lost\n")
			send(t, host, "lost too\n")
			awaitDead(t, p)
			p.endBlackhole(test.ends)
			for conn, want := range map[net.Conn]error{client: test.client, host: test.host} {
				conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
				if n, err := conn.Read(make([]byte, 100)); n > 0 || !errors.Is(err, want) {
					t.Errorf("got %d bytes and %v, want %v", n, err, want)
				}
			}
		})
	}
}

func TestOneWay(t *testing.T) {
	p, client, host := newProxyPair(t)
	p.setImpairment(func(w *impairment) { w.oneWay = true })
	send(t, client, "question\n")
	if got := line(t, host); got != "question\n" {
		t.Errorf("the host got %q", got)
	}
	send(t, host, "answer\n")
	client.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := client.Read(make([]byte, 100)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client got %d bytes, %v", n, err)
	}
	p.endOneWay()
	for _, conn := range []net.Conn{client, host} {
		if got, err := end(conn); got != "" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("ended with %q, %v", got, err)
		}
	}
}

func TestWeatherChangesNothing(t *testing.T) {
	p, client, host := newProxyPair(t)
	p.setImpairment(func(w *impairment) { *w = impairment{delay: time.Millisecond, loss: true, slice: true} })
	want := strings.Repeat(text("bot01", 500)+"\n", 10)
	go func() {
		client.Write([]byte(want))
		client.CloseWrite()
	}()
	if got, err := end(host); got != want || err != nil {
		t.Errorf("got %d of %d bytes, %v", len(got), len(want), err)
	}
}

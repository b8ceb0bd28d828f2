package relay_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/web"
)

// farReader connects from an address, sends a request over and over, and counts the bytes that it
// gets until ctx ends.
func farReader(ctx context.Context, srv *relay.Server, served *sync.WaitGroup, address, request string, bytes *atomic.Int64) {
	ours, theirs := net.Pipe()
	served.Go(func() { srv.ServeConn(ctx, addressed{theirs, &net.TCPAddr{IP: net.ParseIP(address), Port: 1}}) })
	served.Go(func() {
		for range 10_000 {
			if _, err := io.WriteString(ours, request); err != nil {
				return
			}
		}
	})
	served.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := ours.Read(buf)
			if bytes.Add(int64(n)); err != nil {
				return
			}
		}
	})
	context.AfterFunc(ctx, func() { ours.Close() })
}

// However many connections an address has, what it reads of the past is bounded: by GET, a
// stream that begins at the start, /history, /who and a replay. Others read as before.
func TestReadingIsPaced(t *testing.T) {
	const seconds, rate, burst = 10, 2 << 20, 16 << 20
	hello := `{"type":"hello","nick":"eve"}` + "\n"
	for name, request := range map[string]string{
		"messages": "GET /messages?since=1&count=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"history":  hello + strings.Repeat("{\"type\":\"history\",\"count\":200}\n", 1000),
		"search":   hello + strings.Repeat("{\"type\":\"search\",\"text\":\"soup\",\"count\":200}\n", 1000),
		"replay":   hello + strings.Repeat("{\"type\":\"help\"}\n", 1000),
		"files":    "GET /page/chat.css HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var page *web.Handler
				srv := relay.New(relay.Options{Web: func(conn net.Conn) { page.StartServing(conn) }})
				page = web.New(srv, web.Options{})
				ctx, stop := context.WithCancel(t.Context())
				var served sync.WaitGroup
				fillRoom(ctx, srv, &served)
				var attacker, other atomic.Int64
				for range 20 {
					farReader(ctx, srv, &served, "10.0.0.2", request, &attacker)
				}
				time.Sleep(seconds * time.Second)
				farReader(ctx, srv, &served, "10.0.0.3", "GET /messages?since=1&count=1000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", &other)
				time.Sleep(time.Second)
				if n, most := attacker.Load(), int64(burst+(seconds+2)*rate+20<<20); n > most {
					t.Errorf("one address read %d MB in %d s, want at most %d MB", n>>20, seconds, most>>20)
				}
				if n := other.Load(); n < 500<<10 {
					t.Errorf("another address read %d bytes", n)
				}
				stop()
				served.Wait()
				page.Close()
			})
		})
	}
}

// fillRoom sends about a megabyte of messages to the room.
func fillRoom(ctx context.Context, srv *relay.Server, served *sync.WaitGroup) {
	ours, theirs := net.Pipe()
	served.Go(func() { srv.ServeConn(ctx, theirs) })
	served.Go(func() { io.Copy(io.Discard, ours) })
	fmt.Fprintf(ours, "{\"type\":\"hello\",\"nick\":\"filler\"}\n")
	for n := range 150 {
		fmt.Fprintf(ours, "{\"type\":\"say\",\"seq\":%d,\"text\":\"soup %s\"}\n", n+1, strings.Repeat("lorem ipsum ", 500))
	}
	time.Sleep(time.Second)
	ours.Close()
}

package client

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/web"
	"chat/relay/wire"
)

// serveAt serves the room of srv on count ports, as that many relays, until the test ends.
func serveAt(t *testing.T, srv *relay.Server, count int) (addrs []string) {
	t.Helper()
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	for range count {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, ln.Addr().String())
		serving.Go(func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				serving.Go(func() { srv.ServeConn(t.Context(), conn) })
			}
		})
		t.Cleanup(func() { ln.Close() })
	}
	return addrs
}

// An upload whose relay is gone does not wait until its own connection times out: it continues at the relay where the
// client is.
func TestUploadMoves(t *testing.T) {
	store, err := files.Open(t.TempDir(), files.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var page *web.Handler
	var addrs []string
	srv := relay.New(relay.Options{
		Title: "kitchen", Files: store.Publish, Relays: func() []string { return addrs },
		Web: func(conn net.Conn) { page.StartServing(conn) },
	})
	page = web.New(srv, web.Options{Files: store})
	t.Cleanup(func() {
		page.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	addrs = serveAt(t, srv, 2)
	n := newRelayNet()
	n.over = func(ctx context.Context, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	c, err := Join(t.Context(), Options{Addr: addrs[0], Dial: n.dial, Idle: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	posted := make(chan *wire.File, 1)
	go func() {
		for e := range c.Events() {
			if r, ok := e.(Received); ok && r.File != nil {
				posted <- r.File
			}
		}
	}()
	path := filepath.Join(t.TempDir(), "soup.bin")
	const size = 8 << 20
	if err := os.WriteFile(path, []byte(strings.Repeat("soup", size/4)), 0o600); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	began := time.Now()
	err = c.Send(t.Context(), path, func(p Progress) {
		if p.Done > size/8 {
			once.Do(func() {
				own := n.conns[addrs[0]][0] // of the client itself
				n.set("gone", addrs[0])
				own.Conn.Close()
			})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > stallTime/2 {
		t.Errorf("the upload took %v", took)
	}
	if f := <-posted; f.Size != size {
		t.Errorf("posted %+v", f)
	}
	c.mu.Lock()
	if c.hostAddr != addrs[1] || len(c.carriers) != 0 {
		t.Errorf("the client is at %s, with %d connections of transfers", c.hostAddr, len(c.carriers))
	}
	c.mu.Unlock()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

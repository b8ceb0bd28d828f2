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
	"chat/relay/journal/journaltest"
	"chat/relay/web"
	"chat/relay/wire"
)

// serveAt serves the room of srv on two ports, as two relays, until the test ends. ended is called then.
func serveAt(t *testing.T, srv *relay.Server, ended func()) (addrs []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	var listeners []net.Listener
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners, addrs = append(listeners, ln), append(addrs, ln.Addr().String())
	}
	serving.Go(func() { srv.Serve(ctx, listeners[0]) })
	serving.Go(func() {
		for {
			conn, err := listeners[1].Accept()
			if err != nil {
				return
			}
			serving.Go(func() { srv.ServeConn(ctx, conn) })
		}
	})
	t.Cleanup(func() {
		listeners[1].Close()
		cancel()
		serving.Wait()
		ended()
	})
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
	relays := journaltest.New()
	srv, err := relay.NewShared(t.Context(), relays.Relay(), nil, relay.Options{
		Title: "kitchen", Room: "0123456789abcdef", Secret: "the secret of all relays", Files: store.Publish,
		Web: func(conn net.Conn) { page.StartServing(conn) },
	})
	if err != nil {
		t.Fatal(err)
	}
	page = web.New(srv, web.Options{Files: store})
	addrs := serveAt(t, srv, func() {
		page.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	defer relays.Announce(addrs...)()
	for len(srv.Relays()) == 0 {
		time.Sleep(time.Millisecond)
	}
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

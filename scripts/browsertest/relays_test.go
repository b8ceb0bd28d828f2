//go:build unix

package browsertest_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/journal/journaltest"
	"chat/relay/web"
)

// A door is a port of a room, which stands for a relay of it.
type door struct {
	ln      net.Listener
	serving sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

func (d *door) open(t *testing.T, srv *relay.Server, addr string) {
	t.Helper()
	var err error
	if d.ln, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	ln := d.ln
	d.serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.conns = append(d.conns, conn)
			d.mu.Unlock()
			d.serving.Go(func() { srv.ServeConn(context.Background(), conn) })
		}
	})
}

// close closes the port and its connections, as the end of a process does.
func (d *door) close() {
	d.ln.Close()
	d.mu.Lock()
	for _, conn := range d.conns {
		conn.Close()
	}
	d.conns = nil
	d.mu.Unlock()
	d.serving.Wait()
}

// sharedRoom returns a server of a shared room, which ends with the test.
func sharedRoom(t *testing.T, store *journaltest.Store, opts relay.Options) *relay.Server {
	t.Helper()
	opts.Secret = "the secret of " + opts.Title
	srv, err := relay.NewShared(t.Context(), store.Relay(), nil, opts)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // of its own: Serve ends the room with its port
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() { srv.Serve(ctx, ln) })
	t.Cleanup(func() {
		cancel()
		served.Wait()
	})
	return srv
}

// When the page's relay is gone, its socket goes to another one, and back. Nothing is lost or doubled, and nothing goes to
// another room.
func TestPageMovesToAnotherRelay(t *testing.T) {
	needChromium(t)
	var page *web.Handler
	var a, b, other door
	stores := []*journaltest.Store{journaltest.New(), journaltest.New()}
	srv := sharedRoom(t, stores[0], relay.Options{Title: "kitchen", Room: "0123456789abcdef", Rate: -1, Web: func(conn net.Conn) { page.StartServing(conn) }})
	page = web.New(srv, web.Options{})
	// Another room is at one of the addresses, which lets any page of this one in: the page has to notice.
	var otherPage *web.Handler
	stranger := sharedRoom(t, stores[1], relay.Options{Title: "pantry", Room: "fedcba9876543210", Web: func(conn net.Conn) { otherPage.StartServing(conn) }})
	otherPage = web.New(stranger, web.Options{})
	t.Cleanup(func() {
		a.close()
		b.close()
		other.close()
		page.Close()
		otherPage.Close()
	})
	other.open(t, stranger, "127.0.0.1:0")
	a.open(t, srv, "127.0.0.1:0")
	b.open(t, srv, "127.0.0.1:0")
	relays := []string{a.ln.Addr().String(), other.ln.Addr().String(), b.ln.Addr().String()}
	for i, srv := range []*relay.Server{srv, stranger} {
		t.Cleanup(stores[i].Announce(relays...))
		await(t, "the relays to be known", func() bool { return len(srv.Relays()) > 0 })
	}

	alice := newProfile(t, 1280, 800)
	alice.join("http://"+relays[0]+"/", "alice")
	alice.send("one")
	alice.waitFor("one")
	alice.wait(`performance.getEntriesByName(new URL([...document.scripts].at(-1).src).href.replace(/[^/]*$/, "relays.js")).length > 0`)
	alice.run(`Math.random = () => 0.5`) // the other room is tried first
	a.close()
	gone := time.Now()
	alice.send("two")
	alice.waitFor("moved to another relay (" + relays[2] + ")")
	alice.connected()
	t.Logf("back after %v", time.Since(gone))
	alice.send("three")
	alice.waitFor("three")

	a.open(t, srv, relays[0])
	b.close()
	alice.waitFor("moved to another relay (" + relays[0] + ")")
	alice.connected()
	alice.send("four")
	alice.wait(`[...document.querySelectorAll("#log .text")].map((el) => el.textContent).filter((text) => /^(one|two|three|four)$/.test(text)).join(" ") === "one two three four"`)
	if got := stranger.Next(); got > 1 {
		t.Errorf("the other room got %d events", got-1)
	}
}

package browsertest_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"chat/relay"
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

// When the page's relay is gone, its socket goes to another one, and back. Nothing is lost or doubled, and nothing goes to
// another room.
func TestPageMovesToAnotherRelay(t *testing.T) {
	needChromium(t)
	var page *web.Handler
	var a, b, other door
	relays := []string{}
	srv := relay.New(relay.Options{Title: "kitchen", Rate: -1, Relays: func() []string { return relays }, Web: func(conn net.Conn) { page.StartServing(conn) }})
	page = web.New(srv, web.Options{})
	// Another room is at one of the addresses, which lets any page of this one in: the page has to notice.
	var otherPage *web.Handler
	stranger := relay.New(relay.Options{Title: "pantry", Relays: func() []string { return relays }, Web: func(conn net.Conn) { otherPage.StartServing(conn) }})
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
	relays = []string{a.ln.Addr().String(), other.ln.Addr().String(), b.ln.Addr().String()}

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

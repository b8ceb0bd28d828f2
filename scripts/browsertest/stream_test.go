//go:build unix

package browsertest_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A badNetwork passes connections on to a host, and breaks them.
type badNetwork struct {
	ln net.Listener
	to string // the host

	mu     sync.Mutex
	random *rand.Rand        // guarded by mu
	isOn   bool              // connections break; guarded by mu
	holds  bool              // nothing of a stream gets through; guarded by mu
	broken int               // connections so far; guarded by mu
	conns  map[net.Conn]bool // guarded by mu
}

func startBadNetwork(t *testing.T, to string) *badNetwork {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("the seed of the bad network is %d", seed)
	n := &badNetwork{ln: ln, to: to, random: rand.New(rand.NewPCG(seed, 0)), conns: make(map[net.Conn]bool)}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		ln.Close()
		n.mu.Lock()
		for conn := range n.conns {
			conn.Close()
		}
		n.mu.Unlock()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { n.serve(conn) })
		}
	})
	return n
}

func (n *badNetwork) url() string { return "http://" + n.ln.Addr().String() + "/" }

// set changes what the network does with connections, also those that are open.
func (n *badNetwork) set(isOn, holds bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isOn, n.holds = isOn, holds
}

// breaks returns how many connections broke so far.
func (n *badNetwork) breaks() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.broken
}

// serve passes a connection on until an end closes it, or the network breaks it.
func (n *badNetwork) serve(conn net.Conn) {
	host, err := net.Dial("tcp", n.to)
	if err != nil {
		conn.Close()
		return
	}
	n.mu.Lock()
	n.conns[conn], n.conns[host] = true, true
	n.mu.Unlock()
	var passing sync.WaitGroup
	var isStream sync.Map // has a key once the connection has asked for a stream
	passing.Go(func() {
		n.pass(host, conn, func(b []byte) bool {
			if strings.Contains(string(b), "\r\nAccept: text/event-stream\r\n") {
				isStream.Store(true, true)
			}
			return true
		})
		conn.Close()
		host.Close()
	})
	passing.Go(func() {
		n.pass(conn, host, func([]byte) bool {
			_, is := isStream.Load(true)
			n.mu.Lock()
			defer n.mu.Unlock()
			return !is || !n.holds
		})
		conn.Close()
		host.Close()
	})
	passing.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, conn)
	delete(n.conns, host)
}

// pass copies what passes, until the connection breaks after some bytes.
func (n *badNetwork) pass(to, from net.Conn, passes func([]byte) bool) {
	b := make([]byte, 4<<10)
	for {
		got, err := from.Read(b)
		if err != nil {
			return
		}
		piece, wait, breaks := n.fate(b[:got])
		time.Sleep(wait)
		if passes(piece) {
			if _, err := to.Write(piece); err != nil {
				return
			}
		}
		if breaks {
			return
		}
	}
}

// fate returns how many of the bytes get through, after how long, and whether they are the last ones.
func (n *badNetwork) fate(b []byte) (piece []byte, wait time.Duration, breaks bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.isOn {
		return b, 0, false
	}
	wait = time.Duration(n.random.IntN(10)) * time.Millisecond
	if n.random.IntN(6) > 0 {
		return b, wait, false
	}
	n.broken++
	if n.random.IntN(3) == 0 { // the browser may then repeat a request by itself
		return nil, wait, true
	}
	return b[:n.random.IntN(len(b)+1)], wait, true
}

// Nothing of a stream is lost, comes twice or in another order over connections that break anywhere. One that stays open
// but through which nothing comes is reported.
func TestStreamOnBadNetwork(t *testing.T) {
	const enough, most = 10, 300 // connections that break, and messages
	h := startHost(t)
	bob := h.program("bob")
	network := startBadNetwork(t, h.addr)
	alice := newProfile(t, 800, 600)
	alice.before(noSockets)
	alice.join(network.url(), "alice")
	network.set(true, false)
	messages := 0
	for ; network.breaks() < enough && messages < most; messages++ {
		fmt.Fprintf(bob, `{"type":"say","text":"from bob %d."}`+"\n", messages)
		alice.run(`(await import("/page/outbox.js")).add({ type: "say", text: "from alice %d." }); dispatchEvent(new Event("online"))`, messages)
	}
	if n := network.breaks(); n < enough {
		t.Errorf("only %d connections broke", n)
	}
	network.set(false, false)
	alice.run(`dispatchEvent(new Event("online"))`)
	alice.wait(`document.querySelectorAll(".outgoing").length === 0`)
	bob.waitFor(fmt.Sprintf("from alice %d.", messages-1))
	alice.waitFor(fmt.Sprintf("from bob %d.", messages-1))
	shown := strings.Join(eval[[]string](alice, `[...document.querySelectorAll("#rows .text")].map((text) => text.textContent)`), "\n")
	for from, text := range map[string]string{"bob": shown, "alice": bob.received()} {
		rest := text
		for i := range messages {
			said := fmt.Sprintf("from %s %d.", from, i)
			before, after, found := strings.Cut(rest, said)
			if !found || strings.Contains(after, said) || strings.Contains(before, "from "+from) {
				t.Fatalf("%q is missing, comes twice or out of order:\n%s", said, text)
			}
			rest = after
		}
	}
	if n := strings.Count(shown, "from alice"); n != messages {
		t.Errorf("alice sees %d messages of her own", n)
	}

	network.set(false, true)
	alice.before(`const wait = setTimeout, begin = Date.now(), now = Date.now; // ten times as fast
		window.setTimeout = (f, ms, ...args) => wait(f, ms / 10, ...args);
		Date.now = () => begin + 10 * (now() - begin);`)
	alice.open(network.url())
	alice.wait(`document.getElementById("connection")?.textContent.includes("holds back")`)
	network.set(false, false)
	alice.connected()
}

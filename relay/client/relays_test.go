package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// relayNet is a network with several relays of one room. To a client, two addresses of one host are two relays.
type relayNet struct {
	room  *smallRoom
	over  func(context.Context, string) (net.Conn, error)    // dials relays that live
	other map[string]func(context.Context) (net.Conn, error) // what is at addresses that are no relays, or no longer; fixed

	// Guarded by mu.
	mu     sync.Mutex
	state  map[string]string         // of a relay by its address: "" lives, "refuses", "gone" as a machine without power, or "another room"
	conns  map[string][]*relayedConn // by address
	dialed []string                  // addresses, in order
	at     []time.Time               // when
}

func newRelayNet(relays ...string) *relayNet {
	room := newSmallRoom(1, 0)
	room.relays = relays
	return &relayNet{room: room, over: room.dial, state: map[string]string{}, conns: map[string][]*relayedConn{}}
}

// A relayedConn is the client's end of a connection to a relay.
type relayedConn struct {
	net.Conn
	dead atomic.Bool // nothing arrives any more, in either direction
}

func (c *relayedConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if !c.dead.Load() || n == 0 {
			return n, err
		}
	}
}

func (c *relayedConn) Write(p []byte) (int, error) {
	if c.dead.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (n *relayNet) dial(ctx context.Context, addr string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed, n.at = append(n.dialed, addr), append(n.at, time.Now())
	state := n.state[addr]
	n.mu.Unlock()
	if dial := n.other[addr]; dial != nil {
		return dial(ctx)
	}
	switch state {
	case "refuses":
		return nil, syscall.ECONNREFUSED
	case "gone":
		<-ctx.Done()
		return nil, ctx.Err()
	case "another room":
		ours, theirs := net.Pipe()
		n.room.serving.Go(func() {
			defer theirs.Close()
			lines := wire.NewLineReader(theirs, 1<<20)
			if _, err := lines.ReadLine(); err == nil {
				fmt.Fprintln(theirs, `{"type":"room","room":"r9","title":"pantry","instance":"i9"}`)
				lines.ReadLine()
			}
		})
		return ours, nil
	}
	conn, err := n.over(ctx, addr)
	if err != nil {
		return nil, err
	}
	c := &relayedConn{Conn: conn}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[addr] = append(n.conns[addr], c)
	return c, nil
}

// set changes the state of relays, and what becomes of their connections.
func (n *relayNet) set(state string, addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, addr := range addrs {
		n.state[addr] = state
		for _, c := range n.conns[addr] {
			switch state {
			case "gone":
				c.dead.Store(true)
			case "refuses", "another room":
				c.Conn.Close()
			}
		}
		n.conns[addr] = nil
	}
}

// dials returns how often each address was dialed.
func (n *relayNet) dials() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	counts := make(map[string]int)
	for _, addr := range n.dialed {
		counts[addr]++
	}
	return counts
}

// nextConnected returns the next Connected, and all Disconnected before it.
func nextConnected(t *testing.T, c *Client) (Connected, []Disconnected) {
	t.Helper()
	var lost []Disconnected
	for e := range c.Events() {
		switch e := e.(type) {
		case Connected:
			return e, lost
		case Disconnected:
			lost = append(lost, e)
		}
	}
	t.Fatalf("the client has ended: %v", c.Err())
	panic("unreachable")
}

// leaveNet closes the client, and waits for the hosts.
func leaveNet(t *testing.T, n *relayNet, c *Client) {
	t.Helper()
	go func() {
		for range c.Events() {
		}
	}()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	n.room.serving.Wait()
}

// A client whose relay is gone, in whatever way, is back at another one within 3 s of noticing it, and each message
// is in the room once.
func TestMoveToAnotherRelay(t *testing.T) {
	many := []string{"a:1"}
	for i := range maxTried {
		many = append(many, fmt.Sprintf("b%d:1", i))
	}
	for _, test := range []struct {
		name   string
		relays []string
		state  string
		alive  string
	}{
		{"its process was killed", []string{"a:1", "b:1"}, "refuses", "b:1"},
		{"its machine is gone", []string{"a:1", "b:1"}, "gone", "b:1"},
		{"two machines are gone", []string{"a:1", "b:1", "c:1"}, "gone", "c:1"},
		{"all machines but one are gone", many, "gone", "b5:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := newRelayNet(test.relays...)
				c, err := Join(t.Context(), Options{Addr: "a:1", Dial: n.dial})
				if err != nil {
					t.Fatal(err)
				}
				nextConnected(t, c)
				if _, err := c.Say(t.Context(), "one"); err != nil {
					t.Fatal(err)
				}
				nextEvent[Received](t, c)
				time.Sleep(steady)
				n.set(test.state, slices.DeleteFunc(slices.Clone(test.relays), func(a string) bool { return a == test.alive })...)
				if _, err := c.Say(t.Context(), "two"); err != nil {
					t.Fatal(err)
				}
				if lost := nextEvent[Disconnected](t, c); !lost.Elsewhere || lost.Attempt != 0 {
					t.Errorf("got %+v", lost)
				}
				noticed := time.Now()
				connected, failed := nextConnected(t, c)
				if took := time.Since(noticed); took > 3*time.Second {
					t.Errorf("back after %v", took)
				}
				if !connected.Moved || !connected.Resumed || connected.NewRoom || connected.Addr != test.alive || len(failed) > 0 {
					t.Errorf("got %+v after %+v", connected, failed)
				}
				if _, err := c.Say(t.Context(), "three"); err != nil {
					t.Fatal(err)
				}
				if err := c.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				if got := n.room.texts(); !slices.Equal(got, []string{"one", "two", "three"}) {
					t.Errorf("the room has %q", got)
				}
				leaveNet(t, n, c)
			})
		})
	}
}

// A relay that only loses its connections is asked first, and no one else: a host that lists addresses of others cannot
// make its members dial them as long as it answers.
func TestStayAtTheRelay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newRelayNet("a:1", "b:1")
		c, err := Join(t.Context(), Options{Addr: "a:1", Dial: n.dial})
		if err != nil {
			t.Fatal(err)
		}
		nextConnected(t, c)
		n.mu.Lock()
		n.conns["a:1"][0].Conn.Close()
		n.mu.Unlock()
		if e, _ := nextConnected(t, c); e.Moved || e.Addr != "a:1" {
			t.Errorf("got %+v", e)
		}
		if got := n.dials(); got["b:1"] != 0 {
			t.Errorf("dialed %v", got)
		}
		leaveNet(t, n, c)
	})
}

// A relay that restarts says so. Its members do not wait for it, and are not asked to: they go on elsewhere, some here, some there.
func TestLeaveARelayThatCloses(t *testing.T) {
	for _, restart := range []int{0, 2000} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				went := make(map[string]int)
				for range 20 {
					h := newScriptedHost(t)
					c, _, end := join(t, Options{Addr: "a:1", Dial: h.dial}, func(*scriptedHost) *hostEnd {
						return h.welcome(wire.Event{Relays: []string{"a:1"}})
					})
					nextEvent[Connected](t, c)
					end.send(wire.Event{Type: wire.TypeRelays, Relays: []string{"a:1", "b:1", "c:1"}})
					if e := nextEvent[Received](t, c); e.Type != wire.TypeRelays {
						t.Errorf("got %+v", e)
					}
					time.Sleep(steady)
					end.send(wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Restart: restart})
					nextEvent[Disconnected](t, c)
					closed := time.Now()
					end = h.welcome(wire.Event{})
					e := nextEvent[Connected](t, c)
					if took := time.Since(closed); took > 2*firstPause || !e.Moved {
						t.Errorf("after %v: %+v", took, e)
					}
					went[e.Addr]++
					closeClient(t, c, end)
				}
				if went["b:1"]+went["c:1"] != 20 || went["b:1"] == 0 || went["c:1"] == 0 {
					t.Errorf("the members went to %v", went)
				}
			})
		})
	}
}

// A host that lists the addresses of others gets little from its members: others are dialed only when the host is gone, and those that
// answer once. They get a question without the token, and addresses of the members' own machines get nothing.
func TestHostileListOfRelays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var heard []string // what the strangers got; guarded by mu
		var strangers sync.WaitGroup
		stranger := func(answer string) func(context.Context) (net.Conn, error) {
			return func(context.Context) (net.Conn, error) {
				ours, theirs := net.Pipe()
				strangers.Go(func() {
					defer theirs.Close()
					buf := make([]byte, 4096)
					for {
						k, err := theirs.Read(buf)
						if err != nil {
							return
						}
						mu.Lock()
						heard = append(heard, string(buf[:k]))
						mu.Unlock()
						if _, err := theirs.Write([]byte(answer)); err != nil {
							return
						}
					}
				})
				return ours, nil
			}
		}
		n := newRelayNet("a:1", "web:80", "room:1", "silent:1", "refuses:1", "127.0.0.1:6379", "[::1]:6379")
		n.other = map[string]func(context.Context) (net.Conn, error){
			"web:80": stranger("HTTP/1.1 400 Bad Request\r\n\r\n"),
			"room:1": stranger(`{"type":"room","room":"r1","title":"kitchen","instance":"i9","proof":"00"}` + "\n"),
			"silent:1": func(ctx context.Context) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
			"refuses:1": func(context.Context) (net.Conn, error) { return nil, syscall.ECONNREFUSED },
		}
		c, err := Join(t.Context(), Options{Addr: "a:1", Dial: n.dial})
		if err != nil {
			t.Fatal(err)
		}
		nextConnected(t, c)
		go func() {
			for range c.Events() {
			}
		}()
		if _, err := c.Say(t.Context(), "my secret"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		n.set("refuses", "a:1")
		const outage = time.Hour
		time.Sleep(outage)
		dials := n.dials()
		rounds := int(outage/(maxPause*7/10)) + 15
		for addr, most := range map[string]int{
			"web:80": 1, "room:1": 1, "silent:1": rounds, "refuses:1": rounds, "127.0.0.1:6379": 0, "[::1]:6379": 0,
		} {
			if got := dials[addr]; got > most || got == 0 && most > 0 {
				t.Errorf("%s was dialed %d times, want at most %d and once", addr, got, most)
			}
		}
		mu.Lock()
		for _, line := range heard {
			if strings.Contains(line, `"token"`) || strings.Contains(line, "my secret") || !strings.Contains(line, `"probe":true`) {
				t.Errorf("a stranger got %q", line)
			}
		}
		if len(heard) != 2 {
			t.Errorf("the strangers got %q", heard)
		}
		mu.Unlock()
		c.Close()
		strangers.Wait()
		n.room.serving.Wait()
	})
}

// Another room at the address of the last relay is not the end of a room that has other relays. If none of them is left, it is.
func TestOtherRoomAtTheAddressOfARelay(t *testing.T) {
	for name, state := range map[string]string{"the other relay returns": "refuses", "no other relay is left": "another room"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := newRelayNet("a:1", "b:1")
				c, err := Join(t.Context(), Options{Addr: "a:1", Dial: n.dial})
				if err != nil {
					t.Fatal(err)
				}
				nextConnected(t, c)
				n.set(state, "b:1")
				n.set("another room", "a:1")
				if state == "refuses" {
					time.AfterFunc(time.Minute, func() { n.set("", "b:1") })
					if e, failed := nextConnected(t, c); !e.Moved || e.Addr != "b:1" || len(failed) < 5 {
						t.Errorf("got %+v after %d attempts", e, len(failed))
					}
				} else {
					for range c.Events() {
					}
					if !isOtherRoom(c.Err()) {
						t.Errorf("the client ended with %v", c.Err())
					}
				}
				leaveNet(t, n, c)
			})
		})
	}
}

// The client of the host itself has no address, and stays with its host.
func TestHostsOwnClientStays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newRelayNet("a:1", "b:1")
		c, err := Join(t.Context(), Options{Dial: n.dial})
		if err != nil {
			t.Fatal(err)
		}
		nextConnected(t, c)
		n.set("refuses", "")
		if e := nextEvent[Disconnected](t, c); e.Elsewhere {
			t.Errorf("got %+v", e)
		}
		time.Sleep(time.Minute)
		if got := n.dials(); len(got) != 1 {
			t.Errorf("dialed %v", got)
		}
		n.set("", "")
		nextConnected(t, c)
		leaveNet(t, n, c)
	})
}

// A client that knows several addresses of a room joins at the first one that it reaches.
func TestJoinAtAnotherAddress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newRelayNet("a:1", "b:1", "c:1")
		n.set("refuses", "a:1")
		n.set("gone", "b:1")
		c, err := Join(t.Context(), Options{Addr: "a:1", Others: []string{"b:1", "c:1"}, Room: "r1", Dial: n.dial})
		if err != nil {
			t.Fatal(err)
		}
		if e, _ := nextConnected(t, c); e.Addr != "c:1" || e.Resumed || e.Moved {
			t.Errorf("got %+v", e)
		}
		leaveNet(t, n, c)

		n.set("refuses", "b:1", "c:1")
		if _, err := Join(t.Context(), Options{Addr: "a:1", Others: []string{"b:1", "c:1"}, Room: "r1", Dial: n.dial}); err == nil {
			t.Error("joined though no relay answers")
		}
		if got := n.dials(); got["a:1"] != 2 || got["c:1"] != 2 {
			t.Errorf("dialed %v", got)
		}
	})
}

// In a sealed room a relay must have the key of the room's host: any other one gets not a byte beyond the handshake, and is not tried again.
func TestSealedRelayNeedsTheKey(t *testing.T) {
	certificate, pin := newCertificate(t, time.Now(), time.Now().Add(time.Hour))
	other, _ := newCertificate(t, time.Now(), time.Now().Add(time.Hour))
	bubble(t, func(t *testing.T) {
		n := newRelayNet("a:1", "evil:1", "plain:1", "ours:1", "b:1")
		n.room.config = &tls.Config{Certificates: []tls.Certificate{certificate}}
		var strangers sync.WaitGroup
		strange := func(wrap func(net.Conn) net.Conn) func(context.Context) (net.Conn, error) {
			return func(context.Context) (net.Conn, error) {
				ours, theirs := net.Pipe()
				strangers.Go(func() {
					defer theirs.Close()
					got, _ := io.ReadAll(wrap(theirs))
					if bytes.Contains(got, []byte(`"type"`)) {
						t.Errorf("a stranger got %q", got)
					}
				})
				return ours, nil
			}
		}
		n.other = map[string]func(context.Context) (net.Conn, error){
			"evil:1": strange(func(conn net.Conn) net.Conn {
				return tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{other}})
			}),
			"ours:1": func(context.Context) (net.Conn, error) { // a name that leads to the client's own machine
				ours, theirs := net.Pipe()
				strangers.Go(func() {
					defer theirs.Close()
					if got, _ := io.ReadAll(theirs); len(got) > 0 {
						t.Errorf("a service on the own machine got %q", got)
					}
				})
				return loopbackConn{ours}, nil
			},
			"plain:1": strange(func(conn net.Conn) net.Conn {
				go io.WriteString(conn, "* Welcome to kitchen, guest-1\n")
				return conn
			}),
		}
		c, err := Join(t.Context(), Options{Addr: "a:1", Room: "r1", Dial: n.dial, Seal: Seal{Pin: pin, Secret: testSecret}})
		if err != nil {
			t.Fatal(err)
		}
		nextConnected(t, c)
		n.set("refuses", "a:1", "b:1")
		time.AfterFunc(time.Minute, func() { n.set("", "b:1") })
		if e, _ := nextConnected(t, c); !e.Moved || e.Addr != "b:1" || !e.Sealed {
			t.Errorf("got %+v", e)
		}
		if got := n.dials(); got["evil:1"] != 1 || got["plain:1"] != 1 || got["ours:1"] != 1 {
			t.Errorf("dialed %v", got)
		}
		leaveNet(t, n, c)
		strangers.Wait()
	})
}

// A loopbackConn is a connection to the client's own machine.
type loopbackConn struct{ net.Conn }

func (loopbackConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// A host that does not let the client in is the answer: the client does not try its secret, or its key, at the other addresses.
func TestOtherAddressesAfterARefusal(t *testing.T) {
	for _, code := range []wire.Code{wire.CodeTooMany, wire.CodeAuthFailed, wire.CodeNotMember} {
		bubble(t, func(t *testing.T) {
			h := newSealedHost(t)
			_, _, err := joinSealed(t, h, Options{Room: "r1", Others: []string{"other:1"}, Seal: Seal{Pin: h.pin, Secret: testSecret}}, func() *hostEnd {
				h.refuse(code)
				return nil
			})
			if e, ok := errors.AsType[*SecretError](err); !ok || e.Code != code || len(h.addrs) != 1 {
				t.Errorf("%s: Join: %v, dialed %q", code, err, h.addrs)
			}
		})
	}
	bubble(t, func(t *testing.T) {
		h := newSealedHost(t)
		_, other := newCertificate(t, time.Now(), time.Now())
		_, _, err := joinSealed(t, h, Options{Room: "r1", Others: []string{"other:1"}, Seal: Seal{Pin: other, Secret: testSecret}}, func() *hostEnd {
			h.wantNothing()
			return nil
		})
		if e, ok := errors.AsType[*PinError](err); !ok || e.Addr != "lab:24280" || len(h.addrs) != 1 {
			t.Errorf("another key: Join: %v, dialed %q", err, h.addrs)
		}
	})
}

// A name in the list of relays that leads to the client's own machine gets not a byte, and is not tried again.
func TestRelayNameOfOwnMachine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newRelayNet("a:1", "name.example:1", "b:1")
		var services sync.WaitGroup
		n.other = map[string]func(context.Context) (net.Conn, error){"name.example:1": func(context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			services.Go(func() {
				if got, _ := io.ReadAll(theirs); len(got) > 0 {
					t.Errorf("a service of this machine got %q", got)
				}
				theirs.Close()
			})
			return loopbackConn{ours}, nil
		}}
		c, err := Join(t.Context(), Options{Addr: "a:1", Room: "r1", Dial: n.dial})
		if err != nil {
			t.Fatal(err)
		}
		nextConnected(t, c)
		n.set("refuses", "a:1", "b:1")
		time.AfterFunc(time.Minute, func() { n.set("", "b:1") })
		if e, _ := nextConnected(t, c); e.Addr != "b:1" {
			t.Errorf("got %+v", e)
		}
		if got := n.dials(); got["name.example:1"] != 1 {
			t.Errorf("dialed %v", got)
		}
		leaveNet(t, n, c)
		services.Wait()
	})
}

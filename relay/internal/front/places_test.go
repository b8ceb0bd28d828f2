package front

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/endpoint"
	"chat/relay/internal/room"
	"chat/relay/internal/session"
)

// A crowd is the connections of one test, with the house that they come to.
type crowd struct {
	*house
	t       *testing.T
	callers []*caller
}

// inHouse runs a test in a house with these limits, and checks that nothing is left of its
// connections.
func inHouse(t *testing.T, opts Options, test func(c *crowd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{house: newHouse(opts), t: t}
		test(c)
		c.Close()
		for _, caller := range c.callers {
			caller.Close()
		}
		c.served.Wait()
		if problem := c.empty(); problem != "" {
			t.Error(problem)
		}
	})
}

// come connects a caller, which sends said, and waits until that is served.
func (c *crowd) come(ip, said string) *caller {
	caller := c.connect(context.Background(), ip, false)
	c.callers = append(c.callers, caller)
	if said != "" {
		c.send(caller, said)
	}
	time.Sleep(2 * Silence)
	synctest.Wait()
	return caller
}

// waiting returns the connections at the door, and how many have a place.
func (c *crowd) waiting() (atTheDoor []*Conn, placed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		if conn.place.state == atDoor {
			atTheDoor = append(atTheDoor, conn)
		}
	}
	return atTheDoor, c.places.placed
}

// fill connects n silent guests, each from an address of its own, and returns them.
func (c *crowd) fill(n int) []*caller {
	for i := range n {
		c.come(fmt.Sprintf("10.1.0.%d", i+1), "")
	}
	return c.callers[len(c.callers)-n:]
}

// want checks what a caller has received, and whether its connection is closed.
func (c *crowd) want(who string, caller *caller, part string, closed bool) {
	c.t.Helper()
	if got := caller.received(); !strings.Contains(got, part) || caller.isClosed() != closed {
		c.t.Errorf("%s got %q, closed: %v; want %q in it, closed: %v", who, got, caller.isClosed(), part, closed)
	}
}

const (
	helloOfAlice = "{\"type\":\"hello\",\"nick\":\"alice\",\"token\":\"token-of-alice\"}\n"
	helloOfBob   = "{\"type\":\"hello\",\"nick\":\"bob\",\"token\":\"token-of-bob\"}\n"
	say          = "{\"type\":\"say\",\"seq\":1,\"text\":\"soup\"}\n"
)

// Guests never get the last tenth of the places: members that the room knows, and the
// host's machine, do.
func TestPlacesAreKeptForMembers(t *testing.T) {
	inHouse(t, Options{MaxConns: 20, MaxPerAddress: 20}, func(c *crowd) {
		alice := c.come("10.0.0.2", helloOfAlice)
		alice.Close()
		guests := c.fill(18)
		c.want("the last guest", guests[17], "* Welcome", false)
		late := c.come("10.0.0.9", "")
		c.want("a guest in a full room", late, "! the room is full (20 connections); try again later", true)
		program := c.come("10.0.0.9", helloOfBob)
		c.want("an unknown program", program, `"code":"full"`, true)
		c.want("alice", c.come("10.0.0.2", helloOfAlice), `"welcome"`, false)
		c.want("the host", c.come("", ""), "* Welcome", false)
		for _, guest := range guests {
			c.want("a guest", guest, "* Welcome", false)
		}
	})
}

// When all places are taken, a member who comes back gets that of the guest that has been silent
// for longest, and the guest learns why.
func TestSilentGuestsGoFirst(t *testing.T) {
	inHouse(t, Options{MaxConns: 4, MaxPerAddress: 4}, func(c *crowd) {
		alice := c.come("10.0.0.2", helloOfAlice)
		alice.Close()
		speaker := c.come("10.1.0.9", "soup\n")
		guests := c.fill(3)
		c.want("alice", c.come("10.0.0.2", helloOfAlice), `"welcome"`, false)
		c.want("the one who spoke", speaker, "* Welcome", false)
		c.want("the oldest guest", guests[0], "* the room is full, and you have sent nothing yet", true)
		c.want("the next guest", guests[1], "* Welcome", false)
		c.want("the host", c.come("127.0.0.1", ""), "* Welcome", false)
		c.want("the second guest", guests[1], "* the room is full", true)
		c.want("the third guest", guests[2], "* Welcome", false)
	})
}

// A member who has sent messages before gets the place of one who never has, but not the
// other way round; and no one gets the place of a member who has spoken.
func TestRegularsStay(t *testing.T) {
	inHouse(t, Options{MaxConns: 2, MaxPerAddress: 2}, func(c *crowd) {
		bob := c.come("10.0.0.3", helloOfBob)
		bob.Close()
		alice := c.come("10.0.0.2", helloOfAlice+say)
		alice.Close()
		bob = c.come("10.0.0.3", helloOfBob)
		speaker := c.come("10.0.0.4", "soup\n")
		alice = c.come("10.0.0.2", helloOfAlice)
		c.want("alice", alice, `"welcome"`, false)
		c.want("bob, who never said a thing", bob, `"code":"full"`, true)
		c.want("bob, again", c.come("10.0.0.3", helloOfBob), `"code":"full"`, true)
		c.want("the one who spoke", speaker, "* Welcome", false)
		c.want("alice", alice, `"welcome"`, false)
	})
}

// One machine cannot keep a member out who has the same address.
func TestMemberAtAFullAddress(t *testing.T) {
	inHouse(t, Options{MaxConns: 100, MaxPerAddress: 3}, func(c *crowd) {
		c.come("10.0.0.2", helloOfAlice).Close()
		elsewhere := c.come("10.0.0.3", "")
		oldest := c.come("10.0.0.2", "")
		c.come("10.0.0.2", "")
		c.come("10.0.0.2", "")
		c.want("one more", c.come("10.0.0.2", ""), "! too many connections from 10.0.0.2 (3); close one first", true)
		c.want("alice", c.come("10.0.0.2", helloOfAlice), `"welcome"`, false)
		c.want("the oldest of her address", oldest, "* too many connections from 10.0.0.2, and you have sent nothing yet", true)
		c.want("the one elsewhere", elsewhere, "* Welcome", false)
	})
}

// The addresses of an IPv6 network count together.
func TestNetworksCountOnce(t *testing.T) {
	inHouse(t, Options{MaxConns: 100, MaxPerAddress: 2}, func(c *crowd) {
		c.come("2001:db8:1:2::1", "")
		c.come("2001:db8:1:2::2", "")
		c.want("a third", c.come("2001:db8:1:2:3::1", ""), "! too many connections from 2001:db8:1:2::/64 (2)", true)
		c.want("another network", c.come("2001:db8:1:3::1", ""), "* Welcome", false)
	})
}

// The wait at the door is bounded in number and in time, and a place that becomes free
// meanwhile is taken.
func TestDoorIsBounded(t *testing.T) {
	inHouse(t, Options{MaxConns: 1, MaxPerAddress: 1}, func(c *crowd) {
		guest := c.come("10.0.0.1", "soup\n")
		var waiting []*caller
		for range maxAtDoorPerGroup {
			caller := c.connect(context.Background(), "10.0.0.2", false)
			c.callers, waiting = append(c.callers, caller), append(waiting, caller)
			c.send(caller, `{"type":`)
		}
		synctest.Wait()
		c.want("one too many", c.come("10.0.0.2", ""), "! the room is full", true)
		other := c.come("10.0.0.3", `{"type":`)
		guest.Close()
		time.Sleep(time.Second)
		c.send(other, "\"hello\"}\n")
		synctest.Wait()
		c.want("the one whose hello came", other, `"welcome"`, false)
		time.Sleep(doorTime)
		synctest.Wait()
		for _, caller := range waiting {
			c.want("one that never finished", caller, "the room is full", true)
		}
		if len(c.places.doorByGroup) > 0 || c.places.door != 0 {
			t.Errorf("at the door: %+v", c.places)
		}
	})
}

// Connections from a few addresses that fill the door keep no one else out: each that comes gets the space of the oldest
// one of the address with the most.
func TestCrowdAtTheDoor(t *testing.T) {
	inHouse(t, Options{MaxConns: 2, MaxPerAddress: 1}, func(c *crowd) {
		c.come("10.0.0.9", helloOfAlice).Close()
		c.fill(2)
		var crowd []*caller
		for i := range maxAtDoor {
			caller := c.connect(context.Background(), fmt.Sprintf("10.2.0.%d", i%8), false)
			c.callers, crowd = append(c.callers, caller), append(crowd, caller)
			c.send(caller, `{"type":`)
			synctest.Wait()
		}
		c.want("a member who is back", c.come("10.0.0.9", helloOfAlice), `"welcome"`, false)
		c.want("the oldest of the crowd", crowd[0], "", true)
		c.want("another one", crowd[1], "", false)
		c.want("the host", c.come("", helloOfBob), `"welcome"`, false)
		c.come("10.0.0.7", `{"type":`) // in the space that alice left
		c.want("another one", crowd[1], "", false)
		c.come("10.0.0.6", `{"type":`)
		c.want("the next one", crowd[1], "", true)
		c.want("one more of the crowd", c.come("10.2.0.2", ""), "! the room is full", true)
		if waiting, _ := c.waiting(); len(waiting) != maxAtDoor {
			t.Errorf("%d at the door, want %d", len(waiting), maxAtDoor)
		}
	})
}

// A connection that serves HTTP has said nothing in the room.
func TestHTTPGoesFirst(t *testing.T) {
	inHouse(t, Options{MaxConns: 2, MaxPerAddress: 2}, func(c *crowd) {
		c.come("10.0.0.2", helloOfAlice).Close()
		page := c.come("10.0.0.3", "GET / HTTP/1.1\r\n\r\n")
		unfinished := c.come("10.0.0.4", `{"type":`)
		c.want("alice", c.come("10.0.0.2", helloOfAlice), `"welcome"`, false)
		c.want("the browser", page, "GET /", true)
		c.want("the host", c.come("", ""), "* Welcome", false)
		c.want("the unfinished line", unfinished, "! the room is full, and you have sent nothing yet", true)
	})
}

// A page is loaded at the door, so that its socket can show a token. Anything else needs a place, and the
// page's connections leave the door in time.
func TestPageAtTheDoor(t *testing.T) {
	inHouse(t, Options{MaxConns: 1, MaxPerAddress: 4}, func(c *crowd) {
		c.come("", "soup\n")
		index := c.come("10.0.0.2", "GET /?nick=bob HTTP/1.1\r\n\r\n")
		script := c.come("10.0.0.2", "GET /page/main.js HTTP/1.1\r\n\r\n")
		c.want("the page", index, "GET /?nick=bob", false)
		c.want("its script", script, "GET /page/main.js", false)
		messages := c.come("10.0.0.2", "GET /messages HTTP/1.1\r\n\r\n")
		time.Sleep(2 * httpWait)
		synctest.Wait()
		c.want("other requests", messages, "503 Service Unavailable", true)
		if door, placed := c.waiting(); len(door) != 2 || placed != 1 {
			t.Errorf("%d at the door and %d placed, want 2 and 1", len(door), placed)
		}
		time.Sleep(doorTime)
		synctest.Wait()
		c.want("the page later", index, "GET /?nick=bob", true)
	})
}

// At a full door a browser's connection between two requests makes space for the next one.
func TestIdleBrowserLeavesAFullDoor(t *testing.T) {
	inHouse(t, Options{MaxConns: 1, MaxPerAddress: 4}, func(c *crowd) {
		c.come("", "soup\n")
		const page = "GET / HTTP/1.1\r\n\r\n"
		for range maxAtDoorPerGroup {
			caller := c.connect(context.Background(), "10.0.0.2", false)
			c.callers = append(c.callers, caller)
			c.send(caller, page)
		}
		synctest.Wait()
		c.want("one more", c.come("10.0.0.2", page), "503 Service Unavailable", true)
		waiting, _ := c.waiting()
		waiting[0].NoteBrowser()
		waiting[0].SetIdle(true)
		c.want("one more after one is idle", c.come("10.0.0.2", page), "GET /", false)
		if waiting, _ := c.waiting(); len(waiting) != maxAtDoorPerGroup {
			t.Errorf("%d at the door, want %d", len(waiting), maxAtDoorPerGroup)
		}
	})
}

// A trusted proxy's request that is served at the door stays there, and so has no place.
func TestProxyAtTheDoor(t *testing.T) {
	proxies, err := endpoint.ParseProxies([]string{"10.0.0.2"})
	if err != nil {
		t.Fatal(err)
	}
	inHouse(t, Options{MaxConns: 1, MaxPerAddress: 4, TrustedProxies: proxies}, func(c *crowd) {
		c.come("", "soup\n")
		for range maxAtDoorPerGroup + 1 {
			caller := c.connect(context.Background(), "10.0.0.2", false)
			c.callers = append(c.callers, caller)
			c.send(caller, "GET / HTTP/1.1\r\n\r\n")
		}
		synctest.Wait()
		conns, _ := c.waiting()
		client := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 66), Port: 1}
		for i, conn := range conns {
			if err := conn.Forwarded(client); (err != nil) != (i >= maxAtDoorPerGroup) {
				t.Errorf("request %d of the client: %v", i+1, err)
			}
		}
		if door, _ := c.waiting(); len(door) != maxAtDoorPerGroup+1 {
			t.Errorf("%d at the door, want %d", len(door), maxAtDoorPerGroup+1)
		}
		if err := conns[0].Claim(room.Standing{}); err == nil {
			t.Error("a stranger behind the proxy got a place in a full room")
		}
	})
}

// An address may open some connections at once, and then so many a second. Others, and this
// machine, do not notice.
func TestArrivals(t *testing.T) {
	inHouse(t, Options{MaxConns: 1000, MaxPerAddress: 1000, Arrivals: session.NewRate(2, 10)}, func(c *crowd) {
		come := func(ip string) bool {
			before := c.Stats().Opened
			c.callers = append(c.callers, c.connect(context.Background(), ip, false))
			synctest.Wait()
			return c.Stats().Opened > before
		}
		count := func(ip string) (n int) {
			for range 30 {
				if come(ip) {
					n++
				}
			}
			return n
		}
		if n := count("10.0.0.0"); n != 10 {
			t.Errorf("%d connections were accepted at once, want 10", n)
		}
		if come("10.0.0.0") {
			t.Error("one more was accepted")
		}
		if !come("10.0.0.1") {
			t.Error("another address was refused")
		}
		if n := count(""); n != 30 {
			t.Errorf("%d connections of this machine were accepted, want 30", n)
		}
		c.want("a refused one", c.come("10.0.0.0", ""), "! too many new connections from 10.0.0.0; try again later", true)
		time.Sleep(3*time.Second - 2*Silence)
		if n := count("10.0.0.0"); n != 6 {
			t.Errorf("after 3 s %d connections were accepted, want 6", n)
		}
	})
}

// HTTP connections of a trusted proxy have no limit of their own, but raw ones from its
// address do: their clients cannot be known.
func TestRawConnectionsOfAProxy(t *testing.T) {
	proxies, err := endpoint.ParseProxies([]string{"10.0.0.2"})
	if err != nil {
		t.Fatal(err)
	}
	inHouse(t, Options{MaxConns: 100, MaxPerAddress: 1, TrustedProxies: proxies}, func(c *crowd) {
		for range 5 {
			c.want("a request", c.come("10.0.0.2", "GET / HTTP/1.1\r\n\r\n"), "GET /", false)
		}
		c.want("a person", c.come("10.0.0.2", "hello\n"), "* Welcome", false)
		c.want("another", c.come("10.0.0.2", "hello\n"), "! too many connections from 10.0.0.2 (1)", true)
		c.want("a silent one", c.come("10.0.0.2", ""), "! too many connections from 10.0.0.2 (1)", true)
		c.want("a program", c.come("10.0.0.2", helloOfAlice), "too many connections from 10.0.0.2 (1)", true)
		c.want("a request", c.come("10.0.0.2", "GET / HTTP/1.1\r\n\r\n"), "GET /", false)
	})
}

// A banned client takes no one's place.
func TestBannedClientTakesNoPlace(t *testing.T) {
	inHouse(t, Options{MaxConns: 2, MaxPerAddress: 2}, func(c *crowd) {
		operator := c.come("", "{\"type\":\"hello\",\"nick\":\"ann\",\"token\":\"operators-own-token\"}\n")
		alice := c.come("10.0.0.2", helloOfAlice+say)
		c.send(operator, "{\"type\":\"ban\",\"nick\":\"alice\"}\n")
		time.Sleep(5 * time.Second)
		c.want("alice", alice, `"banned"`, true)
		guest := c.come("10.0.0.3", "")
		c.want("alice, elsewhere", c.come("10.0.0.4", helloOfAlice), `"code":"full"`, true)
		c.want("the guest", guest, "* Welcome", false)
	})
}

package front

import (
	"net"
	"net/netip"
	"time"

	"chat/relay/endpoint"
	"chat/relay/internal/session"
	"chat/relay/wire"
)

// A trusted proxy forwards the requests of many clients on few connections. While a request is
// served, its connection counts as one of its client. A raw connection from the proxy's address
// is one of the proxy's machine: nothing in it could name another client.

// setPeer sets whose connection c is.
func (c *Conn) setPeer(from net.Addr) {
	c.from = from
	if c.from == nil {
		c.from = noAddr{}
	}
	c.address, c.group = AddressOf(from)
}

// payer returns who pays for the connection's work; see session.Costs. A trusted proxy itself has
// no group, but pays.
func (c *Conn) payer() string {
	if c.group != "" {
		return c.group
	}
	if at, err := netip.ParseAddr(c.address); err == nil {
		return endpoint.Group(at)
	}
	if _, err := netip.ParseAddrPort(c.from.String()); err == nil {
		return session.ThisMachine
	}
	return ""
}

// A noAddr is the address of a connection that has none.
type noAddr struct{}

func (noAddr) Network() string { return "none" }
func (noAddr) String() string  { return "unknown" }

// isProxy reports whether c is a connection from a trusted proxy.
func (f *Front) isProxy(c *Conn) bool {
	if len(f.opts.TrustedProxies) == 0 || c.Conn.RemoteAddr() == nil {
		return false
	}
	at, err := netip.ParseAddrPort(c.Conn.RemoteAddr().String())
	return err == nil && f.opts.TrustedProxies.Trusts(at.Addr())
}

// isForwarding reports whether c counts for the client of a proxy.
func (c *Conn) isForwarding() bool { return c.from != c.Conn.RemoteAddr() && c.front.isProxy(c) }

// Forwarded has the connection count as one of the client at from, until it is idle. The
// error is why the client has no place.
func (c *Conn) Forwarded(from net.Addr) error {
	c.front.mu.Lock()
	defer c.front.mu.Unlock()
	return c.countRefusal(c.front.moveLocked(c, from))
}

// leaveProxy counts c, from a trusted proxy, as a connection of that machine, unless it
// speaks HTTP. It returns the fault for which the connection is refused.
func (c *Conn) leaveProxy(speaker session.Speaker) *wire.Fault {
	f := c.front
	if speaker == session.Browser || c.visit != nil || !f.isProxy(c) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, group := AddressOf(c.Conn.RemoteAddr())
	if group == "" {
		return nil
	}
	fault, _ := f.regroupLocked(c, func() { c.group = group }).(*wire.Fault)
	return fault
}

// moveLocked makes c a connection of the peer at from. If there is no place for that, it returns
// the fault, and c is unchanged.
func (f *Front) moveLocked(c *Conn, from net.Addr) error {
	return f.regroupLocked(c, func() {
		c.setPeer(from)
		if from == c.Conn.RemoteAddr() {
			c.group = "" // the proxy itself
		}
	})
}

// regroupLocked changes the group of c by change, and with it the place of c.
func (f *Front) regroupLocked(c *Conn, change func()) error {
	was, address, group := c.from, c.address, c.group
	if c.isBrowser {
		f.countBrowserLocked(c.address, -1)
		defer func() { f.countBrowserLocked(c.address, 1) }()
	}
	state := c.place.state
	if state == atDoor { // it stays there, and its timer runs on
		return f.regroupAtDoorLocked(c, change, func() { c.from, c.address, c.group = was, address, group })
	}
	f.places.remove(c)
	change()
	c.place.guest = c.group != ""
	if state != placed { // it lost its place, and closes
		return nil
	}
	fault := f.takePlaceLocked(c)
	if fault != nil {
		c.from, c.address, c.group = was, address, group
		c.place.guest = c.group != ""
		f.takePlaceLocked(c) // it is free again
	}
	return fault
}

// regroupAtDoorLocked is regroupLocked for a connection at the door; undo undoes change.
func (f *Front) regroupAtDoorLocked(c *Conn, change, undo func()) error {
	door := f.places.doorByGroup
	recount := func(change func()) {
		if c.group != "" {
			countDown(door, c.group)
		}
		change()
		if c.place.guest = c.group != ""; c.place.guest {
			door[c.group]++
		}
	}
	recount(change)
	if c.group == "" || door[c.group] <= maxAtDoorPerGroup {
		return nil
	}
	fault := wire.Faultf(wire.CodeFull, "the room is full, and too many connections from %s wait; try again later", c.group)
	recount(undo)
	return fault
}

// paceOfClient counts a request for the client of a trusted proxy, and returns how long to wait.
// ok is false if c does not count for one.
func (f *Front) paceOfClient(c *Conn) (wait time.Duration, ok bool) {
	if !c.isForwarding() || c.group == "" {
		return 0, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	bucket := session.Bucket{Rate: &f.rate, Due: f.debts[c.group]}
	wait = bucket.Line()
	f.debts.Keep(c.group, bucket.Due, time.Now())
	return wait, true
}

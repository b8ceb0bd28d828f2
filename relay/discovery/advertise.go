package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"
)

const (
	recheckEvery   = 5 * time.Second  // how soon a new network is announced on
	announceAgain  = time.Second      // between the first two announcements; RFC 6762 8.3
	announceRepeat = 60 * time.Second // half the records' lifetime: caches never see them end
)

// An Advertisement is what the network is told of a room.
type Advertisement struct {
	ID     string       // the room's: 16 hexadecimal digits
	Title  string       // cut where it is too long for a record
	App    string       // program and version, as "chat 1.0.0"
	Port   int          // the listener's real port
	Bind   netip.Addr   // the address listened on; the zero Addr or an unspecified one: all
	Ifaces []string     // announce on these interfaces alone; empty: see [Usable]
	Log    *slog.Logger // nil: discard
}

// A Zone is the records of one room, made for the network. It is not changed once
// made. Its methods are called one at a time, but questions are answered meanwhile.
type Zone interface {
	// Serve answers questions that come in on an interface until stop is called.
	Serve(on net.Interface) (stop func(), err error)
	// Announce sends the records there unasked, over IPv6 or over IPv4; as a
	// goodbye it takes them back.
	Announce(on net.Interface, v6, goodbye bool) error
}

// An Advertiser announces one room on every usable interface. Everything in it
// belongs to the goroutine that calls Run.
type Advertiser struct {
	Room Advertisement

	// seams, fixed before Run; all are needed
	NewZone  func(room Advertisement, addrs []netip.Addr) (Zone, error) // addrs: best last, at most MaxAddresses
	LANs     func() ([]LAN, error)                                      // all interfaces; outside tests LANs
	Outbound func() netip.Addr                                          // outside tests Outbound

	state   string            // what the present servers were built for
	using   []LAN             // where the room is announced
	zone    Zone              // nil before the first network
	servers map[string]func() // by interface name: stops it
	unsent  error             // why the last announcement did not go out everywhere
	trouble string            // what was logged last; "": all is well
}

// Run announces the room until ctx ends, then says goodbye and returns; it is
// called once. It never fails: what goes wrong is logged, once for each change,
// and tried again every 5 seconds, as networks come and go under a laptop. A room
// whose Bind is a loopback address is not announced; Run returns at once.
func (a *Advertiser) Run(ctx context.Context) {
	if a.Room.Log == nil {
		a.Room.Log = slog.New(slog.DiscardHandler)
	}
	if a.Room.Bind.IsLoopback() {
		a.Room.Log.Info("the room is for this machine alone and not announced")
		return
	}
	a.servers = map[string]func(){}
	recheck := time.NewTicker(recheckEvery)
	defer recheck.Stop()
	announce := time.NewTimer(0)
	defer announce.Stop()
	sent := 0
	a.refresh()
	for {
		select {
		case <-recheck.C:
			if a.refresh() {
				sent = 0
				announce.Reset(0)
			}
		case <-announce.C:
			a.announce(false)
			if sent++; sent == 1 {
				announce.Reset(announceAgain)
			} else {
				announce.Reset(announceRepeat)
			}
		case <-ctx.Done():
			a.stop() // first: no answer may follow the goodbye
			a.announce(true)
			return
		}
	}
}

func (a *Advertiser) stop() {
	for _, stop := range a.servers {
		stop()
	}
	clear(a.servers)
}

// refresh brings the servers in line with the interfaces there are now, and
// tells whether the room is to be announced now. After a change all are built
// anew: an interface that was deleted and came back has lost its multicast
// membership, and nothing but its new index tells.
func (a *Advertiser) refresh() (announce bool) {
	all, err := a.LANs()
	if err == nil {
		a.using, err = Usable(all, a.Room.Ifaces)
	}
	if err != nil {
		a.report(err)
		return false
	}
	a.using = filter(a.using, a.listensOn)
	addrs := a.addresses()
	state := fmt.Sprint(addrs)
	for _, l := range a.using {
		state += fmt.Sprintf(" %d %s %v", l.Index, l.Name, l.Prefixes)
	}
	if state != a.state {
		a.stop()
		a.state, a.zone = state, nil
	}
	if len(addrs) == 0 {
		a.report(errors.New("this machine has no network now"))
		return false
	}
	if a.zone == nil {
		zone, err := a.NewZone(a.Room, addrs)
		if err != nil {
			a.report(err)
			return false
		}
		a.zone = zone
	}
	var failed error
	changed := false
	for _, l := range a.using {
		if a.servers[l.Name] != nil {
			continue
		}
		stop, err := a.zone.Serve(l.Interface)
		if err != nil {
			failed = fmt.Errorf("listen for mDNS on %s: %w", l.Name, err)
			continue
		}
		a.servers[l.Name] = stop
		changed = true
	}
	if failed == nil {
		failed = a.unsent
	}
	a.report(failed)
	return changed || a.unsent != nil
}

// listensOn tells whether the room's listener can be reached over l.
func (a *Advertiser) listensOn(l LAN) bool {
	bind := a.Room.Bind.Unmap().WithZone("")
	return !bind.IsValid() || bind.IsUnspecified() ||
		slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool { return p.Addr().WithZone("") == bind })
}

// addresses are the room's, best last: of several A records a querier with
// hashicorp/mdns keeps the last. A link-local IPv6 address is given only where there
// is no other, as it is of use on its own interface alone.
func (a *Advertiser) addresses() []netip.Addr {
	bind := a.Room.Bind.Unmap().WithZone("")
	if bind.IsValid() && !bind.IsUnspecified() && len(a.using) > 0 {
		return []netip.Addr{bind} // what is used was chosen by it
	}
	addrs := addressesOf(a.using, a.Outbound())
	slices.Reverse(addrs)
	return addrs
}

// announce sends the room's records unasked, or with goodbye takes them back.
// hashicorp/mdns does neither; without it other programs' caches would hold a room
// for 2 minutes after its end, and learn of a new one only when they next ask.
func (a *Advertiser) announce(goodbye bool) {
	if a.zone == nil {
		return
	}
	a.unsent = nil
	for _, l := range a.using {
		var failed error
		done := false
		for _, v6 := range []bool{false, true} {
			if !l.has(v6) {
				continue
			}
			if err := a.zone.Announce(l.Interface, v6, goodbye); err != nil {
				failed = err
			} else {
				done = true
			}
		}
		if !done && failed != nil {
			a.unsent = fmt.Errorf("announce the room on %s: %w", l.Name, failed)
		}
	}
	if a.unsent != nil && !goodbye {
		a.report(a.unsent)
	}
}

// report logs err unless it was the last thing logged; nil means all is well.
func (a *Advertiser) report(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == a.trouble {
		return
	}
	a.trouble = text
	if err != nil {
		a.Room.Log.Warn("others need chat join --addr, as this room cannot be announced", "err", text)
		return
	}
	a.Room.Log.Info("this room is announced again")
}

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
	recheckEvery   = time.Second      // between looks for new networks: a cable that was out for 2 s is noticed
	announceAgain  = time.Second      // between the first two announcements; RFC 6762 8.3
	announceRepeat = 60 * time.Second // half the lifetime of the records, so that they do not expire in caches
)

// An Advertisement is the announced data of a room.
type Advertisement struct {
	ID     string       // 16 hexadecimal digits
	Relay  string       // the ID of the host, if the room has several: letters and digits; "": it has one
	Title  string       // cut if it is too long for a record
	App    string       // program and version, as "chat 1.0.0"
	Sealed bool         // only those with its invite can join
	Hint   string       // the start of the pin of a sealed room's key
	Port   int          // that the host listens on
	Bind   netip.Addr   // the address that it listens on; the zero Addr or an unspecified one: all
	Ifaces []string     // announce only on these interfaces; empty: see [Usable]
	Log    *slog.Logger // nil: discard
}

// A Zone has the records of one room. It does not change. Its methods are called one at a
// time, while questions are being answered.
type Zone interface {
	// Serve answers the questions from an interface until stop is called.
	Serve(on net.Interface) (stop func(), err error)
	// Announce sends the records on an interface, over IPv6 or IPv4; with goodbye it
	// withdraws them.
	Announce(on net.Interface, v6, goodbye bool) error
}

// An Advertiser announces one room on every usable interface. It is owned by the goroutine
// that calls Run.
type Advertiser struct {
	Room Advertisement

	// Required, and fixed before Run.
	NewZone  func(room Advertisement, addrs []netip.Addr) (Zone, error) // addrs: best last, at most MaxAddresses
	LANs     func() ([]LAN, error)                                      // LANs, except in tests
	Outbound func() netip.Addr                                          // Outbound, except in tests

	// Hint returns the Hint of the Room now: another certificate may have another key. nil: it does
	// not change. Fixed before Run.
	Hint func() string

	network string            // the interfaces, addresses and hint that the servers were started for
	using   []LAN             // where the room is announced
	zone    Zone              // nil before the first network
	servers map[string]func() // by interface name: stops its server
	unsent  error             // why the last announcement was not sent everywhere
	logged  string            // the last problem that was logged; "": none
}

// Run announces the room until ctx ends, then withdraws it and returns. Call it once. It
// never fails: a problem is logged once, and retried every second, since a laptop changes
// networks. If Bind is a loopback address, the room is not announced and Run returns at
// once.
func (a *Advertiser) Run(ctx context.Context) {
	if a.Room.Log == nil {
		a.Room.Log = slog.New(slog.DiscardHandler)
	}
	if a.Room.Bind.IsLoopback() {
		a.Room.Log.Info("the room is not announced: it listens only on this machine")
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
			if sent >= 2 {
				a.rejoin()
			}
			a.announce(false)
			if sent++; sent == 1 {
				announce.Reset(announceAgain)
			} else {
				announce.Reset(announceRepeat)
			}
		case <-ctx.Done():
			a.stop() // first, so that no answer follows the goodbye
			a.announce(true)
			return
		}
	}
}

// rejoin leaves the multicast group on all interfaces and joins it again, which makes the system
// report the membership. A switch that learns members from such reports, in a network without
// a querier that asks for them, forgets the host after some minutes, and then passes it
// no questions. If another program is in the group, the system reports nothing.
func (a *Advertiser) rejoin() {
	a.stop()
	a.refresh()
}

func (a *Advertiser) stop() {
	for _, stop := range a.servers {
		stop()
	}
	clear(a.servers)
}

// refresh starts and stops servers to match the interfaces and the room's hint, and reports whether to announce
// the room now. After a change it restarts all of them: an interface that was deleted and
// created again has lost its multicast membership, and only its index shows that.
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
	if a.Hint != nil {
		a.Room.Hint = a.Hint()
	}
	network := fmt.Sprint(addrs, a.Room.Hint)
	for _, l := range a.using {
		network += fmt.Sprintf(" %d %s %v", l.Index, l.Name, l.Prefixes)
	}
	if network != a.network {
		a.stop()
		a.network, a.zone = network, nil
	}
	if len(addrs) == 0 {
		a.report(errors.New("no network"))
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

// listensOn reports whether the room can be reached over l.
func (a *Advertiser) listensOn(l LAN) bool {
	bind := a.Room.Bind.Unmap().WithZone("")
	return !bind.IsValid() || bind.IsUnspecified() ||
		slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool { return p.Addr().WithZone("") == bind })
}

// addresses returns the room's addresses, best last: of several A records a querier that
// uses hashicorp/mdns keeps the last. A link-local IPv6 address is included only if there is
// no other, since it works only on its own interface.
func (a *Advertiser) addresses() []netip.Addr {
	bind := a.Room.Bind.Unmap().WithZone("")
	if bind.IsValid() && !bind.IsUnspecified() && len(a.using) > 0 {
		return []netip.Addr{bind} // listensOn chose the interfaces by it
	}
	addrs := addressesOf(a.using, a.Outbound())
	slices.Reverse(addrs)
	return addrs
}

// announce sends the room's records, or with goodbye withdraws them. hashicorp/mdns does
// neither: other programs would learn of a new room only when they ask, and keep a closed
// one for 2 minutes.
func (a *Advertiser) announce(goodbye bool) {
	if a.zone == nil {
		return
	}
	a.unsent = nil
	for _, l := range a.using {
		var failed error
		sent := false
		for _, v6 := range []bool{false, true} {
			if !l.has(v6) {
				continue
			}
			if err := a.zone.Announce(l.Interface, v6, goodbye); err != nil {
				failed = err
			} else {
				sent = true
			}
		}
		if !sent && failed != nil {
			a.unsent = fmt.Errorf("announce the room on %s: %w", l.Name, failed)
		}
	}
	if a.unsent != nil && !goodbye {
		a.report(a.unsent)
	}
}

// report logs err if it has changed; nil means that there is no problem.
func (a *Advertiser) report(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == a.logged {
		return
	}
	a.logged = text
	if err != nil {
		a.Room.Log.Warn("cannot announce this room; others need chat join --addr", "err", text)
		return
	}
	a.Room.Log.Info("this room is announced again")
}

package discovery

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// MaxAddresses is how many addresses a host announces at most, so that its records fit into
// one Ethernet frame.
const MaxAddresses = 12

// A LAN is one network interface with its addresses.
type LAN struct {
	net.Interface
	Prefixes []netip.Prefix // its addresses, each with the length of its subnet
}

func (l LAN) has(v6 bool) bool {
	return slices.ContainsFunc(l.Prefixes, func(p netip.Prefix) bool { return p.Addr().Is6() == v6 })
}

// A ListError says that the system does not let this program list the network interfaces, as on
// Android from version 11, or in a sandbox that forbids netlink sockets.
type ListError struct{ Err error }

func (e *ListError) Error() string {
	err := e.Err
	if call, ok := errors.AsType[*os.SyscallError](err); ok { // without the names of calls
		err = call.Err
	}
	return fmt.Sprintf("cannot list the network interfaces: %v", err)
}

func (e *ListError) Unwrap() error { return e.Err }

// LANs returns all interfaces of this machine, usable or not. The error is a [*ListError].
func LANs() ([]LAN, error) {
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil, &ListError{err}
	}
	var unlisted error // why no interface has its addresses
	lans := make([]LAN, 0, len(ifaces))
	for _, ifi := range ifaces {
		l := LAN{Interface: ifi}
		addrs, err := ifi.Addrs() // an error for one that is gone by now
		unlisted = cmp.Or(unlisted, err)
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				l.Prefixes = append(l.Prefixes, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
			}
		}
		lans = append(lans, l)
	}
	if unlisted != nil && !slices.ContainsFunc(lans, func(l LAN) bool { return len(l.Prefixes) > 0 }) {
		return nil, &ListError{unlisted}
	}
	return lans, nil
}

// virtualNames are prefixes of the names of interfaces for containers, virtual machines or
// single nearby phones. No other people use those, and multicast sent there diverts answers
// from the real network.
var virtualNames = []string{
	"docker", "br-", "veth", "virbr", "vnet", "cni", "podman", "lxc", "lxdbr",
	"vethernet", "vmnet", "vmware", "virtualbox", "awdl", "llw", "anpi",
}

// Doubt returns why l is not used for discovery, in a few words ("down"); "" if it is.
func (l LAN) Doubt() string {
	name := strings.ToLower(l.Name)
	switch {
	case l.Flags&net.FlagUp == 0:
		return "down"
	case l.Flags&net.FlagLoopback != 0:
		return "loopback"
	case l.Flags&net.FlagRunning == 0:
		return "no carrier: no cable or Wi-Fi"
	case l.Flags&net.FlagMulticast == 0:
		return "no multicast"
	case l.Flags&net.FlagPointToPoint != 0:
		return "point-to-point: a VPN or a modem"
	case len(l.Prefixes) == 0:
		return "no address"
	case slices.ContainsFunc(virtualNames, func(p string) bool { return strings.HasPrefix(name, p) }):
		return "for containers or virtual machines"
	}
	return ""
}

// Usable returns the interfaces for discovery: those named in only, whatever they are;
// without names those without a [LAN.Doubt]; if there are none, all that can do multicast.
// Case does not matter in names. A name that no interface has is an error, which lists the
// interfaces.
func Usable(all []LAN, only []string) ([]LAN, error) {
	if len(only) > 0 {
		var picked []LAN
		for _, name := range only {
			i := slices.IndexFunc(all, func(l LAN) bool { return strings.EqualFold(l.Name, name) })
			if i < 0 {
				return nil, fmt.Errorf("no network interface %q\nhint: this machine has %s", name, strings.Join(lanNames(all), ", "))
			}
			picked = append(picked, all[i])
		}
		return picked, nil
	}
	picked := filter(all, func(l LAN) bool { return l.Doubt() == "" })
	if len(picked) == 0 {
		const want, bar = net.FlagUp | net.FlagRunning | net.FlagMulticast, net.FlagLoopback
		picked = filter(all, func(l LAN) bool { return l.Flags&(want|bar) == want && len(l.Prefixes) > 0 })
	}
	return picked, nil
}

// CheckInterfaces returns an error if a name given by --iface is not an interface of this
// machine. If they cannot be listed, it returns none: searches and announcements report that.
func CheckInterfaces(names []string) error {
	if len(names) == 0 {
		return nil
	}
	all, err := LANs()
	if err != nil {
		return nil
	}
	_, err = Usable(all, names)
	return err
}

func filter[T any](list []T, keep func(T) bool) []T {
	var kept []T
	for _, v := range list {
		if keep(v) {
			kept = append(kept, v)
		}
	}
	return kept
}

func lanNames(lans []LAN) []string {
	names := make([]string, len(lans))
	for i, l := range lans {
		names[i] = l.Name
	}
	return names
}

// Outbound returns this machine's IPv4 address on the default route, or the zero Addr. It
// connects a UDP socket to ask the kernel for the route; nothing is sent.
func Outbound() netip.Addr {
	conn, err := net.Dial("udp4", "192.0.2.1:9") // TEST-NET-1, RFC 5737
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
}

// Addresses returns the addresses at which others on the network reach this machine, best
// first and at most [MaxAddresses]; none without a network. If the interfaces cannot be listed,
// it is the one on the default route.
func Addresses() []netip.Addr {
	all, err := LANs()
	return addressesFrom(all, err, Outbound())
}

// addressesFrom returns the addresses from the result of LANs and Outbound.
func addressesFrom(all []LAN, err error, out netip.Addr) []netip.Addr {
	switch {
	case err == nil:
		lans, _ := Usable(all, nil) // fails only for unknown names
		return addressesOf(lans, out)
	case out.IsValid() && !out.IsLoopback():
		return []netip.Addr{out}
	}
	return nil
}

// addressesOf returns the addresses of lans: IPv4, with out first, then IPv6. A link-local
// one is returned only if there is no other. At most MaxAddresses.
func addressesOf(lans []LAN, out netip.Addr) []netip.Addr {
	kind := func(a netip.Addr) int {
		switch {
		case a == out:
			return 0
		case a.Is4():
			return 1
		case a.IsLinkLocalUnicast():
			return 3
		}
		return 2
	}
	var addrs []netip.Addr
	for _, l := range lans {
		for _, p := range l.Prefixes {
			if a := p.Addr().WithZone(""); !a.IsLoopback() && !slices.Contains(addrs, a) {
				addrs = append(addrs, a)
			}
		}
	}
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return cmp.Compare(kind(a), kind(b)) })
	n := slices.IndexFunc(addrs, func(a netip.Addr) bool { return kind(a) == 3 })
	switch {
	case n == 0:
		n = 1
	case n < 0:
		n = len(addrs)
	}
	return addrs[:min(n, MaxAddresses)]
}

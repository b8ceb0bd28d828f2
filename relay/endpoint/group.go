package endpoint

import "net/netip"

// Group returns the key by which limits per address count ip: an IPv4 address itself, and the
// /64 network of an IPv6 address, because one machine can use every address in it (RFC 7721,
// section 2). Link-local addresses count one by one: all machines of a network share fe80::/64.
// It is "" for this machine, which is exempt.
func Group(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	switch {
	case ip.IsLoopback():
		return ""
	case ip.Is4(), ip.IsLinkLocalUnicast():
		return ip.String()
	}
	network, _ := ip.Prefix(64) // fails only for an invalid address
	return network.String()
}

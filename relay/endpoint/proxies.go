package endpoint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the addresses of reverse proxies that a host trusts to say for whom they ask.
type Proxies []netip.Prefix

// ParseProxies parses addresses, each of which may have a number of bits: 192.168.1.7,
// 10.0.0.0/8. The error names the one that is malformed.
func ParseProxies(addresses []string) (Proxies, error) {
	var proxies Proxies
	for _, s := range addresses {
		s = strings.TrimSpace(s)
		if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
			proxies = append(proxies, netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(s)
		if err != nil || network.Addr().Is4In6() {
			return nil, fmt.Errorf("invalid --trusted-proxy %q\nhint: use an IP address or a network, e.g. 192.168.1.7 or 10.0.0.0/8", s)
		}
		proxies = append(proxies, network.Masked())
	}
	return proxies, nil
}

// Trusts reports whether ip is one of the proxies.
func (p Proxies) Trusts(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(ip) })
}

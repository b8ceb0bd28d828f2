package endpoint

import (
	"net"
	"slices"
	"strings"
)

// IsNameOf reports whether a request for the host name is meant for a machine with these names: name is one of them,
// localhost or an IP address, which cannot be pointed elsewhere. An IPv6 address may have brackets and a zone.
func IsNameOf(name string, names []string) bool {
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	if name == "localhost" || isIP(name) {
		return true
	}
	return slices.ContainsFunc(names, func(known string) bool { return name == strings.ToLower(known) })
}

func isIP(name string) bool {
	ip, zone, _ := strings.Cut(name, "%")
	return net.ParseIP(ip) != nil && (zone == "" || strings.Contains(ip, ":"))
}

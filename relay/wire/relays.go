package wire

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// MaxRelays is how many addresses one event lists at most. [ParseEvent] truncates a longer list.
const MaxRelays = 32

// maxRelay bounds an address in [Event.Relays], in bytes.
const maxRelay = 255

// IsRelay reports whether addr can be the address of a relay: host:port with an IP address of a machine, or a
// name of ASCII letters, digits, dots, - and _. Other machines do not know the zone of an address: there is none.
func IsRelay(addr string) bool {
	if len(addr) > maxRelay {
		return false
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Zone() == "" && !ip.IsUnspecified() && !ip.IsMulticast()
	}
	isNotInHost := func(r rune) bool { return isNotInName(r) && r != '.' }
	return host != "" && host[0] != '-' && !strings.ContainsFunc(host, isNotInHost) && strings.ContainsFunc(host, isLetter)
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// Relays returns the addresses of list that are valid, each once, up to MaxRelays of them. It changes list.
func Relays(list []string) []string {
	valid := list[:0]
	for _, addr := range list {
		if len(valid) < MaxRelays && IsRelay(addr) && !slices.Contains(valid, addr) {
			valid = append(valid, addr)
		}
	}
	return valid
}

// Package endpoint deals with the network addresses of a host: it parses and completes the
// ones that people type, listens on one, and lists those at which others reach the listener.
package endpoint

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"chat/relay/discovery"
	"chat/relay/errno"
	"chat/relay/text"
	"chat/relay/wire"
)

// An AddressError reports a malformed address.
type AddressError struct {
	Address string
	Why     string // "": it cannot be parsed
	Listen  bool   // it was to be listened on, not joined
}

func (e *AddressError) Error() string {
	if e.Listen {
		return fmt.Sprintf("%s\nhint: e.g. --addr :%d or --addr 192.168.1.5:%[2]d", e.Problem(), wire.DefaultPort)
	}
	return fmt.Sprintf("%s\nhint: e.g. --addr 192.168.1.5, --addr 192.168.1.5:%d, --addr [fe80::1%%eth0]:%[2]d or --addr laptop.local", e.Problem(), wire.DefaultPort)
}

// Problem returns what happened, without a hint.
func (e *AddressError) Problem() string {
	problem := fmt.Sprintf("invalid address %q", e.Address)
	if e.Why != "" {
		problem += ": " + e.Why
	}
	return problem
}

// IsAddress reports whether s is an address and hardly the title of a room: a URL, or an IP address with
// or without a port.
func IsAddress(s string) bool {
	if _, isURL := ofURL(s); isURL {
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(s)
	return err == nil
}

// ofURL returns the address in the URL of a room's page, which begins with https if the room is sealed.
func ofURL(s string) (addr string, isURL bool) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "":
		return s, false
	case strings.EqualFold(u.Scheme, "https"):
		if u.Port() == "" { // as in an invite
			return net.JoinHostPort(u.Hostname(), "443"), true
		}
		return u.Host, true
	case strings.EqualFold(u.Scheme, "http"):
		return u.Host, true
	}
	return s, false
}

// Parse completes an address to "host:port". It takes an IP address or a name, with or
// without a port, an IPv6 address with or without brackets, and the URL of a room's page. The
// error is an [*AddressError].
func Parse(s string) (string, error) {
	addr, err := parse(strings.TrimSpace(s))
	if err != nil {
		return "", err
	}
	if at, err := netip.ParseAddrPort(addr); err == nil && at.Addr().IsLinkLocalUnicast() && at.Addr().Is6() && at.Addr().Zone() == "" {
		return "", &AddressError{Address: s, Why: "a link-local address needs its interface"}
	}
	return addr, nil
}

func parse(s string) (string, error) {
	s, _ = ofURL(s)
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		return "", &AddressError{Address: s, Why: "it is only a port"}
	}
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	port := strconv.Itoa(wire.DefaultPort)
	if ip, err := netip.ParseAddr(bare); err == nil {
		return net.JoinHostPort(ip.String(), port), nil
	}
	host := s
	if strings.ContainsAny(s, ":[]") {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", &AddressError{Address: s}
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strings.ContainsAny(host, "/@ []\t") {
		return "", &AddressError{Address: s}
	}
	if host == "" {
		if s == "" {
			return "", &AddressError{Address: s}
		}
		host = "localhost"
	}
	return net.JoinHostPort(host, port), nil
}

// fallbackPorts is how many ports after the default one Listen tries.
const fallbackPorts = 9

// Listen listens on addr: "HOST:PORT", ":PORT", a port, or a host, which gets the default
// port. For "" it listens on all addresses at the default port, or if that is in use at
// one of the next, or at any; fallback reports that it was. A malformed address is an
// [*AddressError].
func Listen(addr string) (ln net.Listener, fallback bool, err error) {
	if addr != "" {
		ln, err = listenOn(withPort(addr))
		return ln, false, err
	}
	for n := range fallbackPorts + 2 {
		port := wire.DefaultPort + n
		if n > fallbackPorts {
			port = 0
		}
		if ln, err = net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port))); err == nil {
			return ln, n > 0, nil
		}
	}
	return nil, false, fmt.Errorf("cannot listen on port %d: %w\nhint: choose another with --addr :PORT", wire.DefaultPort, Cause(err))
}

// ListenDefault listens on all addresses at the default port and at no other: those who know a
// host for long have its port in bookmarks and invites.
func ListenDefault() (net.Listener, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(wire.DefaultPort)))
	if err != nil && errno.InUse(err) {
		return nil, fmt.Errorf("port %d is in use\nhint: stop the program that uses it, or choose another port with --addr :PORT; only a host with a screen takes the next free one", wire.DefaultPort)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on port %d: %w\nhint: choose another with --addr :PORT", wire.DefaultPort, Cause(err))
	}
	return ln, nil
}

// IsAt reports whether ln listens on addr, which is as for Listen.
func IsAt(ln net.Listener, addr string) bool {
	wanted, err := net.ResolveTCPAddr("tcp", withPort(addr))
	if err != nil || wanted.Port != Port(ln) {
		return false
	}
	ip, ok := netip.AddrFromSlice(wanted.IP)
	if !ok || ip.IsUnspecified() {
		return !BoundTo(ln).IsValid()
	}
	return BoundTo(ln) == ip.Unmap()
}

// withPort completes an address: it adds the colon before a lone port, or the default port.
func withPort(addr string) string {
	if _, err := strconv.Atoi(addr); err == nil {
		return ":" + addr
	}
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return net.JoinHostPort(strings.Trim(addr, "[]"), strconv.Itoa(wire.DefaultPort))
	}
	return addr
}

func listenOn(addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err == nil {
		return ln, nil
	}
	unknown, isDNS := errors.AsType[*net.DNSError](err)
	_, malformed := errors.AsType[*net.AddrError](err)
	switch {
	case isDNS && unknown.IsNotFound && strings.HasPrefix(addr, unknown.Name+":"):
		return nil, fmt.Errorf("unknown host %q\nhint: listen on all addresses of this machine with --addr :PORT", unknown.Name)
	case isDNS, malformed:
		return nil, &AddressError{Address: addr, Listen: true}
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("cannot listen on %s: permission denied\nhint: ports below 1024 need administrator rights; choose a higher one", addr)
	case errno.NotAvailable(err):
		return nil, fmt.Errorf("cannot listen on %s: this machine does not have that address\nhint: listen on all addresses of this machine with --addr :PORT", addr)
	case errno.InUse(err):
		return nil, fmt.Errorf("cannot listen on %s: the port is in use\nhint: choose another port, or leave out --addr: on a terminal the host then uses the next free one", addr)
	}
	return nil, fmt.Errorf("cannot listen on %s: %w\nhint: choose another port, or leave out --addr to use the next free one", addr, Cause(err))
}

// Cause returns the innermost error of a network error, without the layers that repeat
// the address.
func Cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		err = call.Err
	}
	return err
}

// at returns the address that ln listens on. It must be a TCP listener.
func at(ln net.Listener) netip.AddrPort { return ln.Addr().(*net.TCPAddr).AddrPort() }

// Port returns the port that ln listens on, which must be a TCP listener.
func Port(ln net.Listener) int { return int(at(ln).Port()) }

// BoundTo returns the address that ln listens on, or the zero Addr if it is all of them.
func BoundTo(ln net.Listener) netip.Addr { return boundTo(at(ln)) }

func boundTo(at netip.AddrPort) netip.Addr {
	if at.Addr().IsUnspecified() {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// Reachable returns the "host:port" addresses at which others can reach ln, the best one
// first; at least one.
func Reachable(ln net.Listener) []string { return ReachableAt(at(ln)) }

// ReachableAt is Reachable for a listener at an address of this machine.
func ReachableAt(at netip.AddrPort) []string {
	port := strconv.Itoa(int(at.Port()))
	if bound := boundTo(at); bound.IsValid() {
		return []string{net.JoinHostPort(bound.String(), port)}
	}
	addrs := discovery.Addresses()
	if len(addrs) == 0 { // without a network, programs on this machine can still join
		addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	reachable := make([]string, len(addrs))
	for i, at := range addrs {
		reachable[i] = net.JoinHostPort(at.String(), port)
	}
	return reachable
}

// MachineName returns this machine's name without its domain, or "chat".
func MachineName() string {
	name, err := os.Hostname()
	if err != nil {
		return "chat"
	}
	name, _, _ = strings.Cut(name, ".")
	return cmp.Or(text.Title(name), "chat")
}

// MachineNames returns the names by which others may know this machine: the full, the
// short and the mDNS one.
func MachineNames() []string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return nil
	}
	short, _, _ := strings.Cut(name, ".")
	return []string{name, short, short + ".local"}
}

// MachineAddresses returns all IP addresses of this machine, without those that are link-local: each
// is unique only on its network. It returns none on a system that hides them.
func MachineAddresses() (addrs []string) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range all {
		if on, ok := a.(*net.IPNet); ok && !on.IP.IsLinkLocalUnicast() {
			addrs = append(addrs, on.IP.String())
		}
	}
	return addrs
}

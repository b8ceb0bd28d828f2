package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"chat/relay/errno"
	"chat/relay/seal"
	"chat/relay/wire"
)

// A Level says how bad a finding is.
type Level int

const (
	OK   Level = iota
	Warn       // may be a problem, or is one for some members
	Fail       // is a problem
)

// String returns the word before a finding.
func (l Level) String() string { return [...]string{"ok", "warn", "FAIL"}[l] }

// A Finding is the result of one check.
type Finding struct {
	Level Level
	Text  string // one sentence, without a full stop
	Fix   string // the command that fixes it; empty if there is nothing to fix, or no known way
}

// An Interface is a network interface, as package discovery rates it.
type Interface struct {
	Name  string
	Addrs []netip.Addr // without zones
	Used  bool         // rooms are announced and searched for here
	Doubt string       // why it is not used, or used only because there is no better one: "down", "loopback"
}

func (i Interface) has(v6 bool) bool {
	return slices.ContainsFunc(i.Addrs, func(a netip.Addr) bool { return a.Is6() == v6 })
}

// A Room is a room that was announced on the network.
type Room struct {
	Title   string   // cleaned
	Addrs   []string // from its announcement; at least one
	Answers string   // the address where its host answered; empty: at none
	Problem string   // what happens there instead: "does not answer"
	Cause   string   // the likely cause of that
	ID      string   // of the room; set if its host answers
	Sealed  bool     // its host answers, and the room is sealed
	Hint    string   // how the announcement says that the pin of a sealed room begins; "": it does not

	Contested bool // several hosts answer with this room's ID
}

// A System provides everything that the checks need from the machine. [Local] sets the
// fields that this package can provide; those without a default are the caller's.
// Functions are called one at a time.
type System struct {
	GOOS    string // as runtime.GOOS
	Program string // path of the running program
	Root    bool   // may see the firewall's rules
	Port    int    // default port of chat host

	// Interfaces lists all interfaces of this machine except the loopback. No default.
	Interfaces func() ([]Interface, error)
	// Echo announces something on an interface and asks for it there. It returns nil if
	// the answer came. If Echo is nil, the default, the check is skipped.
	Echo func(ctx context.Context, on Interface, v6 bool) error
	// Rooms lists the rooms that are announced on the network. No default.
	Rooms func(ctx context.Context) ([]Room, error)
	// Await listens for announcements for a little more than a minute, and returns when one is
	// heard. If Await is nil, the default, that is left out.
	Await func(ctx context.Context) ([]Room, error)
	// Addr is the address of a host to check too, "host:port"; empty, the default: none.
	Addr string
	// Probe asks the host at addr which room it has. No default.
	Probe func(ctx context.Context, addr string) (wire.RoomInfo, error)
	// ProbeLarge sends more than 1,500 bytes to the host at addr and receives as much; see
	// client.ProbeLarge. No default.
	ProbeLarge func(ctx context.Context, addr string) error

	// Outbound returns this machine's IPv4 address on the default route, or the zero
	// Addr. No default.
	Outbound func() netip.Addr

	// JoinGroup joins the mDNS group on an interface, and leaves it. No default.
	JoinGroup func(on Interface, v6 bool) error

	// HostKey returns the pin of the key of this user's sealed rooms. Without one the error wraps
	// fs.ErrNotExist. nil, the default: the check is skipped.
	HostKey func() (seal.Pin, error)
	// ClientKey returns the public half of the key by which this user is known in sealed rooms, as in
	// authorized_keys. Without one the error wraps fs.ErrNotExist. nil, the default: the check is skipped.
	ClientKey func() (string, error)
	// SealedRooms returns the sealed rooms that this machine hosts now. It may return some of them
	// and an error. nil, the default: there are none.
	SealedRooms func() ([]SealedRoom, error)
	// Handshake connects to addr with a version of TLS, and returns the certificate there, whatever
	// it is.
	Handshake func(ctx context.Context, addr string, version uint16) (*x509.Certificate, error)

	Now      func() time.Time
	Listen   func(ctx context.Context, addr string) (net.Listener, error)
	Dial     func(ctx context.Context, addr string) (net.Conn, error)
	ReadFile func(name string) ([]byte, error)
	Run      func(ctx context.Context, name string, args ...string) (output string, err error)
}

// checkTimeout bounds each command and connection of a check.
const checkTimeout = 3 * time.Second

// checks are in an order in which each can explain the next.
var checks = []func(*examination, context.Context){
	(*examination).clock,
	(*examination).interfaces,
	(*examination).multicast,
	(*examination).defaultRoute,
	(*examination).firewall,
	(*examination).echo,
	(*examination).port,
	(*examination).ownAddress,
	(*examination).hostKey,
	(*examination).clientKey,
	(*examination).sealedHere,
	(*examination).rooms,
	(*examination).addr,
}

// An examination is one run of Examine, and owned by its goroutine.
type examination struct {
	System
	report      func(Finding)
	used        []Interface // set by interfaces
	noMulticast [2][]string // set by multicast: the names of interfaces that cannot receive over IPv4, IPv6
	firewallFix string      // set by firewall; empty: no firewall is known to block anything

	sealed map[string]seal.Pin // set by checkSealed: the pins of the sealed rooms that were checked, by address
}

// Examine runs all checks and reports each finding at once. It returns when all checks are
// done, after about 10 seconds, or when ctx ends.
func Examine(ctx context.Context, system System, report func(Finding)) {
	e := &examination{System: system, report: report, sealed: make(map[string]seal.Pin)}
	for _, check := range checks {
		if ctx.Err() != nil {
			return
		}
		check(e, ctx)
	}
}

// Write writes f on one line, and its fix on the next.
func (f Finding) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%-4s %s\n", f.Level, f.Text)
	if err == nil && f.Fix != "" {
		_, err = fmt.Fprintf(w, "     fix: %s\n", f.Fix)
	}
	return err
}

func (e *examination) ok(format string, args ...any) {
	e.report(Finding{OK, fmt.Sprintf(format, args...), ""})
}

func (e *examination) warn(fix, format string, args ...any) {
	e.report(Finding{Warn, fmt.Sprintf(format, args...), fix})
}

func (e *examination) fail(fix, format string, args ...any) {
	e.report(Finding{Fail, fmt.Sprintf(format, args...), fix})
}

// perOS returns the command for this system.
func (e *examination) perOS(linux, darwin, windows string) string {
	switch e.GOOS {
	case "darwin":
		return darwin
	case "windows":
		return windows
	}
	return linux
}

// reason returns the innermost text of an error, without the prefixes of packages.
func reason(err error) string {
	var number syscall.Errno
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer"
	case errors.Is(err, exec.ErrNotFound):
		return "its command is not installed"
	case errors.As(err, &number):
		return number.Error()
	}
	return err.Error()
}

// interfaces reports which network interfaces are used, and why others are not.
func (e *examination) interfaces(context.Context) {
	all, err := e.Interfaces()
	if err != nil {
		e.fail(e.joinCommand(), "cannot list the network interfaces (%s): Android 11 and later, and sandboxes without netlink sockets "+
			"(RestrictAddressFamilies, seccomp), hide them, so rooms are neither announced nor found here; rooms can be joined by address", reason(err))
		if out := e.Outbound(); out.IsValid() {
			e.ok("others reach this machine at %s, its address on the default route", out)
		}
		return
	}
	var skipped []string
	for _, i := range all {
		switch {
		case i.Used && i.Doubt != "":
			e.used = append(e.used, i)
			e.warn(e.connectCommand(), "using %s (%s) because there is no better interface", i.Name, i.Doubt)
		case i.Used && len(i.Addrs) == 0:
			e.warn(e.connectCommand(), "%s has no address", i.Name)
		case i.Used:
			e.used = append(e.used, i)
			e.ok("using %s: %s", i.Name, joinAddrs(i.Addrs))
		default:
			skipped = append(skipped, fmt.Sprintf("%s (%s)", i.Name, i.Doubt))
		}
	}
	switch list := strings.Join(skipped, ", "); {
	case len(e.used) == 0 && list == "":
		e.fail(e.connectCommand(), "this machine has no network interface")
	case len(e.used) == 0:
		e.fail(e.connectCommand(), "no usable network interface: %s", list)
	case list != "":
		e.ok("skipped %s; use --iface NAME to force one", list)
	}
}

// connectCommand returns the command that connects this machine to a Wi-Fi.
func (e *examination) connectCommand() string {
	return e.perOS("nmcli --ask device wifi connect NETWORK",
		"networksetup -setairportnetwork en0 NETWORK PASSWORD", "netsh wlan connect name=NETWORK")
}

func joinAddrs(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// ipVersion names the version of IP that a check is about.
func ipVersion(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

// multicast joins the multicast group on each interface, as hosts and searches do.
func (e *examination) multicast(context.Context) {
	var works []string
	var problems []Finding
	for _, i := range e.used {
		for n, v6 := range []bool{false, true} {
			if !i.has(v6) {
				continue
			}
			err := e.JoinGroup(i, v6)
			if err == nil {
				works = append(works, i.Name+" "+ipVersion(v6))
				continue
			}
			e.noMulticast[n] = append(e.noMulticast[n], i.Name)
			f := Finding{Warn, fmt.Sprintf("cannot receive multicast on %s over %s (%s)", i.Name, ipVersion(v6), reason(err)), e.joinCommand()}
			if errno.InUse(err) {
				f.Text = "another program has exclusive use of UDP port 5353; find it with this command and stop it"
				f.Fix = e.perOS("sudo ss -lunp 'sport = :5353'", "sudo lsof -nP -iUDP:5353", "netstat -abn -p UDP")
			}
			if !slices.Contains(problems, f) {
				problems = append(problems, f)
			}
		}
	}
	if len(works) > 0 {
		e.ok("this machine can receive multicast (UDP port 5353): %s", strings.Join(works, ", "))
	}
	for _, f := range problems {
		if len(works) == 0 {
			f.Level = Fail
		}
		e.report(f)
	}
}

// joinCommand is the fix if rooms cannot be found.
func (e *examination) joinCommand() string { return fmt.Sprintf("chat join --addr HOST:%d", e.Port) }

// defaultRoute warns of a VPN or a container network that gets all traffic for which no
// interface is chosen. chat chooses one, but other programs possibly do not.
func (e *examination) defaultRoute(context.Context) {
	out := e.Outbound()
	if !out.IsValid() || len(e.used) == 0 {
		return // a LAN needs no default route
	}
	all, err := e.Interfaces()
	if err != nil {
		return
	}
	for _, i := range all {
		if !slices.Contains(i.Addrs, out) {
			continue
		}
		if i.Used {
			e.ok("the default route uses %s", i.Name)
			return
		}
		e.warn(e.joinCommand(),
			"the default route uses %s (%s): a VPN that blocks the local network keeps you from joining rooms until it is off", i.Name, i.Doubt)
	}
}

// echo checks that this machine receives its own announcements, as others should.
func (e *examination) echo(ctx context.Context) {
	if e.Echo == nil {
		return
	}
	var works []string
	var problems []Finding
	for _, i := range e.used {
		for n, v6 := range []bool{false, true} {
			if !i.has(v6) || slices.Contains(e.noMulticast[n], i.Name) {
				continue // the latter was reported, and its fix fixes this too
			}
			err := e.Echo(ctx, i, v6)
			if err == nil {
				works = append(works, i.Name+" "+ipVersion(v6))
				continue
			}
			problems = append(problems, Finding{Warn,
				fmt.Sprintf("%s does not receive its own announcements over %s (%s)", i.Name, ipVersion(v6), reason(err)), e.silenceFix()})
		}
	}
	if len(works) > 0 {
		e.ok("this machine receives its own announcements: %s", strings.Join(works, ", "))
	}
	for _, f := range problems {
		if len(works) == 0 {
			f.Level = Fail
		}
		e.report(f)
	}
}

// silenceFix returns the most likely fix for a machine that does not receive its own
// packets, or "" if there is none.
func (e *examination) silenceFix() string {
	linux := ""
	switch {
	case e.firewallFix != "":
		return e.firewallFix
	case !e.Root:
		linux = e.asRoot() // then it can see the firewall's rules
	}
	return e.perOS(linux, `open "x-apple.systempreferences:com.apple.preference.security?Privacy_LocalNetwork"`, e.windowsRule())
}

// asRoot returns the command that runs the checks again as root.
func (e *examination) asRoot() string { return "sudo " + e.Program + " doctor" }

// port checks that chat host can listen on its default port.
func (e *examination) port(ctx context.Context) {
	ln, err := e.Listen(ctx, fmt.Sprintf(":%d", e.Port))
	if err == nil {
		ln.Close()
		e.ok("TCP port %d is free for chat host", e.Port)
		return
	}
	probed, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if room, err := e.Probe(probed, fmt.Sprintf("127.0.0.1:%d", e.Port)); err == nil {
		e.ok("chat host is running here on TCP port %d, room %q", e.Port, room.Title)
		return
	}
	e.warn(fmt.Sprintf("chat host --addr :%d", e.Port+1),
		"TCP port %d is not available (%s): without --addr, chat host uses another port and shows it", e.Port, reason(err))
}

// ownAddress connects to this machine by its LAN addresses, as others would.
func (e *examination) ownAddress(ctx context.Context) {
	var works []string
	for _, i := range e.used {
		addr, ok := bestAddr(i)
		if !ok {
			continue
		}
		if err := e.connectTo(ctx, addr); err != nil {
			e.fail(e.silenceFix(), "cannot connect to this machine's own address %s by TCP (%s)", addr, reason(err))
			continue
		}
		works = append(works, addr)
	}
	if len(works) > 0 {
		e.ok("this machine accepts TCP connections at its own address: %s", strings.Join(works, ", "))
	}
}

// bestAddr returns the address of i that is best to dial, with its zone if it is link-local.
func bestAddr(i Interface) (string, bool) {
	for _, isGood := range []func(netip.Addr) bool{
		netip.Addr.Is4,
		func(a netip.Addr) bool { return !a.IsLinkLocalUnicast() },
		netip.Addr.IsLinkLocalUnicast,
	} {
		if n := slices.IndexFunc(i.Addrs, isGood); n >= 0 {
			addr := i.Addrs[n]
			if addr.Is6() && addr.IsLinkLocalUnicast() {
				addr = addr.WithZone(i.Name)
			}
			return addr.String(), true
		}
	}
	return "", false
}

// connectTo listens on a free port at host, and connects to it.
func (e *examination) connectTo(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	ln, err := e.Listen(ctx, net.JoinHostPort(host, "0"))
	if err != nil {
		return err
	}
	defer ln.Close() // the connection need not be accepted
	conn, err := e.Dial(ctx, ln.Addr().String())
	if err != nil {
		return err
	}
	return conn.Close()
}

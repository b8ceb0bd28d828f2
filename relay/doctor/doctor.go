package doctor

import (
	"context"
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

	"chat/relay/wire"
)

// A Level says how bad a finding is.
type Level int

const (
	OK   Level = iota
	Warn       // may be in the way, or is for some
	Fail       // is in the way
)

// String is what stands in front of a finding.
func (l Level) String() string { return [...]string{"ok", "warn", "FAIL"}[l] }

// A Finding is the result of one check.
type Finding struct {
	Level Level
	Text  string // one sentence, without a full stop
	Fix   string // the command that mends it; empty where nothing is to be mended
}

// An Interface is a network interface, as discovery judges it.
type Interface struct {
	Name  string
	Addrs []netip.Addr // without zones
	Used  bool         // rooms are announced and looked for here
	Doubt string       // why it is not used, or only for want of a better one: "is …", "has …"
}

func (i Interface) has(v6 bool) bool {
	return slices.ContainsFunc(i.Addrs, func(a netip.Addr) bool { return a.Is6() == v6 })
}

// A Room is one that was heard on the network.
type Room struct {
	Title   string   // cleaned
	Addrs   []string // where its record says it is; at least one
	Answers string   // the one that answered as this room; empty: none did
}

// A System is all that the checks ask of the machine. [Local] fills in what this
// package does itself; the fields without a default there are the caller's.
// Functions are called one at a time.
type System struct {
	GOOS    string // as runtime.GOOS
	Program string // path of the running program
	Root    bool   // may see the firewall's rules
	Port    int    // of chat host, unless told another one

	// Interfaces are all this machine has, but for the loopback. No default.
	Interfaces func() ([]Interface, error)
	// Echo announces something on an interface and asks for it there; nil when
	// the answer was heard. Nil, the default, leaves the check out.
	Echo func(ctx context.Context, on Interface, v6 bool) error
	// Rooms are those heard on the network. No default.
	Rooms func(ctx context.Context) ([]Room, error)
	// Probe asks who listens at addr. No default.
	Probe func(ctx context.Context, addr string) (wire.RoomInfo, error)

	// Outbound is this machine's IPv4 address on the default route, or zero. No default.
	Outbound func() netip.Addr

	JoinGroup func(v6 bool) error // listens for mDNS where the system's routes lead
	Listen    func(ctx context.Context, addr string) (net.Listener, error)
	Dial      func(ctx context.Context, addr string) (net.Conn, error)
	ReadFile  func(name string) ([]byte, error)
	Run       func(ctx context.Context, name string, args ...string) (output string, err error)
}

// checkTimeout bounds one command or connection of a check.
const checkTimeout = 3 * time.Second

// checks in the order in which one explains the next.
var checks = []func(*examination, context.Context){
	(*examination).interfaces,
	(*examination).group,
	(*examination).defaultRoute,
	(*examination).firewall,
	(*examination).echo,
	(*examination).port,
	(*examination).ownAddress,
	(*examination).rooms,
}

// An examination is one run of Examine and belongs to its goroutine.
type examination struct {
	System
	report      func(Finding)
	used        []Interface // set by the first check
	groupless   [2]bool     // set by the second: nothing can be heard over IPv4, IPv6
	firewallFix string      // set by the firewall's; empty: none is known to be in the way
}

// Examine runs all checks, reports each finding when it is made, and returns
// when all are done or ctx ends, which may take some 10 seconds.
func Examine(ctx context.Context, system System, report func(Finding)) {
	e := &examination{System: system, report: report}
	for _, check := range checks {
		if ctx.Err() != nil {
			return
		}
		check(e, ctx)
	}
}

// Write writes f in one line, and its fix below.
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

// perOS picks what is to be done on this system.
func (e *examination) perOS(linux, darwin, windows string) string {
	switch e.GOOS {
	case "darwin":
		return darwin
	case "windows":
		return windows
	}
	return linux
}

// reason is what an error says at its core, without the layers of packages.
func reason(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer"
	case errors.Is(err, exec.ErrNotFound):
		return "its program is not there"
	case errors.As(err, &errno):
		return errno.Error()
	}
	return err.Error()
}

func (e *examination) interfaces(context.Context) {
	all, err := e.Interfaces()
	if err != nil {
		e.fail("", "the network interfaces cannot be listed: %s", reason(err))
		return
	}
	var doubts []string
	for _, i := range all {
		switch {
		case i.Used && i.Doubt != "":
			e.used = append(e.used, i)
			e.warn(e.connect(), "%s is used for want of a better one: it %s", i.Name, i.Doubt)
		case i.Used:
			e.used = append(e.used, i)
			e.ok("%s is used: %s", i.Name, list(i.Addrs))
		default:
			doubts = append(doubts, i.Name+" "+i.Doubt)
		}
	}
	switch passed := strings.Join(doubts, ", "); {
	case len(e.used) == 0 && passed == "":
		e.fail(e.connect(), "this machine has no network interface")
	case len(e.used) == 0:
		e.fail(e.connect(), "no network interface can be used: %s", passed)
	case passed != "":
		e.ok("passed over: %s (--iface NAME uses one nevertheless)", passed)
	}
}

// connect is the command that brings a machine into a network.
func (e *examination) connect() string {
	return e.perOS("nmcli --ask device wifi connect NETWORK",
		"networksetup -setairportnetwork en0 NETWORK PASSWORD", "netsh wlan connect name=NETWORK")
}

func list(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// family names what is checked twice, once for each.
func family(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

// group joins the multicast group the way a search does: by the system's routes,
// even where the question itself goes out on a chosen interface.
func (e *examination) group(context.Context) {
	var fine []string
	var bad []Finding
	for n, v6 := range []bool{false, true} {
		if !slices.ContainsFunc(e.used, func(i Interface) bool { return i.has(v6) }) {
			continue
		}
		err := e.JoinGroup(v6)
		if err == nil {
			fine = append(fine, family(v6))
			continue
		}
		e.groupless[n] = true
		f := Finding{Warn, fmt.Sprintf("multicast cannot be heard over %s (%s): a route for it seems to be missing", family(v6), reason(err)), e.multicastRoute(v6)}
		if taken(err) {
			f.Text = "another program keeps UDP port 5353 to itself; end the one that this command names"
			f.Fix = e.perOS("sudo ss -lunp 'sport = :5353'", "sudo lsof -nP -iUDP:5353", "netstat -abn -p UDP")
		}
		if !slices.Contains(bad, f) {
			bad = append(bad, f)
		}
	}
	if len(fine) > 0 {
		e.ok("UDP port 5353 can be shared and multicast heard over %s", strings.Join(fine, " and "))
	}
	for _, f := range bad {
		if len(fine) == 0 {
			f.Level = Fail
		}
		e.report(f)
	}
}

// multicastRoute is the command that sends multicast to the first interface used.
func (e *examination) multicastRoute(v6 bool) string {
	i := slices.IndexFunc(e.used, func(i Interface) bool { return i.has(v6) })
	name := e.used[i].Name
	if v6 {
		return e.perOS("sudo ip -6 route add ff00::/8 table local dev "+name,
			"sudo route -n add -inet6 -net ff00::/8 -interface "+name,
			fmt.Sprintf("netsh interface ipv6 add route ff00::/8 \"%s\"", name))
	}
	return e.perOS("sudo ip route add 224.0.0.0/4 dev "+name,
		"sudo route -n add -net 224.0.0.0/4 -interface "+name,
		fmt.Sprintf("netsh interface ipv4 add route 224.0.0.0/4 \"%s\"", name))
}

// taken tells whether err says that another program has the port. Windows has
// numbers of its own: WSAEADDRINUSE, and WSAEACCES for one that is kept exclusively.
func taken(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && (errno == syscall.EADDRINUSE || errno == 10048 || errno == 10013)
}

// defaultRoute warns of a VPN or a container network that takes the traffic which
// chose no interface. chat chooses; other programs, and replies, may not.
func (e *examination) defaultRoute(context.Context) {
	out := e.Outbound()
	if !out.IsValid() || len(e.used) == 0 {
		return // no way out is no harm on a LAN
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
			e.ok("the default route goes by %s", i.Name)
			return
		}
		e.warn("chat join --addr HOST:"+fmt.Sprint(e.Port),
			"the default route goes by %s, which %s: if it is a VPN that shuts out the local network, even a room that is found cannot be reached until it is off", i.Name, i.Doubt)
	}
}

func (e *examination) echo(ctx context.Context) {
	if e.Echo == nil {
		return
	}
	type way struct {
		on  Interface
		v6  bool
		err error
	}
	var deaf []way
	var fine []string
	for _, i := range e.used {
		for n, v6 := range []bool{false, true} {
			if !i.has(v6) || e.groupless[n] {
				continue // the latter was told, and mends this too
			}
			if err := e.Echo(ctx, i, v6); err != nil {
				deaf = append(deaf, way{i, v6, err})
			} else {
				fine = append(fine, i.Name+" "+family(v6))
			}
		}
	}
	if len(fine) > 0 {
		e.ok("this machine hears its own announcement: %s", strings.Join(fine, ", "))
	}
	for _, w := range deaf {
		level := Warn
		if len(fine) == 0 {
			level = Fail
		}
		e.report(Finding{level, fmt.Sprintf("on %s over %s this machine does not hear its own announcement (%s)", w.on.Name, family(w.v6), reason(w.err)),
			e.silence()})
	}
}

// silence is what most likely mends a machine that cannot be heard by itself;
// empty where nothing that is known here does.
func (e *examination) silence() string {
	linux := ""
	switch {
	case e.firewallFix != "":
		return e.firewallFix
	case !e.Root:
		linux = "sudo " + e.Program + " doctor" // it sees the firewall's rules then
	}
	return e.perOS(linux, `open "x-apple.systempreferences:com.apple.preference.security?Privacy_LocalNetwork"`, e.windowsRule())
}

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
		e.ok("TCP port %d: chat host is running here, room %q", e.Port, room.Title)
		return
	}
	e.warn(fmt.Sprintf("chat host --addr :%d", e.Port+1),
		"TCP port %d cannot be listened on (%s): without --addr chat host takes another one, which the command names", e.Port, reason(err))
}

// ownAddress connects to this machine by its LAN addresses, as others would.
func (e *examination) ownAddress(ctx context.Context) {
	var fine []string
	for _, i := range e.used {
		addr, ok := dialable(i)
		if !ok {
			continue
		}
		if err := e.connectTo(ctx, addr); err != nil {
			e.fail(e.silence(), "a TCP connection to this machine's own address %s does not come about (%s)", addr, reason(err))
			continue
		}
		fine = append(fine, addr)
	}
	if len(fine) > 0 {
		e.ok("TCP connections to this machine's own address work: %s", strings.Join(fine, ", "))
	}
}

// dialable is the best address of i, link-local ones with their zone.
func dialable(i Interface) (string, bool) {
	for _, good := range []func(netip.Addr) bool{
		netip.Addr.Is4,
		func(a netip.Addr) bool { return !a.IsLinkLocalUnicast() },
		netip.Addr.IsLinkLocalUnicast,
	} {
		if n := slices.IndexFunc(i.Addrs, good); n >= 0 {
			addr := i.Addrs[n]
			if addr.Is6() && addr.IsLinkLocalUnicast() {
				addr = addr.WithZone(i.Name)
			}
			return addr.String(), true
		}
	}
	return "", false
}

// connectTo listens at host on a free port for as long as it takes to connect there.
func (e *examination) connectTo(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	ln, err := e.Listen(ctx, net.JoinHostPort(host, "0"))
	if err != nil {
		return err
	}
	defer ln.Close() // the connection needs nobody to accept it
	conn, err := e.Dial(ctx, ln.Addr().String())
	if err != nil {
		return err
	}
	return conn.Close()
}

func (e *examination) rooms(ctx context.Context) {
	rooms, err := e.Rooms(ctx)
	if err != nil {
		e.warn("chat join --addr HOST:"+fmt.Sprint(e.Port), "no question for rooms could be asked (%s)", reason(err))
		return
	}
	if len(rooms) == 0 {
		e.warn("chat join --addr HOST:"+fmt.Sprint(e.Port),
			"no room was heard; if one is open, its firewall, a guest Wi-Fi that keeps devices apart, or another subnet is in the way")
		return
	}
	for _, r := range rooms {
		if r.Answers != "" {
			e.ok("room %q was heard and answers at %s", r.Title, r.Answers)
			continue
		}
		host, _, err := net.SplitHostPort(r.Addrs[0])
		if err != nil {
			host = r.Addrs[0]
		}
		e.fail("chat doctor    (on the machine at "+host+")",
			"room %q was heard, but nobody answers at %s: that machine's firewall or the network keeps TCP away, or the room is over", r.Title, strings.Join(r.Addrs, ", "))
	}
}

package main

// Discovery by multicast DNS (RFC 6762, RFC 6763): a host announces its room,
// a finder looks for rooms. Two rules hold for the whole file:
//
//   - It is a hint, never the truth. Records are unauthenticated, can be stale
//     and can be made by anybody; a room is offered only after its host answered
//     over TCP, and what that host says of itself replaces what the record said.
//   - It never stops the program. Hosting goes on where nothing can be announced,
//     joining goes on with --addr.
//
// This is the only file that knows hashicorp/mdns and miekg/dns. What looks odd
// here goes around something in v1.0.7 of the former, said at the place.

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"chat/relay/client"
	"chat/relay/doctor"
	"chat/relay/wire"
)

const (
	roomService   = "_chat-relay._tcp"
	doctorService = "_chat-doctor._tcp" // only `chat doctor` asks for it, of itself
	localDomain   = "local."

	recordVersion = "1" // TXT key v; records of another version are not ours to read
	maxLabel      = 63  // bytes of an instance name before escaping; RFC 1035 2.3.4
	maxTXT        = 255 // bytes of one key=value string; RFC 6763 6.1
	maxAddresses  = 12  // of one host in its record: keeps the packet below one Ethernet frame

	recheckEvery   = 5 * time.Second  // how soon a new network is announced on
	announceAgain  = time.Second      // between the first two announcements; RFC 6762 8.3
	announceRepeat = 60 * time.Second // half the records' lifetime: caches never see them end

	findTimeout = 5 * time.Second
	listWindow  = 1500 * time.Millisecond
	verifyTail  = 250 * time.Millisecond // of a search's time, kept for verifying the last answers
	settle      = 150 * time.Millisecond // how long a verified room waits for others being verified

	dialStagger  = 100 * time.Millisecond // between attempts at one host; RFC 8305 section 5 asks for 100 ms or more
	dialTimeout  = time.Second            // for connecting and the greeting
	maxDials     = 32                     // at the same time in one search
	maxHeard     = 128                    // hosts one search looks at: bounds what a hostile network can cause
	maxPerRecord = 6                      // addresses tried of one host
	maxAttempts  = 5                      // at each of them
)

// rounds is how long each round of questions waits for answers. A reply that
// comes after its round is lost, so they grow; a room on a good network answers
// within 1 ms. RFC 6762 5.2 asks for a second between repeated questions; the
// first four are quicker because a person is waiting, all later ones are not.
var rounds = []time.Duration{
	100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, time.Second,
}

// askAgain is when the first round repeats its question. Multicast is not
// repeated by Wi-Fi itself; a second room unheard in the first round would
// mean joining the first one unasked.
const askAgain = 40 * time.Millisecond

// loopbackRound is the round before which a finder that heard nothing also
// tries this machine's default port. Without any network it does so at once.
const loopbackRound = 3

// deafToItself: on Windows a socket made by net.ListenMulticastUDP, as the library's
// are, is given nothing that its own machine sent: Go switches IP_MULTICAST_LOOP off
// on it, which Winsock heeds when receiving. Read in their documentation, not measured.
const deafToItself = runtime.GOOS == "windows"

// quiet silences the mdns package, which logs at the least occasion.
var quiet = log.New(io.Discard, "", 0)

// --- interfaces ------------------------------------------------------------------

// A lan is one network interface with its addresses.
type lan struct {
	net.Interface
	prefixes []netip.Prefix // its addresses, each with the length of its subnet
}

func (l lan) has(v6 bool) bool {
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Addr().Is6() == v6 })
}

// systemLANs lists all interfaces of this machine.
func systemLANs() ([]lan, error) {
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	lans := make([]lan, 0, len(ifaces))
	for _, ifi := range ifaces {
		l := lan{Interface: ifi}
		addrs, _ := ifi.Addrs() // it may have gone since: then it has none
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				l.prefixes = append(l.prefixes, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
			}
		}
		lans = append(lans, l)
	}
	return lans, nil
}

// virtualNames begin the names of interfaces that lead to containers, virtual
// machines or single nearby phones: no people behind them, and multicast sent
// there takes answers away from the real network.
var virtualNames = []string{
	"docker", "br-", "veth", "virbr", "vnet", "cni", "podman", "lxc", "lxdbr",
	"vethernet", "vmnet", "vmware", "virtualbox", "awdl", "llw", "anpi",
}

// passOver says why l is not used for discovery, or "" when it is.
func passOver(l lan) string {
	name := strings.ToLower(l.Name)
	switch {
	case l.Flags&net.FlagUp == 0:
		return "is switched off"
	case l.Flags&net.FlagLoopback != 0:
		return "is the loopback"
	case l.Flags&net.FlagRunning == 0:
		return "has no carrier (no cable, no Wi-Fi)"
	case l.Flags&net.FlagMulticast == 0:
		return "cannot do multicast"
	case l.Flags&net.FlagPointToPoint != 0:
		return "is point-to-point (a VPN or a modem)"
	case len(l.prefixes) == 0:
		return "has no address"
	case slices.ContainsFunc(virtualNames, func(p string) bool { return strings.HasPrefix(name, p) }):
		return "looks like one of containers or virtual machines"
	}
	return ""
}

// usable picks the interfaces for discovery: those named in only, whatever they
// are; else the ones with people behind them; else, when there is no such one,
// all that do multicast.
func usable(all []lan, only []string) ([]lan, error) {
	if len(only) > 0 {
		var picked []lan
		for _, name := range only {
			i := slices.IndexFunc(all, func(l lan) bool { return strings.EqualFold(l.Name, name) })
			if i < 0 {
				return nil, fmt.Errorf("no network interface %q; there are: %s", name, strings.Join(lanNames(all), ", "))
			}
			picked = append(picked, all[i])
		}
		return picked, nil
	}
	picked := filter(all, func(l lan) bool { return passOver(l) == "" })
	if len(picked) == 0 {
		const want, bar = net.FlagUp | net.FlagRunning | net.FlagMulticast, net.FlagLoopback
		picked = filter(all, func(l lan) bool { return l.Flags&(want|bar) == want && len(l.prefixes) > 0 })
	}
	return picked, nil
}

// checkIfaces reports a name given by --iface that no interface has.
func checkIfaces(names []string) error {
	all, err := systemLANs()
	if err == nil {
		_, err = usable(all, names)
	}
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

func lanNames(lans []lan) []string {
	names := make([]string, len(lans))
	for i, l := range lans {
		names[i] = l.Name
	}
	return names
}

// outboundIPv4 is this machine's address towards the rest of the world, or the
// zero Addr. Connecting a UDP socket asks the kernel for the route; nothing is sent.
func outboundIPv4() netip.Addr {
	conn, err := net.Dial("udp4", "192.0.2.1:9") // TEST-NET-1, RFC 5737
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
}

// --- records -----------------------------------------------------------------------

// A record is what a host announces of itself: a hint where to dial.
type record struct {
	id, title, app string
	addrs          []netip.AddrPort // in the order to be tried; empty in what is announced
}

// escape writes s so that the dns package reads it as these very bytes: names
// and TXT strings go through it in presentation form (RFC 1035 5.1), where raw
// dots would split a label and backslashes vanish.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case strings.IndexByte(`\. '@;()"`, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		case c <= 0x20 || c > 0x7e:
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape undoes escape, and reads anything else as well as it can.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 10, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// instanceName is what browsers show: the title, and enough of the id that no
// two rooms share a name; of two with one name every querier drops one.
func instanceName(title, id string) string {
	short := " " + cut(id, 8)
	return strings.TrimSpace(cut(title, maxLabel-len(short)) + short)
}

// txtFields are the strings of the TXT record, escaped. Addresses go here too,
// because a querier using this library sees only one A and one AAAA record.
func txtFields(room advertisement, addrs []netip.Addr) []string {
	fields := []string{"v=" + recordVersion, "id=" + room.ID, cut("room="+room.Title, maxTXT), cut("app="+room.App, maxTXT)}
	line, n := "", 0
	flush := func() {
		if line == "" {
			return
		}
		key := "addrs"
		if n++; n > 1 {
			key += strconv.Itoa(n)
		}
		fields, line = append(fields, key+"="+line), ""
	}
	for _, a := range addrs {
		if a.Is6() && a.IsLinkLocalUnicast() {
			continue // its zone does not travel; the AAAA record carries it
		}
		if len("addrsNN=")+len(line)+1+len(a.String()) > maxTXT {
			flush()
		}
		if line != "" {
			line += ","
		}
		line += a.String()
	}
	flush()
	for i, f := range fields {
		fields[i] = escape(f)
	}
	return fields
}

// readEntry takes a query's result apart. Entries of other services come
// through the library too: everything not of service, or not as txtFields
// writes it, is refused. zone is the interface that was asked on.
func readEntry(e *mdns.ServiceEntry, service, zone string) (record, bool) {
	labels := dns.SplitDomainName(e.Name)
	if len(labels) != 4 || labels[0] == "" || !strings.EqualFold(strings.Join(labels[1:], ".")+".", service+"."+localDomain) {
		return record{}, false
	}
	fields := map[string]string{}
	var addrs []netip.Addr
	for _, f := range e.InfoFields {
		key, value, _ := strings.Cut(unescape(f), "=")
		key = strings.ToLower(key)
		if _, twice := fields[key]; twice {
			continue // the first one counts; RFC 6763 6.4
		}
		fields[key] = value
		if strings.HasPrefix(key, "addrs") {
			for text := range strings.SplitSeq(value, ",") {
				if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
					addrs = append(addrs, a.Unmap())
				}
			}
		}
	}
	r := record{id: strings.ToLower(fields["id"]), title: wire.Clean(fields["room"]), app: wire.Clean(fields["app"])}
	if fields["v"] != recordVersion || !isRoomID(r.id) || e.Port < 1 || e.Port > 65535 {
		return record{}, false
	}
	if a, ok := netip.AddrFromSlice(e.AddrV4); ok {
		addrs = append(addrs, a.Unmap())
	}
	if e.AddrV6IPAddr != nil {
		if a, ok := netip.AddrFromSlice(e.AddrV6IPAddr.IP); ok && !a.Is4In6() {
			if a.IsLinkLocalUnicast() {
				a = a.WithZone(cmp.Or(e.AddrV6IPAddr.Zone, zone))
			}
			addrs = append(addrs, a)
		}
	}
	for _, a := range addrs {
		r.addrs = append(r.addrs, netip.AddrPortFrom(a, uint16(e.Port)))
	}
	return r, true
}

// isRoomID tells whether s is 16 hexadecimal digits in lower case.
func isRoomID(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}

// worthDialing sorts addrs, those in a subnet of ours first, and drops what no
// room of this network can have, so that nobody is made to dial the internet or
// services of their own machine by a record.
func worthDialing(addrs []netip.AddrPort, lans []lan) []netip.AddrPort {
	rank := func(ap netip.AddrPort) int {
		a := ap.Addr()
		local := slices.ContainsFunc(lans, func(l lan) bool {
			return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
		})
		switch {
		case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsLoopback():
			return -1
		case a.Is6() && a.IsLinkLocalUnicast():
			if a.Zone() == "" {
				return -1
			}
			return 3
		case local && a.Is4():
			return 1
		case local:
			return 2
		case a.IsPrivate(), a.IsLinkLocalUnicast():
			return 4
		}
		return -1
	}
	var kept []netip.AddrPort
	for _, a := range addrs {
		if rank(a) > 0 && !slices.Contains(kept, a) {
			kept = append(kept, a)
		}
	}
	slices.SortStableFunc(kept, func(a, b netip.AddrPort) int { return cmp.Compare(rank(a), rank(b)) })
	return kept[:min(len(kept), maxPerRecord)]
}

// --- announcing -----------------------------------------------------------------------

// An advertisement is what advertise tells the network of a room.
type advertisement struct {
	ID     string     // the room's: 16 hexadecimal digits
	Title  string     // cut where it is too long for a record
	App    string     // program and version, as "chat 1.0.0"
	Port   int        // the listener's real port
	Bind   netip.Addr // the address listened on; the zero Addr or an unspecified one: all
	Ifaces []string   // announce on these interfaces alone; empty: see usable
	Log    *slog.Logger
}

// advertise announces room on every usable interface until ctx ends, then says
// goodbye and returns. It never fails: what goes wrong is logged, once for each
// change, and tried again every 5 seconds, as networks come and go under a laptop.
func advertise(ctx context.Context, room advertisement) {
	if room.Log == nil {
		room.Log = slog.New(slog.DiscardHandler)
	}
	if room.Bind.IsLoopback() {
		room.Log.Info("the room is for this machine alone and not announced")
		return
	}
	a := &advertiser{room: room, lans: systemLANs, serve: serveMDNS, send: sendMDNS, outbound: outboundIPv4}
	a.run(ctx)
}

// An advertiser is one run of advertise; everything in it belongs to the
// goroutine that called run.
type advertiser struct {
	room advertisement

	// seams, fixed after construction
	lans     func() ([]lan, error)
	serve    func(net.Interface, mdns.Zone) (stop func(), err error)
	send     func(ifi net.Interface, v6 bool, packet []byte) error
	outbound func() netip.Addr

	state   string            // what the present servers were built for
	using   []lan             // where the room is announced
	zone    *zone             // nil before the first network
	servers map[string]func() // by interface name: stops it
	unsent  error             // why the last announcement did not go out everywhere
	trouble string            // what was logged last; "": all is well
}

func (a *advertiser) run(ctx context.Context) {
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

func (a *advertiser) stop() {
	for _, stop := range a.servers {
		stop()
	}
	clear(a.servers)
}

// refresh brings the servers in line with the interfaces there are now, and
// tells whether the room is to be announced now. After a change all are built
// anew: an interface that was deleted and came back has lost its multicast
// membership, and nothing but its new index tells.
func (a *advertiser) refresh() (announce bool) {
	all, err := a.lans()
	if err == nil {
		a.using, err = usable(all, a.room.Ifaces)
	}
	if err != nil {
		a.report(err)
		return false
	}
	a.using = filter(a.using, a.listensOn)
	addrs := a.addresses()
	state := fmt.Sprint(addrs)
	for _, l := range a.using {
		state += fmt.Sprintf(" %d %s %v", l.Index, l.Name, l.prefixes)
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
		if a.zone, err = newZone(a.room, addrs); err != nil {
			a.report(err)
			return false
		}
	}
	var failed error
	changed := false
	for _, l := range a.using {
		if a.servers[l.Name] != nil {
			continue
		}
		stop, err := a.serve(l.Interface, a.zone)
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
func (a *advertiser) listensOn(l lan) bool {
	bind := a.room.Bind.Unmap().WithZone("")
	return !bind.IsValid() || bind.IsUnspecified() ||
		slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Addr().WithZone("") == bind })
}

// addresses are the room's, best last: of several A records a querier with this
// library keeps the last. A link-local IPv6 address is given only where there
// is no other, as it is of use on its own interface alone.
func (a *advertiser) addresses() []netip.Addr {
	bind := a.room.Bind.Unmap().WithZone("")
	if bind.IsValid() && !bind.IsUnspecified() && len(a.using) > 0 {
		return []netip.Addr{bind} // what is used was chosen by it
	}
	addrs := lanAddressesOf(a.using, a.outbound())
	slices.Reverse(addrs)
	return addrs
}

// lanAddresses are those by which others on the network reach this machine, best
// first; none where there is no network.
func lanAddresses() []netip.Addr {
	all, err := systemLANs()
	if err != nil {
		return nil
	}
	lans, _ := usable(all, nil) // nothing is named that might not be there
	return lanAddressesOf(lans, outboundIPv4())
}

// lanAddressesOf are the addresses of lans: IPv4, of these out first, then IPv6; a
// link-local one only where there is no other. At most maxAddresses.
func lanAddressesOf(lans []lan, out netip.Addr) []netip.Addr {
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
		for _, p := range l.prefixes {
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
	return addrs[:min(n, maxAddresses)]
}

// announce sends the room's records unasked, or with goodbye takes them back.
// The library does neither; without it other programs' caches would hold a room
// for 2 minutes after its end, and learn of a new one only when they next ask.
func (a *advertiser) announce(goodbye bool) {
	if a.zone == nil {
		return
	}
	packet, err := a.zone.announcement(goodbye)
	if err != nil {
		return // newZone has packed the same records
	}
	a.unsent = nil
	for _, l := range a.using {
		var failed error
		done := false
		for _, v6 := range []bool{false, true} {
			if !l.has(v6) {
				continue
			}
			if err := a.send(l.Interface, v6, packet); err != nil {
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
func (a *advertiser) report(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == a.trouble {
		return
	}
	a.trouble = text
	if err != nil {
		a.room.Log.Warn("others need chat join --addr, as this room cannot be announced", "err", text)
		return
	}
	a.room.Log.Info("this room is announced again")
}

// A zone answers questions about one room. It is not changed once made.
type zone struct {
	*mdns.MDNSService
	names []string // as the service spells them
}

// newZone makes the records of room, and checks that they fit their packet: the
// library leaves a question unanswered when they do not, and tells nobody.
func newZone(room advertisement, addrs []netip.Addr) (*zone, error) {
	ips := make([]net.IP, len(addrs))
	for i, a := range addrs {
		ips[i] = a.AsSlice()
	}
	instance := escape(instanceName(room.Title, room.ID))
	// A host name of our own: under the machine's, its own responder would see a conflict.
	hostName := "chat-" + cut(room.ID, 8) + "." + localDomain
	s, err := mdns.NewMDNSService(instance, roomService, localDomain, hostName, room.Port, ips, txtFields(room, addrs))
	if err != nil {
		return nil, fmt.Errorf("make the mDNS records: %w", err)
	}
	service := roomService + "." + localDomain
	z := &zone{s, []string{service, instance + "." + service, hostName, "_services._dns-sd._udp." + localDomain}}
	_, err = z.announcement(false)
	return z, err
}

// Records answers q whatever case its name is in; RFC 6762 16.
func (z *zone) Records(q dns.Question) []dns.RR {
	for _, name := range z.names {
		if strings.EqualFold(q.Name, name) {
			q.Name = name
		}
	}
	return z.MDNSService.Records(q)
}

// announcement packs the unasked answer of RFC 6762 8.3, or the goodbye of 10.1.
func (z *zone) announcement(goodbye bool) ([]byte, error) {
	records := z.Records(dns.Question{Name: roomService + "." + localDomain, Qtype: dns.TypePTR})
	if goodbye {
		// The pointer alone: to this library any complete set of records is a living host.
		records = records[:1]
		records[0].Header().Ttl = 0
	}
	for _, rr := range records {
		if rr.Header().Rrtype != dns.TypePTR {
			rr.Header().Class |= 1 << 15 // cache flush: an address given up is forgotten; RFC 6762 10.2
		}
	}
	m := dns.Msg{MsgHdr: dns.MsgHdr{Response: true, Authoritative: true}, Compress: true, Answer: records}
	return m.Pack()
}

// serveMDNS answers questions that come in on ifi until stop is called. On
// Linux each server hears the questions of every interface, which is why all
// of them have the same zone.
func serveMDNS(ifi net.Interface, z mdns.Zone) (stop func(), err error) {
	server, err := mdns.NewServer(&mdns.Config{Zone: z, Iface: &ifi, Logger: quiet})
	if err != nil {
		return nil, err
	}
	return func() { server.Shutdown() }, nil
}

// sendMDNS sends packet to the mDNS group on ifi. It goes out from port 5353,
// else responders ignore it (RFC 6762 6); the socket lives for this one packet,
// as questions sent to the machine reach only one of those that share the port.
func sendMDNS(ifi net.Interface, v6 bool, packet []byte) error {
	network, group := "udp4", &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	if v6 {
		network, group = "udp6", &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: 5353, Zone: ifi.Name}
	}
	conn, err := net.ListenMulticastUDP(network, &ifi, group)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Hop limit 255 (RFC 6762 11). Loopback: other programs on this machine listen too.
	if v6 {
		p := ipv6.NewPacketConn(conn)
		err = errors.Join(p.SetMulticastHopLimit(255), p.SetMulticastLoopback(true))
	} else {
		p := ipv4.NewPacketConn(conn)
		err = errors.Join(p.SetMulticastTTL(255), p.SetMulticastLoopback(true))
	}
	if err != nil {
		return err
	}
	_, err = conn.WriteToUDP(packet, group)
	return err
}

// --- finding ---------------------------------------------------------------------------

// A foundRoom is a room whose host has just answered.
type foundRoom struct {
	wire.RoomInfo
	Addr string `json:"addr"` // host:port that answered, ready for net.Dial
}

// A finder looks for rooms on the network. Its methods may run at the same time.
type finder struct {
	ifaces  []string      // ask on these interfaces alone; empty: see usable
	timeout time.Duration // of find; 0: 5 s
	window  time.Duration // of list; 0: 1.5 s

	// seams, fixed after construction
	lans  func() ([]lan, error)
	ask   func(ctx context.Context, on lan, v6 bool, wait time.Duration) ([]record, error)
	probe func(ctx context.Context, addr string) (wire.RoomInfo, error)
}

// newFinder makes a finder for this machine's networks; ifaces and timeout as in its fields.
func newFinder(ifaces []string, timeout time.Duration) *finder {
	ask := func(ctx context.Context, on lan, v6 bool, wait time.Duration) ([]record, error) {
		return askMDNS(ctx, roomService, on, v6, wait)
	}
	return &finder{
		ifaces: ifaces, timeout: timeout, window: timeout,
		lans: systemLANs, ask: ask, probe: client.Probe,
	}
}

// A noRoomError says that a search came to its end without the room wanted.
type noRoomError struct {
	Want   string      // the title or id that was asked for; "": any
	Others []foundRoom // rooms that are there, but were not asked for
	On     []string    // names of the interfaces to be asked on
	Deaf   bool        // nothing could be asked there
	Waited time.Duration
}

// Error is two lines: what happened, and a hint what to do next.
func (e *noRoomError) Error() string {
	what := "no room"
	if e.Want != "" {
		what = fmt.Sprintf("no room %q", e.Want)
	}
	if len(e.Others) > 0 {
		var names []string
		for _, r := range e.Others[:min(len(e.Others), 5)] {
			names = append(names, fmt.Sprintf("%q", r.Title))
		}
		if len(e.Others) > 5 {
			names = append(names, "...")
		}
		return fmt.Sprintf("%s here; there is %s\nhint: chat rooms lists what is here; chat join --addr HOST:PORT reaches a room that is not listed",
			what, strings.Join(names, ", "))
	}
	where := "asked on " + strings.Join(e.On, ", ")
	switch {
	case len(e.On) == 0:
		where = "this machine has no network but itself"
	case e.Deaf:
		where = "but no question could be sent on " + strings.Join(e.On, ", ")
	}
	return fmt.Sprintf("%s found within %v (%s)\n"+
		"hint: a firewall, guest Wi-Fi that keeps devices apart, a VPN or another subnet can hide it: try chat join --addr HOST:%d, or chat doctor for the cause",
		what, e.Waited.Round(100*time.Millisecond), where, wire.DefaultPort)
}

// find returns the rooms that match want: a title, in any case, or the first
// 4 or more digits of an id; "" matches every room. It returns as soon as a
// round of questions brought one that answers, together with all others that
// answered by then; none within the timeout is a *noRoomError. The end of ctx
// ends it at once with ctx's error.
func (f *finder) find(ctx context.Context, want string) ([]foundRoom, error) {
	s := search{finder: f, window: cmp.Or(f.timeout, findTimeout)}
	s.enough = func(r foundRoom) bool { return matches(r.RoomInfo, want) }
	rooms, err := s.run(ctx)
	if err != nil {
		return nil, err
	}
	matching := filter(rooms, s.enough)
	if len(matching) == 0 {
		return nil, &noRoomError{Want: want, Others: rooms, On: s.on, Deaf: s.deaf, Waited: s.window}
	}
	return matching, nil
}

// list returns every room that answers within the window, sorted by title,
// then id; none is a *noRoomError.
func (f *finder) list(ctx context.Context) ([]foundRoom, error) {
	s := search{finder: f, window: cmp.Or(f.window, listWindow)}
	rooms, err := s.run(ctx)
	if err == nil && len(rooms) == 0 {
		err = &noRoomError{On: s.on, Deaf: s.deaf, Waited: s.window}
	}
	return rooms, err
}

func matches(r wire.RoomInfo, want string) bool {
	return want == "" || strings.EqualFold(r.Title, want) ||
		len(want) >= 4 && strings.HasPrefix(r.ID, strings.ToLower(want))
}

// A search is one run of find or list; its fields belong to the goroutine that
// called run.
type search struct {
	*finder
	window time.Duration
	enough func(foundRoom) bool // ends the search early; nil: nothing does

	on      []string             // names of the interfaces to be asked on
	deaf    bool                 // no round could ask anything
	open    map[string]bool      // ids being verified
	seen    map[string]bool      // ids ever verified, to bound their number
	found   map[string]foundRoom // by id
	settled <-chan time.Time     // when to wait no longer, set once enough is found
}

// A round is what one round of questions brought.
type round struct {
	records []record
	on      []string // interfaces to be asked on; told in the first round
	deaf    bool     // not one question could be sent
	err     error    // asking again will not help
}

// A verdict ends the verifying of one record.
type verdict struct {
	id   string
	room foundRoom
	ok   bool
}

var errWindow = errors.New("the search's time is over")

// run asks in rounds, and verifies what is heard while the next round is on.
func (s *search) run(ctx context.Context) ([]foundRoom, error) {
	s.open, s.seen, s.found = map[string]bool{}, map[string]bool{}, map[string]foundRoom{}
	s.deaf = true
	caller := ctx
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithTimeoutCause(ctx, s.window, errWindow)
	defer cancel() // ends all work at once, but for questions on their way (see askAll)

	heard, verdicts, dials := make(chan round), make(chan verdict), make(chan struct{}, maxDials)
	work.Go(func() { s.listen(ctx, heard) })
	for {
		select {
		case r, ok := <-heard:
			if r.err != nil {
				return nil, r.err
			}
			if !ok {
				heard = nil // all questions asked
			}
			s.on = append(s.on, r.on...)
			s.deaf = s.deaf && (!ok || r.deaf)
			for _, rec := range s.fresh(r.records) {
				work.Go(func() {
					room, ok := s.verify(ctx, rec, dials)
					select {
					case verdicts <- verdict{rec.id, room, ok}:
					case <-ctx.Done():
					}
				})
			}
		case v := <-verdicts:
			s.settle(v)
		case <-s.settled:
			return s.rooms(), nil
		case <-ctx.Done():
			return s.rooms(), caller.Err()
		}
		if len(s.open) == 0 && (heard == nil || s.settled != nil) {
			return s.rooms(), nil
		}
	}
}

// fresh picks the records to be verified now: those neither known to be alive
// nor being verified. One that failed is tried again when it is heard again.
func (s *search) fresh(records []record) []record {
	var fresh []record
	for _, r := range records {
		_, alive := s.found[r.id]
		if alive || s.open[r.id] || !s.seen[r.id] && len(s.seen) == maxHeard {
			continue
		}
		s.open[r.id], s.seen[r.id] = true, true
		fresh = append(fresh, r)
	}
	return fresh
}

// settle notes a verdict. The first room that is enough waits a moment for
// others still being verified, so that several rooms are seen as several.
func (s *search) settle(v verdict) {
	delete(s.open, v.id)
	if !v.ok {
		return
	}
	s.found[v.room.ID] = v.room
	if s.settled == nil && s.enough != nil && s.enough(v.room) {
		s.settled = time.After(settle)
	}
}

// rooms are all found, sorted by title, then id.
func (s *search) rooms() []foundRoom {
	return slices.SortedFunc(maps.Values(s.found), func(a, b foundRoom) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), strings.Compare(a.ID, b.ID))
	})
}

// listen asks in rounds until the search's time is nearly over, and closes heard.
func (s *search) listen(ctx context.Context, heard chan<- round) {
	defer close(heard)
	end := time.Now().Add(s.window - min(verifyTail, s.window/4))
	silent := true
	for n := 0; ; n++ {
		wait := min(rounds[min(n, len(rounds)-1)], time.Until(end))
		if n > 0 && wait < rounds[0]/2 {
			return
		}
		over := time.After(wait)
		r := s.askAll(ctx, wait, n == 0)
		if silent = silent && len(r.records) == 0; silent && (r.deaf || deafToItself || n+1 >= loopbackRound) {
			r.records = []record{thisMachine()}
		}
		if n > 0 {
			r.on = nil
		}
		select {
		case heard <- r:
		case <-ctx.Done():
			return
		}
		select {
		case <-over: // a round without questions lasts as long as any
		case <-ctx.Done():
			return
		}
	}
}

// thisMachine stands for a room on this machine's default port, where no
// multicast is needed to find it.
func thisMachine() record {
	return record{addrs: []netip.AddrPort{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), wire.DefaultPort),
		netip.AddrPortFrom(netip.IPv6Loopback(), wire.DefaultPort),
	}}
}

// askAll asks once on every interface in every family it has, twice if asked
// to, and merges the answers by room. Each question stands alone: the library
// gives up all families when sending fails in one. When ctx ends askAll returns
// at once; a question on its way cannot be ended and dies with its wait.
func (s *search) askAll(ctx context.Context, wait time.Duration, twice bool) round {
	all, err := s.lans()
	if err != nil {
		return round{err: err}
	}
	lans, err := usable(all, s.ifaces)
	if err != nil {
		return round{err: err}
	}
	type answer struct {
		records []record
		err     error
	}
	// As many places as there can be answers: nobody may be there to take them.
	answers, asked := make(chan answer, 4*len(lans)), 0
	for _, l := range lans {
		for _, v6 := range []bool{false, true} {
			for again := range 2 {
				if !l.has(v6) || again == 1 && (!twice || wait < 2*askAgain) {
					continue
				}
				asked++
				go func() {
					delay := time.Duration(again) * askAgain
					time.Sleep(delay)
					records, err := s.ask(ctx, l, v6, wait-delay)
					answers <- answer{records, err}
				}()
			}
		}
	}
	merged, failed := round{on: lanNames(lans)}, 0
	for range asked {
		select {
		case a := <-answers:
			merged.records = merge(merged.records, a.records)
			if a.err != nil {
				failed++
			}
		case <-ctx.Done():
			return merged
		}
	}
	merged.deaf = failed == asked
	for i, r := range merged.records {
		merged.records[i].addrs = worthDialing(r.addrs, all)
	}
	return merged
}

// merge adds records to list, those of one id as one.
func merge(list, records []record) []record {
	for _, r := range records {
		i := slices.IndexFunc(list, func(have record) bool { return have.id == r.id })
		if i < 0 {
			list = append(list, r)
		} else {
			for _, a := range r.addrs {
				if !slices.Contains(list[i].addrs, a) {
					list[i].addrs = append(slices.Clip(list[i].addrs), a)
				}
			}
		}
	}
	return list
}

// askMDNS asks on one interface in one family for service, and returns what was
// answered within wait. It takes all of that time, even after ctx ended (which
// only closes its sockets): the library has no way to leave earlier.
func askMDNS(ctx context.Context, service string, on lan, v6 bool, wait time.Duration) ([]record, error) {
	// Buffered, as the library drops what is not taken at once; and read only
	// after its end, as it goes on writing into entries it has handed out.
	entries := make(chan *mdns.ServiceEntry, maxHeard)
	err := mdns.QueryContext(ctx, &mdns.QueryParam{
		Service: service, Domain: strings.Trim(localDomain, "."), Timeout: wait,
		Interface: &on.Interface, DisableIPv4: v6, DisableIPv6: !v6,
		Entries: entries, Logger: quiet,
	})
	close(entries)
	var records []record
	for e := range entries {
		if r, ok := readEntry(e, service, on.Name); ok {
			records = append(records, r)
		}
	}
	return records, err
}

// verify connects to the addresses of rec, one after the other with a short
// lead each, until one of them greets as the room the record names (any room if
// it names none). All are tried several times, but for those that failed: a lost
// SYN is repeated by the system only after a second.
func (s *search) verify(ctx context.Context, rec record, dials chan struct{}) (foundRoom, bool) {
	type result struct {
		addr netip.AddrPort
		room wire.RoomInfo
		err  error
	}
	attempts := slices.Repeat(rec.addrs, maxAttempts)
	results := make(chan result)
	var work sync.WaitGroup
	defer work.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := time.NewTimer(0)
	defer next.Stop()
	for running := 0; len(attempts) > 0 || running > 0; {
		var start <-chan time.Time
		if len(attempts) > 0 {
			start = next.C
		}
		select {
		case <-start:
			addr := attempts[0]
			attempts = attempts[1:]
			running++
			next.Reset(dialStagger)
			work.Go(func() {
				room, err := s.greet(ctx, addr.String(), dials)
				select {
				case results <- result{addr, room, err}:
				case <-ctx.Done():
				}
			})
		case r := <-results:
			running--
			if r.err == nil && isRoomID(r.room.ID) && (rec.id == "" || rec.id == r.room.ID) {
				r.room.Title, r.room.App = wire.Clean(r.room.Title), wire.Clean(r.room.App)
				return foundRoom{r.room, r.addr.String()}, true
			}
			if _, refused := errors.AsType[*client.RefusedError](r.err); refused && rec.id != "" { // there, but full: joining will say so
				return foundRoom{wire.RoomInfo{ID: rec.id, Title: rec.title, App: rec.app}, r.addr.String()}, true
			}
			attempts = slices.DeleteFunc(attempts, func(a netip.AddrPort) bool { return a == r.addr })
			next.Reset(0)
		case <-ctx.Done():
			return foundRoom{}, false
		}
	}
	return foundRoom{}, false
}

// greet asks the host at addr what room it has, once there is a place in dials.
func (s *search) greet(ctx context.Context, addr string, dials chan struct{}) (wire.RoomInfo, error) {
	select {
	case dials <- struct{}{}:
	case <-ctx.Done():
		return wire.RoomInfo{}, ctx.Err()
	}
	defer func() { <-dials }()
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return s.probe(ctx, addr)
}

// --- chat rooms ------------------------------------------------------------------------

// roomsOptions are the flags of `chat rooms`.
type roomsOptions struct {
	JSON    bool          // one object a line
	Timeout time.Duration // how long to look; 0: 1.5 s
	Ifaces  []string      // look on these interfaces alone
}

// listRooms writes what is on the network to out; nothing is a *noRoomError.
func listRooms(ctx context.Context, out io.Writer, opts roomsOptions) error {
	rooms, err := newFinder(opts.Ifaces, opts.Timeout).list(ctx)
	if err != nil {
		return err
	}
	if opts.JSON {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		for _, r := range rooms {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	return writeRooms(out, rooms)
}

// writeRooms writes rooms as a table.
func writeRooms(out io.Writer, rooms []foundRoom) error {
	table := [][]string{{"ROOM", "ADDRESS", "MEMBERS", "ID", "APP"}}
	for _, r := range rooms {
		table = append(table, []string{
			cut(r.Title, maxLabel), r.Addr, strconv.Itoa(r.Members), cut(r.ID, 8), cut(r.App, maxLabel),
		})
	}
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], wire.Columns(cell))
		}
	}
	for _, row := range table {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-wire.Columns(cell)+2))
		}
		if _, err := fmt.Fprintln(out, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// --- chat doctor -----------------------------------------------------------------------

// doctorOptions are the flags of `chat doctor`.
type doctorOptions struct {
	Ifaces []string // as --iface of host and join
}

// runDoctor writes to out what may keep this machine's rooms from being found,
// and others' from being reached; an error says that something does.
func runDoctor(ctx context.Context, out io.Writer, opts doctorOptions) error {
	if err := checkIfaces(opts.Ifaces); err != nil {
		return err
	}
	system := doctor.Local()
	system.Interfaces = func() ([]doctor.Interface, error) { return judged(opts.Ifaces) }
	system.Outbound = outboundIPv4
	if !deafToItself {
		system.Echo = hearSelf
	}
	system.Rooms = newFinder(opts.Ifaces, 0).survey
	system.Probe = client.Probe
	failed := 0
	var broken error // out cannot be written to
	doctor.Examine(ctx, system, func(f doctor.Finding) {
		if f.Level == doctor.Fail {
			failed++
		}
		broken = cmp.Or(broken, f.Write(out))
	})
	switch {
	case broken != nil:
		return broken
	case ctx.Err() != nil:
		return ctx.Err()
	case failed == 1:
		return errors.New("one thing is in the way; the command below it mends it")
	case failed > 1:
		return fmt.Errorf("%d things are in the way; the commands below them mend them, begin with the first", failed)
	}
	return nil
}

// judged are this machine's interfaces, each with what usable makes of it.
func judged(only []string) ([]doctor.Interface, error) {
	all, err := systemLANs()
	if err != nil {
		return nil, err
	}
	used, err := usable(all, only)
	if err != nil {
		return nil, err
	}
	var list []doctor.Interface
	for _, l := range all {
		i := doctor.Interface{
			Name: l.Name, Doubt: passOver(l),
			Used: slices.ContainsFunc(used, func(u lan) bool { return u.Index == l.Index }),
		}
		for _, p := range l.prefixes {
			i.Addrs = append(i.Addrs, p.Addr().WithZone(""))
		}
		switch {
		case i.Used && len(only) > 0:
			i.Doubt = "" // it was asked for
		case !i.Used && i.Doubt == "":
			i.Doubt = "was not named by --iface"
		}
		if i.Used || l.Flags&net.FlagLoopback == 0 {
			list = append(list, i)
		}
	}
	return list, nil
}

// hearSelf announces something of its own service on one interface and asks
// for it there. No program but this one knows the service.
func hearSelf(ctx context.Context, on doctor.Interface, v6 bool) error {
	all, err := systemLANs()
	if err != nil {
		return err
	}
	lans, err := usable(all, []string{on.Name})
	if err != nil {
		return err
	}
	random := make([]byte, 8)
	rand.Read(random)
	id := hex.EncodeToString(random)
	var ips []net.IP
	for _, a := range on.Addrs {
		ips = append(ips, a.AsSlice())
	}
	s, err := mdns.NewMDNSService(id, doctorService, localDomain, "chat-"+id+"."+localDomain, 9, // the discard port
		ips, txtFields(advertisement{ID: id}, nil))
	if err != nil {
		return err
	}
	stop, err := serveMDNS(lans[0].Interface, s)
	if err != nil {
		return err
	}
	defer stop()
	for _, wait := range rounds[:3] {
		var records []record
		records, err = askMDNS(ctx, doctorService, lans[0], v6, wait)
		if slices.ContainsFunc(records, func(r record) bool { return r.id == id }) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return cmp.Or(err, errors.New("nothing came back"))
}

// survey lists the rooms that were heard, whether or not they answer.
func (f *finder) survey(ctx context.Context) ([]doctor.Room, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	s := &search{finder: f, window: listWindow}
	heard := make(chan round)
	go s.listen(ctx, heard) // closes heard
	var records []record
	deaf := true
	var err error
	for r := range heard {
		err = cmp.Or(err, r.err)
		deaf = deaf && r.deaf
		records = merge(records, r.records)
	}
	records = filter(records, func(r record) bool { return r.id != "" && len(r.addrs) > 0 }) // this machine's port is another check
	records = records[:min(len(records), maxHeard)]
	if err == nil && deaf {
		err = errors.New("no interface took one")
	}
	if err != nil {
		return nil, err
	}
	rooms := make([]doctor.Room, len(records))
	dials := make(chan struct{}, maxDials)
	var work sync.WaitGroup
	for i, r := range records {
		work.Go(func() {
			rooms[i].Title = r.title
			for _, a := range r.addrs {
				rooms[i].Addrs = append(rooms[i].Addrs, a.String())
			}
			if found, ok := s.verify(ctx, r, dials); ok {
				rooms[i].Title, rooms[i].Answers = found.Title, found.Addr
			}
		})
	}
	work.Wait()
	return rooms, nil
}

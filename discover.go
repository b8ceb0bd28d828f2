package main

// Multicast DNS (RFC 6762, RFC 6763) itself, for package discovery, which knows all
// else about it: the records, answering and asking, sending. And the two commands
// that look at the network, chat rooms and chat doctor.
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
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"chat/relay/client"
	"chat/relay/discovery"
	"chat/relay/doctor"
	"chat/relay/text"
)

const (
	roomService   = "_chat-relay._tcp"
	doctorService = "_chat-doctor._tcp" // only `chat doctor` asks for it, of itself
	localDomain   = "local."
)

// deafToItself: on Windows a socket made by net.ListenMulticastUDP, as the library's
// are, is given nothing that its own machine sent: Go switches IP_MULTICAST_LOOP off
// on it, which Winsock heeds when receiving. Read in their documentation, not measured.
const deafToItself = runtime.GOOS == "windows"

// quiet silences the mdns package, which logs at the least occasion.
var quiet = log.New(io.Discard, "", 0)

// --- announcing -----------------------------------------------------------------------

// advertise announces room until ctx ends, then says goodbye and returns; see
// [discovery.Advertiser.Run].
func advertise(ctx context.Context, room discovery.Advertisement) {
	a := discovery.Advertiser{
		Room: room,
		NewZone: func(room discovery.Advertisement, addrs []netip.Addr) (discovery.Zone, error) {
			z, err := newZone(room, addrs)
			if err != nil {
				return nil, err // and not a nil *zone
			}
			return z, nil
		},
		LANs:     discovery.LANs,
		Outbound: discovery.Outbound,
	}
	a.Run(ctx)
}

// A zone answers questions about one room. It is not changed once made.
type zone struct {
	*mdns.MDNSService
	names []string // as the service spells them
}

// newZone makes the records of room, and checks that they fit their packet: the
// library leaves a question unanswered when they do not, and tells nobody.
func newZone(room discovery.Advertisement, addrs []netip.Addr) (*zone, error) {
	ips := make([]net.IP, len(addrs))
	for i, a := range addrs {
		ips[i] = a.AsSlice()
	}
	instance := discovery.Escape(discovery.InstanceName(room.Title, room.ID))
	// A host name of our own: under the machine's, its own responder would see a conflict.
	hostName := "chat-" + discovery.Cut(room.ID, 8) + "." + localDomain
	s, err := mdns.NewMDNSService(instance, roomService, localDomain, hostName, room.Port, ips, discovery.TXT(room, addrs))
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

// Serve answers questions that come in on an interface until stop is called.
func (z *zone) Serve(on net.Interface) (stop func(), err error) { return serveMDNS(on, z) }

// Announce sends the room's records there, or with goodbye takes them back.
func (z *zone) Announce(on net.Interface, v6, goodbye bool) error {
	packet, err := z.announcement(goodbye)
	if err != nil {
		return err
	}
	return sendMDNS(on, v6, packet)
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

// newFinder makes a finder for this machine's networks; ifaces and timeout as in its fields.
func newFinder(ifaces []string, timeout time.Duration) *discovery.Finder {
	return &discovery.Finder{
		Ifaces:  ifaces,
		Timeout: timeout,
		LANs:    discovery.LANs,
		Ask: func(ctx context.Context, on discovery.LAN, v6 bool, wait time.Duration, heard func(discovery.Record)) error {
			return askMDNS(ctx, roomService, on, v6, wait, heard)
		},
		DeafToSelf: deafToItself,
		Probe:      client.Probe,
		Refused: func(err error) bool {
			_, refused := errors.AsType[*client.RefusedError](err)
			return refused
		},
	}
}

// askMDNS sends a question for service on one interface over one IP version, and calls
// heard for each answer, one call at a time, until wait is over or ctx ends. An error
// means that the question was not sent.
//
// It does not use the client of the mdns package. That one goes on writing to the answers
// it has returned, so they cannot be read before its time is over.
func askMDNS(ctx context.Context, service string, on discovery.LAN, v6 bool, wait time.Duration, heard func(discovery.Record)) error {
	deadline := time.Now().Add(wait)
	conns, group, err := listenForAnswers(on.Interface, v6)
	if err != nil {
		return err
	}
	closeAll := func() {
		for _, conn := range conns {
			conn.Close()
		}
	}
	defer closeAll()
	defer context.AfterFunc(ctx, closeAll)()
	var question dns.Msg
	question.SetQuestion(service+"."+localDomain, dns.TypePTR)
	question.RecursionDesired = false
	packet, err := question.Pack()
	if err != nil {
		return err
	}
	if _, err := conns[0].WriteToUDP(packet, group); err != nil {
		return err
	}
	var mu sync.Mutex // guards answers, and orders the calls of heard
	answers := answerReader{service: service, byName: map[string]*mdns.ServiceEntry{}}
	var readers sync.WaitGroup
	for _, conn := range conns {
		conn.SetReadDeadline(deadline)
		readers.Go(func() {
			buf := make([]byte, 64<<10)
			for {
				n, from, err := conn.ReadFromUDP(buf)
				if err != nil {
					return
				}
				mu.Lock()
				for _, r := range answers.read(buf[:n], cmp.Or(from.Zone, on.Name)) {
					heard(r)
				}
				mu.Unlock()
			}
		})
	}
	readers.Wait()
	return nil
}

// listenForAnswers opens the socket that a question leaves from, which gets the direct
// answers, and one in the mDNS group, which gets announcements.
func listenForAnswers(on net.Interface, v6 bool) (conns [2]*net.UDPConn, group *net.UDPAddr, err error) {
	network, unspecified := "udp4", net.IPv4zero
	group = &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	if v6 {
		network, unspecified = "udp6", net.IPv6zero
		group = &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: 5353}
	}
	if conns[0], err = net.ListenUDP(network, &net.UDPAddr{IP: unspecified}); err != nil {
		return conns, nil, err
	}
	if v6 {
		err = ipv6.NewPacketConn(conns[0]).SetMulticastInterface(&on)
	} else {
		err = ipv4.NewPacketConn(conns[0]).SetMulticastInterface(&on)
	}
	if err == nil {
		conns[1], err = net.ListenMulticastUDP(network, nil, group)
	}
	if err != nil {
		conns[0].Close()
	}
	return conns, group, err
}

// An answerReader puts rooms together from the records of one question's answers. Hosts
// send all of a room's records in one packet; other programs may send several.
type answerReader struct {
	service string
	byName  map[string]*mdns.ServiceEntry // by instance name and by host name, in lower case
}

// maxNames is how many names an answerReader remembers: two for each room.
const maxNames = 2 * discovery.MaxHeard

// read returns the rooms that packet completes or changes. zone is the interface that the
// packet came in on. Answers about other services are skipped.
func (a *answerReader) read(packet []byte, zone string) []discovery.Record {
	var m dns.Msg
	if err := m.Unpack(packet); err != nil || !m.Response {
		return nil
	}
	var changed []*mdns.ServiceEntry
	var addresses []dns.RR
	for _, rr := range append(m.Answer, m.Extra...) {
		switch rr := rr.(type) {
		case *dns.SRV:
			if e := a.entry(rr.Hdr.Name); e != nil {
				e.Port = int(rr.Port)
				changed = append(changed, e)
				if len(a.byName) < maxNames {
					a.byName[strings.ToLower(rr.Target)] = e
				}
			}
		case *dns.TXT:
			if e := a.entry(rr.Hdr.Name); e != nil {
				e.InfoFields = rr.Txt
				changed = append(changed, e)
			}
		case *dns.A, *dns.AAAA:
			addresses = append(addresses, rr)
		}
	}
	for _, rr := range addresses { // after the SRV records, which name their hosts
		e := a.byName[strings.ToLower(rr.Header().Name)]
		if e == nil {
			continue
		}
		switch rr := rr.(type) {
		case *dns.A:
			e.AddrV4 = rr.A
		case *dns.AAAA:
			e.AddrV6IPAddr = &net.IPAddr{IP: rr.AAAA, Zone: zone}
		}
		changed = append(changed, e)
	}
	var records []discovery.Record
	for i, e := range changed {
		if slices.Contains(changed[:i], e) {
			continue
		}
		if r, ok := readEntry(e, a.service, zone); ok {
			records = append(records, r)
		}
	}
	return records
}

// entry returns the entry of an instance of the service; nil for other names, and once
// there are too many.
func (a *answerReader) entry(name string) *mdns.ServiceEntry {
	key := strings.ToLower(name)
	if e := a.byName[key]; e != nil {
		return e
	}
	if !strings.HasSuffix(key, "."+a.service+"."+localDomain) || len(a.byName) >= maxNames {
		return nil
	}
	e := &mdns.ServiceEntry{Name: name}
	a.byName[key] = e
	return e
}

// readEntry takes a query's result apart. Entries of other services come
// through the library too: everything not of service, or not as discovery.TXT
// writes it, is refused. zone is the interface that was asked on.
func readEntry(e *mdns.ServiceEntry, service, zone string) (discovery.Record, bool) {
	labels := dns.SplitDomainName(e.Name)
	if len(labels) != 4 || labels[0] == "" || !strings.EqualFold(strings.Join(labels[1:], ".")+".", service+"."+localDomain) {
		return discovery.Record{}, false
	}
	var addrs []netip.Addr
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
	return discovery.ReadRecord(e.InfoFields, e.Port, addrs)
}

// --- chat rooms ------------------------------------------------------------------------

// roomsOptions are the flags of `chat rooms`.
type roomsOptions struct {
	JSON    bool          // one object a line
	Timeout time.Duration // how long to look; 0: 1.5 s
	Ifaces  []string      // look on these interfaces alone
}

// listRooms writes what is on the network to out; nothing is a *discovery.NoRoomError.
func listRooms(ctx context.Context, out io.Writer, opts roomsOptions) error {
	rooms, err := newFinder(opts.Ifaces, opts.Timeout).List(ctx)
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

// maxCell is how many bytes of a title or a program the table shows: as many as
// programs that browse mDNS can show of a title.
const maxCell = 63

// writeRooms writes rooms as a table.
func writeRooms(out io.Writer, rooms []discovery.Room) error {
	table := [][]string{{"ROOM", "ADDRESS", "MEMBERS", "ID", "APP"}}
	for _, r := range rooms {
		table = append(table, []string{
			discovery.Cut(r.Title, maxCell), r.Addr, strconv.Itoa(r.Members), discovery.Cut(r.ID, 8), discovery.Cut(r.App, maxCell),
		})
	}
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], text.Columns(cell))
		}
	}
	for _, row := range table {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			line.WriteString(strings.Repeat(" ", widths[i]-text.Columns(cell)+2))
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
	if err := discovery.CheckInterfaces(opts.Ifaces); err != nil {
		return err
	}
	system := doctor.Local()
	system.Interfaces = func() ([]doctor.Interface, error) { return judged(opts.Ifaces) }
	system.Outbound = discovery.Outbound
	if !deafToItself {
		system.Echo = hearSelf
	}
	system.Rooms = func(ctx context.Context) ([]doctor.Room, error) {
		heard, err := newFinder(opts.Ifaces, 0).Survey(ctx)
		return surveyed(heard), err
	}
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

// judged are this machine's interfaces, each with what discovery makes of it.
func judged(only []string) ([]doctor.Interface, error) {
	all, err := discovery.LANs()
	if err != nil {
		return nil, err
	}
	used, err := discovery.Usable(all, only)
	if err != nil {
		return nil, err
	}
	var list []doctor.Interface
	for _, l := range all {
		i := doctor.Interface{
			Name: l.Name, Doubt: l.Doubt(),
			Used: slices.ContainsFunc(used, func(u discovery.LAN) bool { return u.Index == l.Index }),
		}
		for _, p := range l.Prefixes {
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
	all, err := discovery.LANs()
	if err != nil {
		return err
	}
	lans, err := discovery.Usable(all, []string{on.Name})
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
		ips, discovery.TXT(discovery.Advertisement{ID: id}, nil))
	if err != nil {
		return err
	}
	stop, err := serveMDNS(lans[0].Interface, s)
	if err != nil {
		return err
	}
	defer stop()
	for _, wait := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
		asking, stop := context.WithTimeout(ctx, wait)
		back := false // guarded by askMDNS, which calls heard once at a time and waits for it
		err = askMDNS(asking, doctorService, lans[0], v6, wait, func(r discovery.Record) {
			if r.ID == id {
				back = true
				stop()
			}
		})
		stop()
		if back {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return cmp.Or(err, errors.New("nothing came back"))
}

// surveyed tells the doctor of the rooms that were heard.
func surveyed(heard []discovery.Heard) []doctor.Room {
	rooms := make([]doctor.Room, len(heard))
	for i, h := range heard {
		rooms[i].Title = h.Title
		for _, a := range h.Addrs {
			rooms[i].Addrs = append(rooms[i].Addrs, a.String())
		}
		if h.Room != nil {
			rooms[i].Title, rooms[i].Answers = h.Room.Title, h.Room.Addr
		}
	}
	return rooms
}

package main

// Multicast DNS (RFC 6762, RFC 6763) for package discovery: the records, and sending and
// receiving them. And the two commands that look at the network, chat rooms and
// chat doctor.
//
// This is the only file that uses hashicorp/mdns and miekg/dns. Code that looks odd works
// around v1.0.7 of the former; a comment says so.

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"
	"github.com/urfave/cli/v2"

	"chat/relay/client"
	"chat/relay/cmdline"
	"chat/relay/discovery"
	"chat/relay/doctor"
	"chat/relay/endpoint"
	"chat/relay/history"
	"chat/relay/hostseal"
	"chat/relay/identity"
	"chat/relay/manual"
	"chat/relay/seal"
	"chat/relay/text"
	"chat/relay/wire"
)

const (
	roomService   = "_chat-relay._tcp"
	doctorService = "_chat-doctor._tcp" // announced by chat doctor, to itself
	localDomain   = "local."
	mdnsPort      = 5353

	announcedWithin = 65 * time.Second // hosts announce their rooms once a minute
)

// deafToItself reports whether sockets made by net.ListenMulticastUDP, such as those of the
// mdns package, do not receive multicast from their own machine. Go turns IP_MULTICAST_LOOP
// off for them, and Winsock applies that to receiving. This is from the documentation, not
// measured.
const deafToItself = runtime.GOOS == "windows"

// quiet silences the mdns package, which logs a lot.
var quiet = log.New(io.Discard, "", 0)

// --- announcing -----------------------------------------------------------------------

// advertise announces room until ctx ends, then withdraws it and returns; see
// [discovery.Advertiser.Run]. hint returns its Hint; nil: it is a plain room.
func advertise(ctx context.Context, room discovery.Advertisement, hint func() string) {
	a := discovery.Advertiser{
		Room: room,
		Hint: hint,
		NewZone: func(room discovery.Advertisement, addrs []netip.Addr) (discovery.Zone, error) {
			z, err := newZone(room, addrs)
			if err != nil {
				return nil, err // not a nil *zone
			}
			return z, nil
		},
		LANs:     discovery.LANs,
		Outbound: discovery.Outbound,
	}
	a.Run(ctx)
}

// A zone answers questions about one room. Its records do not change.
type zone struct {
	*mdns.MDNSService
	names     []string // as in its records
	responder *responder
}

// newZone creates the records of room, and checks that they fit into a packet: if they did
// not, the mdns package would answer no question, without an error.
func newZone(room discovery.Advertisement, addrs []netip.Addr) (*zone, error) {
	ips := make([]net.IP, len(addrs))
	for i, a := range addrs {
		ips[i] = a.AsSlice()
	}
	instance := discovery.Escape(discovery.InstanceName(room))
	// Not the machine's host name: its own mDNS responder would see a conflict.
	hostName := "chat-" + room.Short() + "." + localDomain
	s, err := mdns.NewMDNSService(instance, roomService, localDomain, hostName, room.Port, ips, discovery.TXT(room, addrs))
	if err != nil {
		return nil, fmt.Errorf("create the mDNS records: %w", err)
	}
	service := roomService + "." + localDomain
	z := &zone{MDNSService: s, names: []string{service, instance + "." + service, hostName, allServices + "." + localDomain}}
	z.responder = newResponder(z)
	_, err = z.announcement(false)
	return z, err
}

// Records answers q. Case does not matter in its name; RFC 6762 16.
func (z *zone) Records(q dns.Question) []dns.RR {
	for _, name := range z.names {
		if strings.EqualFold(q.Name, name) {
			q.Name = name
		}
	}
	return z.MDNSService.Records(q)
}

// announcement returns the packet of an announcement (RFC 6762 8.3) or a goodbye (10.1).
func (z *zone) announcement(goodbye bool) ([]byte, error) {
	records := z.Records(dns.Question{Name: roomService + "." + localDomain, Qtype: dns.TypePTR})
	if goodbye {
		// Only the pointer: for the mdns package any complete set of records is a running host.
		records = records[:1]
		records[0].Header().Ttl = 0
	}
	for _, rr := range records {
		if rr.Header().Rrtype != dns.TypePTR {
			rr.Header().Class |= 1 << 15 // cache flush, so that old addresses are forgotten; RFC 6762 10.2
		}
	}
	m := dns.Msg{MsgHdr: dns.MsgHdr{Response: true, Authoritative: true}, Compress: true, Answer: records}
	return m.Pack()
}

// Serve answers the questions from an interface until stop is called.
func (z *zone) Serve(on net.Interface) (stop func(), err error) { return z.responder.serve(on) }

// Announce sends the records on an interface; with goodbye it withdraws them.
func (z *zone) Announce(on net.Interface, v6, goodbye bool) error {
	packet, err := z.announcement(goodbye)
	if err != nil {
		return err
	}
	return sendMDNS(on, v6, packet)
}

// sendMDNS sends packet to the mDNS group on ifi. It uses port 5353, as responders ignore
// packets from other ports (RFC 6762 6), with a socket for this one packet: of several
// sockets on the port, only one receives a question that is sent to this machine.
func sendMDNS(ifi net.Interface, v6 bool, packet []byte) error {
	group, err := discovery.OpenGroup(ifi, v6)
	if err != nil {
		return err
	}
	defer group.Close()
	return group.Send(packet)
}

// newResponder returns a responder that serves no interface yet.
func newResponder(z mdns.Zone) *responder {
	return &responder{zone: z, oneShot: map[string]time.Time{}, standard: map[string]time.Time{}}
}

// A responder answers one-shot questions, which come from another port than 5353: they are
// from plain resolvers, such as dig, and from chat itself. It also answers those sent to this
// machine only: of several sockets only its own receives them. Its Records are for the server
// of the mdns package, which answers all others. That one would answer a one-shot question
// without the question and with another ID, which resolvers refuse, and does not pass on where
// a question came from. On Linux each of its servers receives the questions of all interfaces, so
// one responder serves them all.
type responder struct {
	zone mdns.Zone // fixed

	mu       sync.Mutex
	oneShot  map[string]time.Time // when a question was last received as one-shot; guarded by mu
	standard map[string]time.Time // and when otherwise; guarded by mu
}

const (
	// oneShotLead is how much later the mdns package answers, so that a question that both
	// receive is known as a one-shot by then. RFC 6762 6 asks for 20 ms or more.
	oneShotLead = 5 * time.Millisecond

	// askedRecently is for how long a question counts as asked: the mdns package answers one
	// after another, so it may lag behind.
	askedRecently = time.Second

	oneShotTTL      = 10 // seconds: such resolvers do not hear of changes; RFC 6762 6.7
	oneShotMost     = 8  // questions of one packet that are answered
	readErrorsPause = 100 * time.Millisecond
)

// questionKey returns the key of q in a responder's maps.
func questionKey(q dns.Question) string { return fmt.Sprint(q.Qtype, " ", strings.ToLower(q.Name)) }

// serve answers the questions from ifi until stop is called.
func (r *responder) serve(ifi net.Interface) (stop func(), err error) {
	server, failed := mdns.NewServer(&mdns.Config{Zone: r, Iface: &ifi, Logger: quiet})
	var groups []*discovery.Group
	var work sync.WaitGroup
	for _, v6 := range []bool{false, true} { // after the server: packets to this machine reach only the last socket
		group, failed := discovery.OpenGroup(ifi, v6)
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		groups = append(groups, group)
		work.Go(func() { r.answerOneShots(group) })
	}
	stop = func() {
		if server != nil {
			server.Shutdown()
		}
		for _, group := range groups {
			group.Close()
		}
		work.Wait()
	}
	if failed != nil {
		stop()
		return nil, cmp.Or(err, failed) // the mdns package does not say why
	}
	return stop, nil
}

// Records answers a question for the mdns package. It is empty if the question was a one-shot.
func (r *responder) Records(q dns.Question) []dns.RR {
	records := r.zone.Records(q)
	if len(records) == 0 {
		return nil
	}
	time.Sleep(oneShotLead)
	r.mu.Lock()
	defer r.mu.Unlock()
	key := questionKey(q)
	if time.Since(r.oneShot[key]) < askedRecently && time.Since(r.standard[key]) >= askedRecently {
		return nil
	}
	return records
}

// answerOneShots answers the one-shot questions to a group until it is closed.
func (r *responder) answerOneShots(group *discovery.Group) {
	buf := make([]byte, 64<<10)
	for {
		n, from, direct, err := group.Read(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(readErrorsPause) // such as of a deleted interface, until it is noticed
			continue
		}
		if answer := r.answer(buf[:n], from.Port != mdnsPort, direct); answer != nil {
			group.SendTo(answer, from) // a lost answer is asked for again
		}
	}
}

// answer returns the answer to a question that is a one-shot or was sent to this machine only;
// nil: there is none. It notes the questions in packet that the zone has records for.
func (r *responder) answer(packet []byte, oneShot, direct bool) []byte {
	const responseBit = 1 << 7 // of the third byte; most packets are responses
	var m dns.Msg
	if len(packet) < 3 || packet[2]&responseBit != 0 {
		return nil
	}
	if err := m.Unpack(packet); err != nil || m.Opcode != dns.OpcodeQuery || m.Rcode != 0 {
		return nil
	}
	m.Question = m.Question[:min(len(m.Question), oneShotMost)]
	var answers []dns.RR
	for _, q := range m.Question {
		records := r.zone.Records(q)
		if len(records) == 0 {
			continue
		}
		r.note(q, oneShot)
		answers = append(answers, records...)
	}
	if len(answers) == 0 || !oneShot && !direct {
		return nil
	}
	reply := dns.Msg{MsgHdr: dns.MsgHdr{Id: m.Id, Response: true, Authoritative: true}, Compress: true, Answer: answers}
	if oneShot {
		reply.Question = m.Question
		for _, rr := range answers {
			rr.Header().Ttl = min(rr.Header().Ttl, oneShotTTL)
		}
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil // newZone checked that the records can be packed
	}
	return packed
}

// note remembers that q was asked. The maps stay small: the zone has records for few questions.
func (r *responder) note(q dns.Question, oneShot bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if oneShot {
		r.oneShot[questionKey(q)] = time.Now()
	} else {
		r.standard[questionKey(q)] = time.Now()
	}
}

// --- finding ---------------------------------------------------------------------------

// newFinder returns a finder for this machine's networks; ifaces and timeout are its fields.
func newFinder(ifaces []string, timeout time.Duration) *discovery.Finder {
	nonce := wire.NewNonce()
	return &discovery.Finder{
		Ifaces:  ifaces,
		Timeout: timeout,
		LANs:    discovery.LANs,
		Ask: func(ctx context.Context, on discovery.LAN, v6 bool, wait time.Duration, heard func(discovery.Record)) error {
			return askMDNS(ctx, roomService, on, v6, wait, heard)
		},
		AskDevices: askDevices,
		Listen:     listenMDNS,
		DeafToSelf: deafToItself,
		Probe: func(ctx context.Context, addr string, sealed bool) (wire.RoomInfo, error) {
			return client.ProbeWith(ctx, addr, nonce, sealed)
		},
		Refused: func(err error) bool {
			_, refused := errors.AsType[*client.RefusedError](err)
			return refused
		},
	}
}

// askMDNS sends a question for service on one interface over one IP version, and calls
// heard for each answer, one call at a time, until wait is over or ctx ends. An error
// means that the question was not sent.
func askMDNS(ctx context.Context, service string, on discovery.LAN, v6 bool, wait time.Duration, heard func(discovery.Record)) error {
	answers := answerReader{service: service, byName: map[string]*mdns.ServiceEntry{}}
	return question(ctx, service, on, v6, wait, func(packet []byte, from *net.UDPAddr) {
		for _, r := range answers.read(packet, from.IP.String(), cmp.Or(from.Zone, on.Name)) {
			heard(r)
		}
	})
}

// allServices is what every responder answers, with the types of its services; RFC 6763 9.
const allServices = "_services._dns-sd._udp"

// askDevices asks all devices on one interface over one IP version to answer, and calls heard with
// the sender of each mDNS packet, one call at a time, until wait is over or ctx ends.
func askDevices(ctx context.Context, on discovery.LAN, v6 bool, wait time.Duration, heard func(netip.Addr)) error {
	return question(ctx, allServices, on, v6, wait, func(_ []byte, from *net.UDPAddr) {
		if a, ok := netip.AddrFromSlice(from.IP); ok {
			heard(a)
		}
	})
}

// question asks for the PTR records of name on one interface over one IP version, and calls heard
// with each packet that comes and its sender, one call at a time, until wait is over or ctx ends.
// An error means that the question was not sent.
//
// It does not use the client of the mdns package, which keeps writing to the entries it has
// returned: they cannot be read before its timeout.
func question(ctx context.Context, name string, on discovery.LAN, v6 bool, wait time.Duration, heard func(packet []byte, from *net.UDPAddr)) error {
	deadline := time.Now().Add(wait)
	asker, err := discovery.OpenAsker(on.Interface, v6)
	if err != nil {
		return err
	}
	defer asker.Close()
	group, err := discovery.OpenGroup(on.Interface, v6) // receives announcements
	if err != nil {
		return err
	}
	defer group.Close()
	defer context.AfterFunc(ctx, func() { asker.Close(); group.Close() })()
	var question dns.Msg
	question.SetQuestion(name+"."+localDomain, dns.TypePTR)
	question.RecursionDesired = false
	packet, err := question.Pack()
	if err != nil {
		return err
	}
	if err := discovery.Ask(asker, on.Interface, v6, packet); err != nil {
		return err
	}
	asker.SetReadDeadline(deadline)
	group.SetReadDeadline(deadline)
	var mu sync.Mutex // orders the calls of heard
	var readers sync.WaitGroup
	readGroup := func(buf []byte) (int, *net.UDPAddr, error) {
		n, from, _, err := group.Read(buf)
		return n, from, err
	}
	for _, read := range []func([]byte) (int, *net.UDPAddr, error){asker.ReadFromUDP, readGroup} {
		readers.Go(func() {
			buf := make([]byte, 64<<10)
			for {
				n, from, err := read(buf)
				if err != nil {
					return
				}
				mu.Lock()
				heard(buf[:n], from)
				mu.Unlock()
			}
		})
	}
	readers.Wait()
	return nil
}

// listenMDNS calls heard for each announcement of a room on one interface over one IP version,
// until ctx ends.
func listenMDNS(ctx context.Context, on discovery.LAN, v6 bool, heard func(discovery.Record)) error {
	group, err := discovery.OpenGroup(on.Interface, v6)
	if err != nil {
		return err
	}
	defer group.Close()
	defer context.AfterFunc(ctx, func() { group.Close() })()
	buf := make([]byte, 64<<10)
	for {
		n, from, _, err := group.Read(buf)
		if err != nil {
			return err
		}
		if !bytes.Contains(buf[:n], []byte(roomService[:len("_chat-relay")])) {
			continue // most packets are about other services
		}
		answers := answerReader{service: roomService, byName: map[string]*mdns.ServiceEntry{}}
		for _, r := range answers.read(buf[:n], from.IP.String(), cmp.Or(from.Zone, on.Name)) {
			heard(r)
		}
	}
}

// An answerReader puts rooms together from the records of one question's answers. Hosts
// send all of a room's records in one packet; other programs may send several.
type answerReader struct {
	service string
	byName  map[string]*mdns.ServiceEntry // by sender, and instance name or host name in lower case
}

// maxNames is how many names an answerReader remembers: two for each room.
const maxNames = 2 * discovery.MaxHeard

// read returns the rooms that packet completes or changes. sender is the address that it came
// from: records of several senders are not put together, as one of them may claim the room of
// another. zone is the interface that the packet came in on. Answers about other services are
// skipped.
func (a *answerReader) read(packet []byte, sender, zone string) []discovery.Record {
	var m dns.Msg
	if err := m.Unpack(packet); err != nil || !m.Response {
		return nil
	}
	var changed []*mdns.ServiceEntry
	var addresses []dns.RR
	for _, rr := range append(m.Answer, m.Extra...) {
		switch rr := rr.(type) {
		case *dns.SRV:
			if e := a.entry(sender, rr.Hdr.Name); e != nil {
				e.Port = int(rr.Port)
				changed = append(changed, e)
				if len(a.byName) < maxNames {
					a.byName[sender+" "+strings.ToLower(rr.Target)] = e
				}
			}
		case *dns.TXT:
			if e := a.entry(sender, rr.Hdr.Name); e != nil {
				e.InfoFields = rr.Txt
				changed = append(changed, e)
			}
		case *dns.A, *dns.AAAA:
			addresses = append(addresses, rr)
		}
	}
	for _, rr := range addresses { // after the SRV records, which name their hosts
		e := a.byName[sender+" "+strings.ToLower(rr.Header().Name)]
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

// entry returns the entry of a sender's instance of the service; nil for other names, and once
// there are too many.
func (a *answerReader) entry(sender, name string) *mdns.ServiceEntry {
	key := sender + " " + strings.ToLower(name)
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

// readEntry returns the record of an entry. It returns false for entries of other services,
// and if the strings are not as discovery.TXT writes them. zone is the interface that the
// question was sent on.
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

func roomsCommand() *cli.Command {
	return &cli.Command{
		Name:        "rooms",
		Usage:       "List the rooms on this network.",
		Description: manual.Describe("", "chat rooms", "chat rooms --json"),
		Flags: []cli.Flag{
			cmdline.Switch("", "json", "Print one JSON object per line."),
			&cli.DurationFlag{Name: "timeout", Value: discovery.ListWindow, Usage: "Search for `TIME`."},
			ifaceFlag(""),
		},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			return listRooms(c.Context, c.App.Writer, roomsOptions{JSON: c.Bool("json"), Timeout: c.Duration("timeout"), Ifaces: c.StringSlice("iface"), Err: c.App.ErrWriter})
		},
	}
}

// roomsOptions are the flags of `chat rooms`.
type roomsOptions struct {
	JSON    bool          // print one object per line
	Timeout time.Duration // 0: 1.5 s
	Ifaces  []string      // search only on these interfaces
	Err     io.Writer     // for warnings, and rooms that do not answer
}

// listRooms writes the rooms on the network to out. If there are none, the error is a
// *discovery.NoRoomError.
func listRooms(ctx context.Context, out io.Writer, opts roomsOptions) error {
	rooms, silent, err := newFinder(opts.Ifaces, opts.Timeout).List(ctx)
	if err != nil {
		return err
	}
	for _, h := range silent {
		fmt.Fprintf(opts.Err, "chat: %s\nhint: %s\n", h.What(), h.Cause())
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
	if err := writeRooms(out, rooms); err != nil {
		return err
	}
	for _, warning := range contested(rooms) {
		if _, err := fmt.Fprintln(opts.Err, warning); err != nil {
			return err
		}
	}
	return nil
}

// contested returns a warning for each room that several hosts claim to have. rooms are sorted.
func contested(rooms []discovery.Room) (warnings []string) {
	for i := 0; i < len(rooms); {
		n := 1
		for i+n < len(rooms) && rooms[i+n].ID == rooms[i].ID {
			n++
		}
		if rooms[i].Contested {
			warnings = append(warnings, fmt.Sprintf("warning: %d hosts claim to have the room %s (id %.8s); all but one are false. Ask its host for the address", n, discovery.Cut(rooms[i].Title, maxCell), rooms[i].ID))
		}
		i += n
	}
	return warnings
}

// maxCell is how many bytes of a title or an app the table shows; mDNS browsers show no
// more of a title either.
const maxCell = 63

// addressCell returns the address of a room, and how many other hosts it has.
func addressCell(r discovery.Room) string {
	if len(r.Addrs) < 2 {
		return r.Addr
	}
	return fmt.Sprintf("%s and %d more", r.Addr, len(r.Addrs)-1)
}

// writeRooms writes rooms as a table.
func writeRooms(out io.Writer, rooms []discovery.Room) error {
	table := [][]string{{"ROOM", "ADDRESS", "MEMBERS", "ID", "APP"}}
	for _, r := range rooms {
		table = append(table, []string{
			discovery.Cut(r.Title, maxCell), addressCell(r), membersCell(r), discovery.Cut(r.ID, 8), discovery.Cut(r.App, maxCell),
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

// membersCell returns how many members a room has. A sealed one does not say.
func membersCell(r discovery.Room) string {
	if r.Sealed {
		return "sealed"
	}
	return strconv.Itoa(r.Members)
}

// --- chat doctor -----------------------------------------------------------------------

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:        "doctor",
		Usage:       "Find out why rooms are not found, and how to fix it.",
		Description: manual.Describe("", "chat doctor", "chat doctor --iface wlan0", "chat doctor --addr 10.8.0.1"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "addr", Aliases: []string{"a"}, Usage: "Check the host at `HOST[:PORT]` too."},
			ifaceFlag(""),
		},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			return runDoctor(c.Context, c.App.Writer, doctorOptions{Ifaces: c.StringSlice("iface"), Addr: c.String("addr")})
		},
	}
}

// doctorOptions are the flags of `chat doctor`.
type doctorOptions struct {
	Ifaces []string // as --iface of host and join
	Addr   string   // of a host to check too, HOST[:PORT]; "": none
}

// runDoctor writes to out what may keep others from finding this machine's rooms, or this
// machine from joining theirs. If it found problems, it returns an error.
func runDoctor(ctx context.Context, out io.Writer, opts doctorOptions) error {
	if err := discovery.CheckInterfaces(opts.Ifaces); err != nil {
		return err
	}
	system := doctor.Local()
	if opts.Addr != "" {
		addr, err := endpoint.Parse(opts.Addr)
		if err != nil {
			return err
		}
		system.Addr = addr
	}
	system.Interfaces = func() ([]doctor.Interface, error) { return ratedInterfaces(opts.Ifaces) }
	system.Outbound = discovery.Outbound
	system.JoinGroup = joinGroup
	if !deafToItself {
		system.Echo = hearSelf
	}
	system.Rooms = func(ctx context.Context) ([]doctor.Room, error) {
		heard, err := newFinder(opts.Ifaces, 0).Survey(ctx)
		return doctorRooms(heard), err
	}
	if isTerminal(os.Stdout) { // a script gets the result at once
		system.Await = func(ctx context.Context) ([]doctor.Room, error) {
			heard, err := newFinder(opts.Ifaces, 0).Await(ctx, announcedWithin)
			return doctorRooms(heard), err
		}
	}
	system.Probe, system.ProbeLarge = client.Probe, client.ProbeLarge
	system.HostKey, system.SealedRooms = hostPin, sealedRooms
	system.ClientKey = func() (string, error) { return identity.OwnKey(identity.DefaultDir()) }
	problems, fixes := 0, 0
	var writeErr error
	doctor.Examine(ctx, system, func(f doctor.Finding) {
		if f.Level == doctor.Fail {
			problems++
			if f.Fix != "" {
				fixes++
			}
		}
		writeErr = cmp.Or(writeErr, f.Write(out))
	})
	return cmp.Or(writeErr, ctx.Err(), problemsFound(problems, fixes))
}

// hostPin returns the pin of the key of this user's sealed rooms.
func hostPin() (seal.Pin, error) {
	key, err := hostseal.ReadKey(identity.DefaultDir())
	if err != nil {
		return "", err
	}
	return key.Pin(), nil
}

// sealedRooms returns the sealed rooms that this machine hosts now.
func sealedRooms() (rooms []doctor.SealedRoom, err error) {
	all, err := hostseal.Rooms(identity.DefaultDir())
	for _, r := range all {
		at, parseErr := netip.ParseAddrPort(r.Address)
		if r.Running && parseErr == nil { // else it is being opened
			addrs := endpoint.ReachableAt(at)
			rooms = append(rooms, doctor.SealedRoom{Title: r.Title, Addr: addrs[0], Invite: r.InviteAddrs(addrs)[0], Pin: r.Pin})
		}
	}
	return rooms, err
}

// problemsFound returns the error of an examination, by its number of problems and fixes;
// nil if there are no problems.
func problemsFound(problems, fixes int) error {
	if problems == 0 {
		return nil
	}
	found := wire.Counted(problems, "problem", "problems") + " found."
	switch fixes {
	case 0:
		return errors.New(found)
	case 1:
		return errors.New(found + " Run the fix.")
	}
	return errors.New(found + " Run the fixes in order.")
}

// ratedInterfaces returns this machine's interfaces, and whether discovery uses them.
func ratedInterfaces(only []string) ([]doctor.Interface, error) {
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
			i.Doubt = "" // --iface names it
		case !i.Used && i.Doubt == "":
			i.Doubt = "not named by --iface"
		}
		if i.Used || l.Flags&net.FlagLoopback == 0 {
			list = append(list, i)
		}
	}
	return list, nil
}

// lanOf returns the LAN that the doctor calls on.
func lanOf(on doctor.Interface) (discovery.LAN, error) {
	all, err := discovery.LANs()
	if err != nil {
		return discovery.LAN{}, err
	}
	lans, err := discovery.Usable(all, []string{on.Name})
	if err != nil {
		return discovery.LAN{}, err
	}
	return lans[0], nil
}

// joinGroup joins the mDNS group on an interface, and leaves it again.
func joinGroup(on doctor.Interface, v6 bool) error {
	lan, err := lanOf(on)
	if err != nil {
		return err
	}
	group, err := discovery.OpenGroup(lan.Interface, v6)
	if err != nil {
		return err
	}
	return group.Close()
}

// hearSelf announces an instance of the doctor's service on one interface, and asks for it
// there. No other program uses the service.
func hearSelf(ctx context.Context, on doctor.Interface, v6 bool) error {
	lan, err := lanOf(on)
	if err != nil {
		return err
	}
	id := history.NewRoomID()
	var ips []net.IP
	for _, a := range on.Addrs {
		ips = append(ips, a.AsSlice())
	}
	s, err := mdns.NewMDNSService(id, doctorService, localDomain, "chat-"+id+"."+localDomain, 9, // the discard port
		ips, discovery.TXT(discovery.Advertisement{ID: id}, nil))
	if err != nil {
		return err
	}
	stop, err := newResponder(s).serve(lan.Interface)
	if err != nil {
		return err
	}
	defer stop()
	for _, wait := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
		asking, stop := context.WithTimeout(ctx, wait)
		answered := false // askMDNS calls heard one at a time, and returns after the last call
		err = askMDNS(asking, doctorService, lan, v6, wait, func(r discovery.Record) {
			if r.ID == id {
				answered = true
				stop()
			}
		})
		stop()
		if answered {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return cmp.Or(err, errors.New("no answer"))
}

// doctorRooms converts the result of a survey.
func doctorRooms(heard []discovery.Heard) []doctor.Room {
	rooms := make([]doctor.Room, len(heard))
	for i, h := range heard {
		rooms[i].Title = h.Title
		if h.Room == nil {
			rooms[i].Problem, rooms[i].Cause = h.Problem(), h.Cause()
		}
		for _, a := range h.Addrs {
			rooms[i].Addrs = append(rooms[i].Addrs, a.String())
		}
		if h.Room != nil {
			rooms[i].Title, rooms[i].Answers = h.Room.Title, h.Room.Addr
			rooms[i].ID, rooms[i].Contested, rooms[i].Sealed = h.Room.ID, h.Room.Contested, h.Room.Sealed
			rooms[i].Hint = h.Hint
		}
	}
	return rooms
}

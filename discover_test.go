package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"

	"chat/relay/discovery"
	"chat/relay/doctor"
	"chat/relay/wire"
)

const (
	kitchenID = "aaaa000000000001"
	studyID   = "bbbb000000000002"
)

// The dns package must read an escaped string as one label with the same bytes.
func FuzzEscapedIsOneLabel(f *testing.F) {
	for _, s := range []string{"", "kitchen", `Jo's "room". café 🎉 \o/`, "\x00\x1b[2J\xff", `\065`, "a.b", `end\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) == 0 || len(s) > 63 { // as long as a label may be; RFC 1035 2.3.4
			return
		}
		packet := make([]byte, 300)
		end, err := dns.PackDomainName(discovery.Escape(s)+".", packet, 0, nil, false)
		if err != nil {
			t.Fatalf("pack %q: %v", discovery.Escape(s), err)
		}
		if want := string(rune(len(s))) + s + "\x00"; string(packet[:end]) != want {
			t.Fatalf("%q packed as %q, want %q", s, packet[:end], want)
		}
	})
}

// entryOf returns the entry that the mdns package makes of z's answer, after it was packed
// and unpacked: of several addresses it has the last.
func entryOf(t *testing.T, z *zone) *mdns.ServiceEntry {
	t.Helper()
	packet, err := z.announcement(false)
	if err != nil {
		t.Fatal(err)
	}
	var m dns.Msg
	if err := m.Unpack(packet); err != nil {
		t.Fatal(err)
	}
	if len(packet) > 1400 {
		t.Errorf("the announcement has %d bytes, more than fit an Ethernet frame", len(packet))
	}
	e := new(mdns.ServiceEntry)
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.PTR:
			e.Name = rr.Ptr
		case *dns.SRV:
			e.Port = int(rr.Port)
		case *dns.TXT:
			e.InfoFields = rr.Txt
		case *dns.A:
			e.AddrV4 = rr.A
		case *dns.AAAA:
			e.AddrV6IPAddr = &net.IPAddr{IP: rr.AAAA}
		}
	}
	return e
}

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// A finder reads the record that a host announces, whatever the title.
func TestRecordRoundTrip(t *testing.T) {
	many := make([]netip.Addr, discovery.MaxAddresses)
	for i := range many {
		many[i] = netip.MustParseAddr(fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:%x", 0xf000+i))
	}
	for _, test := range []struct {
		name, title, want string
		addrs             []netip.Addr
	}{
		{"plain", "kitchen", "kitchen", addrs("192.168.1.5")},
		{"every kind of character", `Jo's "room". café 🎉 \o/ a=b`, `Jo's "room". café 🎉 \o/ a=b`, addrs("fd00::1", "192.168.1.5")},
		{"too long for a label", strings.Repeat("🎉", 40), strings.Repeat("🎉", 40), addrs("192.168.1.5")},
		{"too long for a string", strings.Repeat("🎉", 90), strings.Repeat("🎉", 62), addrs("192.168.1.5")},
		{"no title", "", "", addrs("192.168.1.5")},
		{"the most addresses", "kitchen", "kitchen", many},
		{"only link-local", "kitchen", "kitchen", addrs("fe80::1")},
	} {
		t.Run(test.name, func(t *testing.T) {
			room := discovery.Advertisement{ID: kitchenID, Title: test.title, App: "chat 1.0.0", Port: 24280}
			z, err := newZone(room, test.addrs)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := readEntry(entryOf(t, z), roomService, "eth0")
			if !ok || got.ID != kitchenID || got.Title != test.want || got.App != "chat 1.0.0" {
				t.Errorf("read back %+v, %v; want title %q", got, ok, test.want)
			}
			for _, a := range test.addrs {
				if a.IsLinkLocalUnicast() {
					a = a.WithZone("eth0")
				}
				if !slices.Contains(got.Addrs, netip.AddrPortFrom(a, 24280)) {
					t.Errorf("address %v was lost: %v", a, got.Addrs)
				}
			}
		})
	}
}

func TestReadEntryRefuses(t *testing.T) {
	good := func() *mdns.ServiceEntry {
		return &mdns.ServiceEntry{
			Name: `kitchen\ aaaa0000._CHAT-relay._tcp.local.`, Port: 24280, AddrV4: net.IPv4(192, 168, 1, 5),
			InfoFields: []string{"v=1", "ID=" + kitchenID, "id=" + studyID, `room=k\027[2Ji\tchen`, "unknown", "=", "addrs=10.0.0.1,junk,fe80::1%eth9,"},
		}
	}
	r, ok := readEntry(good(), roomService, "eth0")
	if want := "[10.0.0.1:24280 192.168.1.5:24280]"; !ok || r.ID != kitchenID || fmt.Sprint(r.Addrs) != want {
		t.Errorf("a good entry was read as %+v, %v; want addresses %s", r, ok, want)
	}
	if strings.ContainsAny(r.Title, "\x1b\t\n") {
		t.Errorf("title %q has control characters", r.Title)
	}
	for name, spoil := range map[string]func(*mdns.ServiceEntry){
		"another service":   func(e *mdns.ServiceEntry) { e.Name = "kitchen._http._tcp.local." },
		"service in a name": func(e *mdns.ServiceEntry) { e.Name = `x\._chat-relay._tcp.local.` },
		"no instance":       func(e *mdns.ServiceEntry) { e.Name = "._chat-relay._tcp.local." },
		"no port":           func(e *mdns.ServiceEntry) { e.Port = 0 },
		"another version":   func(e *mdns.ServiceEntry) { e.InfoFields[0] = "v=2" },
		"no version":        func(e *mdns.ServiceEntry) { e.InfoFields = e.InfoFields[1:] },
		"short id":          func(e *mdns.ServiceEntry) { e.InfoFields[1] = "id=aaaa" },
		"id not in hex":     func(e *mdns.ServiceEntry) { e.InfoFields[1] = "id=aaaa00000000000g" },
		"empty":             func(e *mdns.ServiceEntry) { *e = mdns.ServiceEntry{} },
	} {
		e := good()
		spoil(e)
		if r, ok := readEntry(e, roomService, "eth0"); ok {
			t.Errorf("%s: accepted as %+v", name, r)
		}
	}
}

// Rooms are read from packets, whole or in parts, and nothing else is.
func TestAnswerReader(t *testing.T) {
	z, err := newZone(discovery.Advertisement{ID: kitchenID, Title: "kitchen", Port: 24280}, addrs("192.168.1.5", "fd00::5"))
	if err != nil {
		t.Fatal(err)
	}
	all := z.Records(dns.Question{Name: roomService + "." + localDomain, Qtype: dns.TypePTR})
	pack := func(response bool, records ...dns.RR) []byte {
		m := dns.Msg{MsgHdr: dns.MsgHdr{Response: response}, Answer: records}
		packet, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packet
	}
	newReader := func() *answerReader {
		return &answerReader{service: roomService, byName: map[string]*mdns.ServiceEntry{}}
	}
	isKitchen := func(got []discovery.Record) bool {
		return len(got) == 1 && got[0].ID == kitchenID && got[0].Title == "kitchen" &&
			slices.Contains(got[0].Addrs, netip.MustParseAddrPort("192.168.1.5:24280"))
	}

	if got := newReader().read(pack(true, all...), "192.168.1.5", "eth0"); !isKitchen(got) {
		t.Errorf("one packet: %+v, want the kitchen", got)
	}
	backwards := slices.Clone(all)
	slices.Reverse(backwards)
	if got := newReader().read(pack(true, backwards...), "192.168.1.5", "eth0"); !isKitchen(got) {
		t.Errorf("records in reverse: %+v, want the kitchen", got)
	}
	parts, got := newReader(), []discovery.Record(nil)
	for _, rr := range all {
		got = append(got, parts.read(pack(true, rr), "192.168.1.5", "eth0")...)
	}
	if len(got) == 0 || !isKitchen(got[len(got)-1:]) {
		t.Errorf("a packet for each record: %+v, want the kitchen in the end", got)
	}
	for name, packet := range map[string][]byte{
		"a question":      pack(false, all...),
		"junk":            []byte("GET / HTTP/1.1\r\n\r\n"),
		"nothing":         {},
		"a goodbye":       pack(true, all[0]),
		"another service": pack(true, &dns.SRV{Hdr: dns.RR_Header{Name: "printer._ipp._tcp.local.", Rrtype: dns.TypeSRV, Class: dns.ClassINET}, Port: 631, Target: "printer.local."}),
	} {
		if got := newReader().read(packet, "192.168.1.5", "eth0"); len(got) > 0 {
			t.Errorf("%s: %+v, want nothing", name, got)
		}
	}
	flooded := newReader()
	for i := range 10 * maxNames {
		name := fmt.Sprintf("room-%d.%s.%s", i, roomService, localDomain)
		flooded.read(pack(true, &dns.SRV{Hdr: dns.RR_Header{Name: "x." + roomService + "." + localDomain, Rrtype: dns.TypeSRV, Class: dns.ClassINET}, Port: 1, Target: name}), "192.168.1.5", "eth0")
		flooded.read(pack(true, &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{"v=1"}}), "192.168.1.5", "eth0")
	}
	if n := len(flooded.byName); n > maxNames {
		t.Errorf("%d names are remembered, want at most %d", n, maxNames)
	}
}

// A question is sent, answers are heard at once, and the end of ctx ends it.
func TestAskMDNS(t *testing.T) {
	lo, err := loopback()
	if err != nil {
		t.Skip(err)
	}
	z, err := newZone(discovery.Advertisement{ID: kitchenID, Title: "kitchen", Port: 24280}, addrs("192.168.1.5"))
	if err != nil {
		t.Fatal(err)
	}
	stop, err := z.Serve(lo.Interface)
	if err != nil {
		t.Skip("mDNS cannot be served here: ", err)
	}
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got discovery.Record
	err = askMDNS(ctx, roomService, lo, false, 2*time.Second, func(r discovery.Record) {
		if r.ID == kitchenID {
			got = r
			cancel() // or it takes 2 s
		}
	})
	if err != nil {
		t.Skip("no question can be sent on the loopback: ", err)
	}
	if ctx.Err() == nil {
		t.Skip("the loopback carries no multicast")
	}
	if got.Title != "kitchen" {
		t.Errorf("heard %+v, want the kitchen", got)
	}
}

// loopback returns this machine's loopback interface.
func loopback() (discovery.LAN, error) {
	all, err := discovery.LANs()
	i := slices.IndexFunc(all, func(l discovery.LAN) bool { return l.Flags&net.FlagLoopback != 0 })
	if err != nil || i < 0 {
		return discovery.LAN{}, fmt.Errorf("no loopback: %v", err)
	}
	return all[i], nil
}

// A one-shot question gets one answer, with its ID and the question, and a short TTL (RFC 6762
// 6.7). The mdns package answers all others.
func TestOneShotQuestions(t *testing.T) {
	const service = roomService + "." + localDomain
	ask := func(change func(*dns.Msg)) []byte {
		var m dns.Msg
		m.SetQuestion(service, dns.TypePTR)
		m.Id = 4711
		change(&m)
		packet, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packet
	}
	asIs := func(*dns.Msg) {}
	newRoom := func() *responder {
		z, err := newZone(discovery.Advertisement{ID: kitchenID, Title: "kitchen", Port: 24280}, addrs("192.168.1.5", "fd00::5"))
		if err != nil {
			t.Fatal(err)
		}
		return z.responder
	}
	question := dns.Question{Name: service, Qtype: dns.TypePTR, Qclass: dns.ClassINET}

	r := newRoom()
	var m dns.Msg
	if err := m.Unpack(r.answer(ask(asIs), true, false)); err != nil {
		t.Fatal(err)
	}
	if m.Id != 4711 || len(m.Question) != 1 || m.Question[0] != question || len(m.Answer) < 5 || !m.Response || !m.Authoritative {
		t.Errorf("the answer is %v, want ID 4711, the question and all records", &m)
	}
	for _, rr := range m.Answer {
		if h := rr.Header(); h.Ttl > 10 || h.Class != dns.ClassINET {
			t.Errorf("%v: TTL %d, class %#x; want at most 10, and no cache flush", rr, h.Ttl, h.Class)
		}
	}
	if len(r.Records(question)) > 0 {
		t.Error("the mdns package answers a one-shot question too")
	}
	if r.answer(ask(asIs), false, false) != nil || len(r.Records(question)) == 0 {
		t.Error("a question from port 5353 is not answered by the mdns package")
	}
	if len(newRoom().Records(question)) == 0 {
		t.Error("without a note of who asked, the mdns package must answer")
	}
	if err := m.Unpack(r.answer(ask(asIs), false, true)); err != nil || m.Answer[0].Header().Ttl != 120 || len(m.Question) > 0 {
		t.Errorf("a question from port 5353 to this machine: %v, %v; want an answer with the usual TTL", &m, err)
	}
	for name, packet := range map[string][]byte{
		"a response":       ask(func(m *dns.Msg) { m.Response = true }),
		"another opcode":   ask(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }),
		"an error":         ask(func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }),
		"another name":     ask(func(m *dns.Msg) { m.Question[0].Name = "_http._tcp.local." }),
		"no question":      ask(func(m *dns.Msg) { m.Question = nil }),
		"nothing":          nil,
		"not a DNS packet": []byte("hello, is this a room?"),
	} {
		if newRoom().answer(packet, true, true) != nil {
			t.Errorf("%s is answered", name)
		}
	}
	many := r.answer(ask(func(m *dns.Msg) { m.Question = slices.Repeat(m.Question, 500) }), true, false)
	if err := m.Unpack(many); err != nil || len(m.Question) > oneShotMost || len(many) > 9000 { // RFC 6762 17
		t.Errorf("500 questions are answered with %d bytes, %v", len(many), err)
	}
}

func TestZoneAnswersInAnyCase(t *testing.T) {
	z, err := newZone(discovery.Advertisement{ID: kitchenID, Title: "Kitchen", Port: 1}, addrs("192.168.1.5"))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []dns.Question{
		{Name: "_CHAT-Relay._tcp.local.", Qtype: dns.TypePTR},
		{Name: `kitchen\ AAAA0000._chat-relay._tcp.local.`, Qtype: dns.TypeSRV},
		{Name: "Chat-aaaa0000.local.", Qtype: dns.TypeA},
		{Name: "_services._DNS-SD._udp.local.", Qtype: dns.TypePTR},
	} {
		if len(z.Records(q)) == 0 {
			t.Errorf("no answer to %s", q.Name)
		}
	}
}

// The goodbye is only the pointer, with no time to live.
func TestGoodbye(t *testing.T) {
	z, err := newZone(discovery.Advertisement{ID: kitchenID, Title: "kitchen", Port: 1}, addrs("192.168.1.5"))
	if err != nil {
		t.Fatal(err)
	}
	for _, goodbye := range []bool{false, true} {
		packet, err := z.announcement(goodbye)
		if err != nil {
			t.Fatal(err)
		}
		var m dns.Msg
		if err := m.Unpack(packet); err != nil {
			t.Fatal(err)
		}
		_, pointer := m.Answer[0].(*dns.PTR)
		if ttl := m.Answer[0].Header().Ttl; !pointer || (ttl == 0) != goodbye || (len(m.Answer) == 1) != goodbye {
			t.Errorf("announcement(%v) is %v", goodbye, m.Answer)
		}
	}
}

// The doctor gets all announced rooms, and the address of those that answer.
func TestDoctorRooms(t *testing.T) {
	at := netip.MustParseAddrPort
	heard := []discovery.Heard{
		{Record: discovery.Record{ID: studyID, Title: "study", Addrs: []netip.AddrPort{at("192.168.1.8:1"), at("192.168.1.9:1")}}},
		{
			Record: discovery.Record{ID: kitchenID, Title: "kitchen", Addrs: []netip.AddrPort{at("192.168.1.7:1")}},
			Room:   &discovery.Room{RoomInfo: wire.RoomInfo{ID: kitchenID, Title: "Kitchen"}, Addr: "192.168.1.7:1", Contested: true},
		},
	}
	want := []doctor.Room{
		{Title: "study", Addrs: []string{"192.168.1.8:1", "192.168.1.9:1"}, Problem: heard[0].Problem(), Cause: heard[0].Cause()},
		{Title: "Kitchen", Addrs: []string{"192.168.1.7:1"}, Answers: "192.168.1.7:1", ID: kitchenID, Contested: true},
	}
	if got := doctorRooms(heard); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("doctorRooms() = %v, want %v", got, want)
	}
}

func TestDoctorOnUnknownInterface(t *testing.T) {
	var out bytes.Buffer
	err := runDoctor(t.Context(), &out, doctorOptions{Ifaces: []string{"no such one"}})
	if err == nil || !strings.Contains(err.Error(), `"no such one"`) || out.Len() > 0 {
		t.Errorf("error %v, output %q; want an error that names the interface", err, &out)
	}
}

func TestProblemsFound(t *testing.T) {
	for _, test := range []struct {
		problems, fixes int
		want            string
	}{
		{0, 0, "<nil>"},
		{1, 0, "1 problem found."},
		{1, 1, "1 problem found. Run the fix."},
		{3, 1, "3 problems found. Run the fix."},
		{2, 2, "2 problems found. Run the fixes in order."},
	} {
		if got := fmt.Sprint(problemsFound(test.problems, test.fixes)); got != test.want {
			t.Errorf("problemsFound(%d, %d) = %q, want %q", test.problems, test.fixes, got, test.want)
		}
	}
}

func TestWriteRooms(t *testing.T) {
	var out bytes.Buffer
	err := writeRooms(&out, []discovery.Room{
		{RoomInfo: wire.RoomInfo{ID: kitchenID, Title: "küche", Members: 12, App: "chat 1.0.0"}, Addr: "192.168.1.7:24280"},
		{RoomInfo: wire.RoomInfo{ID: studyID, Title: "書斎", Members: 1}, Addr: "[fe80::1%eth0]:24280"},
		{RoomInfo: wire.RoomInfo{ID: studyID, Title: "lab", App: "chat 1.0.0", Sealed: true}, Addr: "192.168.1.8:24280"},
	})
	want := `ROOM   ADDRESS               MEMBERS  ID        APP
küche  192.168.1.7:24280     12       aaaa0000  chat 1.0.0
書斎   [fe80::1%eth0]:24280  1        bbbb0000
lab    192.168.1.8:24280     sealed   bbbb0000  chat 1.0.0
`
	if got := out.String(); got != want || err != nil {
		t.Errorf("got (error %v)\n%swant\n%s", err, got, want)
	}
}

// Two relays of one room answer for no name of the other one, except for that of the service, or queriers would mix their addresses.
func TestZonesOfRelays(t *testing.T) {
	names := make(map[string]int)
	for _, relay := range []string{"", "Q7ABCDEF", "Q7ABCDEG"} {
		z, err := newZone(discovery.Advertisement{ID: kitchenID, Title: "Kitchen", Relay: relay, Port: 24280}, []netip.Addr{netip.MustParseAddr("192.168.1.5")})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range z.names {
			names[name]++
		}
	}
	for name, n := range names {
		isOfAll := strings.HasPrefix(name, "_") // the service, and the list of services
		if n > 1 != isOfAll {
			t.Errorf("%d relays answer for %s", n, name)
		}
	}
}

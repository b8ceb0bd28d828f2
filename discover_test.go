package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"

	"chat/relay/wire"
)

const (
	kitchenID = "aaaa000000000001"
	studyID   = "bbbb000000000002"
)

func testLAN(index int, name string, flags net.Flags, prefixes ...string) lan {
	l := lan{Interface: net.Interface{Index: index, Name: name, Flags: flags}}
	for _, p := range prefixes {
		l.prefixes = append(l.prefixes, netip.MustParsePrefix(p))
	}
	return l
}

const ethernet = net.FlagUp | net.FlagRunning | net.FlagMulticast | net.FlagBroadcast

func eth0() lan {
	return testLAN(2, "eth0", ethernet, "192.168.1.5/24", "fe80::5/64")
}

func TestUsable(t *testing.T) {
	lo := testLAN(1, "lo", net.FlagUp|net.FlagRunning|net.FlagLoopback, "127.0.0.1/8", "::1/128")
	tun := testLAN(3, "tun0", ethernet|net.FlagPointToPoint, "10.8.0.2/24")
	docker := testLAN(4, "docker0", ethernet, "172.17.0.1/16")
	hyperV := testLAN(5, "vEthernet (WSL)", ethernet, "172.20.0.1/20")
	unplugged := testLAN(6, "eth1", ethernet&^net.FlagRunning, "192.168.2.5/24")
	bare := testLAN(7, "eth2", ethernet)
	for _, test := range []struct {
		name    string
		all     []lan
		only    []string
		want    string
		wantErr string
	}{
		{name: "the one with people behind it", all: []lan{lo, tun, docker, hyperV, unplugged, bare, eth0()}, want: "eth0"},
		{name: "none such: all that do multicast", all: []lan{lo, tun, docker, unplugged, bare}, want: "tun0 docker0"},
		{name: "loopback is none", all: []lan{lo}, want: ""},
		{name: "named ones, whatever they are", all: []lan{lo, tun, eth0()}, only: []string{"TUN0"}, want: "tun0"},
		{name: "unknown name", all: []lan{lo, eth0()}, only: []string{"wlan7"},
			wantErr: `no network interface "wlan7"; there are: lo, eth0`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := usable(test.all, test.only)
			if names := strings.Join(lanNames(got), " "); names != test.want {
				t.Errorf("usable(%v) = %q, want %q", test.only, names, test.want)
			}
			if fmt.Sprint(err) != cmp.Or(test.wantErr, "<nil>") {
				t.Errorf("usable(%v): error %v, want %q", test.only, err, test.wantErr)
			}
		})
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "kitchen", `Jo's "room". café 🎉 \o/`, "\x00\x1b[2J\xff", `\065`, "a.b", `end\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := unescape(escape(s)); got != s {
			t.Fatalf("unescape(escape(%q)) = %q", s, got)
		}
		if len(s) == 0 || len(s) > maxLabel {
			return
		}
		// The dns package has to see one label, and these very bytes in it.
		packet := make([]byte, 300)
		end, err := dns.PackDomainName(escape(s)+".", packet, 0, nil, false)
		if err != nil {
			t.Fatalf("pack %q: %v", escape(s), err)
		}
		if want := string(rune(len(s))) + s + "\x00"; string(packet[:end]) != want {
			t.Fatalf("%q packed as %q, want %q", s, packet[:end], want)
		}
	})
}

// entryOf is what the library makes of the answer of z, sent over a network:
// its last addresses, names and strings as unpacking spells them.
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

// What a host announces is what a finder reads, whatever the title.
func TestRecordRoundTrip(t *testing.T) {
	many := make([]netip.Addr, maxAddresses)
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
		{"as many addresses as there can be", "kitchen", "kitchen", many},
		{"link-local alone", "kitchen", "kitchen", addrs("fe80::1")},
	} {
		t.Run(test.name, func(t *testing.T) {
			room := advertisement{ID: kitchenID, Title: test.title, App: "chat 1.0.0", Port: 24280}
			z, err := newZone(room, test.addrs)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := readEntry(entryOf(t, z), roomService, "eth0")
			if !ok || got.id != kitchenID || got.title != test.want || got.app != "chat 1.0.0" {
				t.Errorf("read back %+v, %v; want title %q", got, ok, test.want)
			}
			for _, a := range test.addrs {
				if a.IsLinkLocalUnicast() {
					a = a.WithZone("eth0")
				}
				if !slices.Contains(got.addrs, netip.AddrPortFrom(a, 24280)) {
					t.Errorf("address %v was lost: %v", a, got.addrs)
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
	if want := "[10.0.0.1:24280 192.168.1.5:24280]"; !ok || r.id != kitchenID || fmt.Sprint(r.addrs) != want {
		t.Errorf("a good entry was read as %+v, %v; want addresses %s", r, ok, want)
	}
	if strings.ContainsAny(r.title, "\x1b\t\n") {
		t.Errorf("title %q has control characters", r.title)
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

func TestWorthDialing(t *testing.T) {
	lans := []lan{eth0(), testLAN(3, "eth1", ethernet, "198.51.100.7/24", "2001:db8::7/64")}
	given := []string{
		"8.8.8.8:1", "127.0.0.1:1", "[::1]:1", "0.0.0.0:1", "224.0.0.251:1", "[fe80::1]:1", "[2001:db8:1::1]:1",
		"10.1.1.1:1", "[fe80::1%eth0]:1", "[2001:db8::1]:1", "192.168.1.9:1", "192.168.1.9:1", "198.51.100.1:1",
	}
	var list []netip.AddrPort
	for _, s := range given {
		list = append(list, netip.MustParseAddrPort(s))
	}
	got := fmt.Sprint(worthDialing(list, lans))
	want := "[192.168.1.9:1 198.51.100.1:1 [2001:db8::1]:1 [fe80::1%eth0]:1 10.1.1.1:1]"
	if got != want {
		t.Errorf("worthDialing(%v)\n got %s\nwant %s", given, got, want)
	}
}

func TestZoneAnswersInAnyCase(t *testing.T) {
	z, err := newZone(advertisement{ID: kitchenID, Title: "Kitchen", Port: 1}, addrs("192.168.1.5"))
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

// A network answers a finder in a test: what each round of questions brings, and
// how each address greets.
type network struct {
	mu     sync.Mutex
	lans   []lan
	rounds [][]record // the last one repeats
	asked  int
	greets map[string]func(context.Context) (wire.RoomInfo, error)
	err    error // of every question
}

// finder's questions outlive a search, as the real ones do; the test waits for their end.
func (n *network) finder(t *testing.T) *finder {
	t.Cleanup(func() { time.Sleep(2 * rounds[len(rounds)-1]) })
	return &finder{
		lans: func() ([]lan, error) { return n.lans, nil },
		ask: func(_ context.Context, on lan, v6 bool, wait time.Duration) ([]record, error) {
			if n.err != nil {
				return nil, n.err
			}
			n.mu.Lock()
			var r []record
			if len(n.rounds) > 0 && !v6 && wait != rounds[0]-askAgain {
				r = n.rounds[min(n.asked, len(n.rounds)-1)]
				n.asked++
			}
			n.mu.Unlock()
			time.Sleep(wait) // and ctx does not shorten it
			return slices.Clone(r), nil
		},
		probe: func(ctx context.Context, addr string) (wire.RoomInfo, error) {
			if greet := n.greets[addr]; greet != nil {
				return greet(ctx)
			}
			return wire.RoomInfo{}, errors.New("connection refused")
		},
	}
}

func roomAt(id, title string, addrs ...string) record {
	r := record{id: id, title: title}
	for _, a := range addrs {
		r.addrs = append(r.addrs, netip.MustParseAddrPort(a))
	}
	return r
}

func greets(id, title string, after time.Duration) func(context.Context) (wire.RoomInfo, error) {
	return func(ctx context.Context) (wire.RoomInfo, error) {
		select {
		case <-time.After(after):
			return wire.RoomInfo{ID: id, Title: title, Members: 1}, nil
		case <-ctx.Done():
			return wire.RoomInfo{}, ctx.Err()
		}
	}
}

// silent is a host that takes a connection and says nothing, or none at all.
func silent(ctx context.Context) (wire.RoomInfo, error) {
	<-ctx.Done()
	return wire.RoomInfo{}, ctx.Err()
}

func TestFind(t *testing.T) {
	type greetings = map[string]func(context.Context) (wire.RoomInfo, error)
	kitchen := roomAt(kitchenID, "kitchen", "192.168.1.7:24280")
	study := roomAt(studyID, "study", "192.168.1.8:24280")
	both := greetings{
		"192.168.1.7:24280": greets(kitchenID, "kitchen", time.Millisecond),
		"192.168.1.8:24280": greets(studyID, "Study", 2*time.Millisecond),
	}
	for _, test := range []struct {
		name   string
		net    *network
		want   string
		rooms  string // title@address of what is found
		within time.Duration
	}{
		{name: "one room", net: &network{rounds: [][]record{{kitchen}}, greets: both},
			rooms: "kitchen@192.168.1.7:24280", within: 101 * time.Millisecond},
		{name: "two rooms are two", net: &network{rounds: [][]record{{study, kitchen}}, greets: both},
			rooms: "kitchen@192.168.1.7:24280 Study@192.168.1.8:24280", within: 102 * time.Millisecond},
		{name: "two rooms of one title are two", net: &network{rounds: [][]record{{study, kitchen}}, greets: greetings{
			"192.168.1.7:24280": greets(kitchenID, "den", 0), "192.168.1.8:24280": greets(studyID, "den", 0)}},
			want: "den", rooms: "den@192.168.1.7:24280 den@192.168.1.8:24280", within: 100 * time.Millisecond},
		{name: "by title in any case", net: &network{rounds: [][]record{{study, kitchen}}, greets: both},
			want: "STUDY", rooms: "Study@192.168.1.8:24280", within: 102 * time.Millisecond},
		{name: "by the beginning of the id", net: &network{rounds: [][]record{{study, kitchen}}, greets: both},
			want: "BBBB", rooms: "Study@192.168.1.8:24280", within: 102 * time.Millisecond},
		{name: "the wanted one is heard late", net: &network{rounds: [][]record{{kitchen}, {kitchen}, {kitchen, study}}, greets: both},
			want: "study", rooms: "Study@192.168.1.8:24280", within: 702 * time.Millisecond},
		{name: "a vanished host is not offered", net: &network{rounds: [][]record{{kitchen, study}},
			greets: greetings{"192.168.1.8:24280": both["192.168.1.8:24280"]}},
			rooms: "Study@192.168.1.8:24280", within: 102 * time.Millisecond},
		{name: "a silent host is waited for a moment only", net: &network{rounds: [][]record{{kitchen, study}},
			greets: greetings{"192.168.1.7:24280": silent, "192.168.1.8:24280": both["192.168.1.8:24280"]}},
			rooms: "Study@192.168.1.8:24280", within: 102*time.Millisecond + settle},
		{name: "another room at the address of the record", net: &network{rounds: [][]record{{kitchen}, {kitchen, study}},
			greets: greetings{"192.168.1.7:24280": greets(studyID, "study", 0), "192.168.1.8:24280": both["192.168.1.8:24280"]}},
			rooms: "Study@192.168.1.8:24280", within: 302 * time.Millisecond},
		{name: "the second address answers", net: &network{
			rounds: [][]record{{roomAt(kitchenID, "kitchen", "192.168.1.7:24280", "10.9.9.9:24280")}},
			greets: greetings{"192.168.1.7:24280": silent, "10.9.9.9:24280": greets(kitchenID, "kitchen", 0)}},
			rooms: "kitchen@10.9.9.9:24280", within: 100*time.Millisecond + dialStagger},
		{name: "no network: this machine, at once", net: &network{lans: []lan{}, greets: greetings{
			"[::1]:24280": greets(kitchenID, "kitchen", 0)}},
			rooms: "kitchen@[::1]:24280", within: 0},
		{name: "nothing can be asked: this machine, at once", net: &network{err: errors.New("no route"), greets: greetings{
			"127.0.0.1:24280": greets(kitchenID, "kitchen", 0)}},
			rooms: "kitchen@127.0.0.1:24280", within: askAgain},
		{name: "a silent network: this machine later", net: &network{greets: greetings{
			"127.0.0.1:24280": greets(kitchenID, "kitchen", 0)}},
			rooms: "kitchen@127.0.0.1:24280", within: 700 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if test.net.lans == nil {
					test.net.lans = []lan{eth0()}
				}
				start := time.Now()
				rooms, err := test.net.finder(t).find(t.Context(), test.want)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, r := range rooms {
					got = append(got, r.Title+"@"+r.Addr)
				}
				if list := strings.Join(got, " "); list != test.rooms {
					t.Errorf("found %s, want %s", list, test.rooms)
				}
				if took := time.Since(start); took > test.within {
					t.Errorf("found after %v, want within %v", took, test.within)
				}
			})
		})
	}
}

func TestFindNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{lans: []lan{eth0()}, rounds: [][]record{{roomAt(kitchenID, "kitchen", "192.168.1.7:1")}},
			greets: map[string]func(context.Context) (wire.RoomInfo, error){"192.168.1.7:1": silent}}
		start := time.Now()
		rooms, err := n.finder(t).find(t.Context(), "study")
		var none *noRoomError
		if !errors.As(err, &none) || len(rooms) > 0 {
			t.Fatalf("found %v, %v; want a noRoomError", rooms, err)
		}
		if took := time.Since(start); took < findTimeout-verifyTail || took > findTimeout {
			t.Errorf("gave up after %v, want %v", took, findTimeout)
		}
		if text := err.Error(); !strings.Contains(text, `"study"`) || !strings.Contains(text, "eth0") ||
			!strings.Contains(text, "--addr") || strings.Count(text, "\n") != 1 {
			t.Errorf("error %q should name the room, the interface and --addr, in two lines", text)
		}
	})
}

func TestFindNamesOtherRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{lans: []lan{eth0()}, rounds: [][]record{{roomAt(kitchenID, "kitchen", "192.168.1.7:1")}},
			greets: map[string]func(context.Context) (wire.RoomInfo, error){"192.168.1.7:1": greets(kitchenID, "kitchen", 0)}}
		_, err := n.finder(t).find(t.Context(), "study")
		var none *noRoomError
		if !errors.As(err, &none) || len(none.Others) != 1 || !strings.Contains(err.Error(), `"kitchen"`) {
			t.Errorf("error %v; want a noRoomError that names the kitchen", err)
		}
	})
}

// The library cannot be interrupted: find must not wait for it.
func TestFindEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{lans: []lan{eth0()}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(720*time.Millisecond, cancel) // early in the round of 800 ms
		start := time.Now()
		_, err := n.finder(t).find(ctx, "")
		if took := time.Since(start); err != context.Canceled || took != 720*time.Millisecond {
			t.Errorf("find returned %v after %v, want context canceled after 720ms", err, took)
		}
	})
}

func TestFindWhereNothingCanBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{lans: []lan{eth0()}, err: errors.New("no route")}
		_, err := n.finder(t).find(t.Context(), "")
		if err == nil || !strings.Contains(err.Error(), "no question could be sent on eth0") {
			t.Errorf("error %v, want one that says so", err)
		}
	})
}

func TestFindOnUnknownInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := (&network{lans: []lan{eth0()}}).finder(t)
		f.ifaces = []string{"wlan7"}
		if _, err := f.find(t.Context(), ""); err == nil || !strings.Contains(err.Error(), `"wlan7"`) {
			t.Errorf("find on wlan7: error %v, want one that names it", err)
		}
	})
}

// A hostile network cannot make one search dial without bounds. (The parts are
// tested one by one: hundreds of timers that fire at once crash the race
// detector in a bubble, golang/go#78156.)
func TestSearchIsBounded(t *testing.T) {
	s := &search{open: map[string]bool{}, seen: map[string]bool{}}
	var flood []record
	for i := range 10 * maxHeard {
		flood = append(flood, roomAt(fmt.Sprintf("%016x", i), "x", "192.168.1.7:1"))
	}
	if n := len(s.fresh(flood)) + len(s.fresh(flood)); n != maxHeard {
		t.Errorf("%d of %d records are verified, want %d", n, len(flood), maxHeard)
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		dialing := 0
		release := make(chan struct{})
		s := &search{finder: &finder{probe: func(context.Context, string) (wire.RoomInfo, error) {
			mu.Lock()
			dialing++
			mu.Unlock()
			<-release
			return wire.RoomInfo{}, errors.New("no room")
		}}}
		dials := make(chan struct{}, maxDials)
		for range 2 * maxDials {
			go s.greet(t.Context(), "192.168.1.7:1", dials)
		}
		synctest.Wait()
		mu.Lock()
		if dialing != maxDials {
			t.Errorf("%d dials at a time, want %d", dialing, maxDials)
		}
		mu.Unlock()
		close(release)
	})
}

func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{
			lans: []lan{eth0()},
			rounds: [][]record{
				{roomAt(studyID, "study", "192.168.1.8:1")}, {}, {roomAt(kitchenID, "kitchen", "192.168.1.7:1")},
			},
			greets: map[string]func(context.Context) (wire.RoomInfo, error){
				"192.168.1.7:1": greets(kitchenID, "kitchen", 0),
				"192.168.1.8:1": greets(studyID, "study\x1b[2J", 0),
			},
		}
		start := time.Now()
		rooms, err := n.finder(t).list(t.Context())
		if err != nil || len(rooms) != 2 || rooms[0].Title != "kitchen" || strings.Contains(rooms[1].Title, "\x1b") {
			t.Errorf("list() = %v, %v; want the kitchen and the study, cleaned", rooms, err)
		}
		if took := time.Since(start); took > listWindow {
			t.Errorf("list took %v, want at most %v", took, listWindow)
		}
	})
}

// The doctor is told of all that was heard, and which of them answers.
func TestSurvey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{
			lans: []lan{eth0()},
			rounds: [][]record{{
				roomAt(studyID, "study", "192.168.1.8:1", "192.168.1.9:1"), roomAt(kitchenID, "kitchen", "192.168.1.7:1"),
			}},
			greets: map[string]func(context.Context) (wire.RoomInfo, error){
				"192.168.1.7:1": greets(kitchenID, "Kitchen", 0), "192.168.1.8:1": silent,
			},
		}
		got, err := n.finder(t).survey(t.Context())
		want := "[{study [192.168.1.8:1 192.168.1.9:1] } {Kitchen [192.168.1.7:1] 192.168.1.7:1}]"
		if fmt.Sprint(got) != want || err != nil {
			t.Errorf("survey() = %v, %v; want %s", got, err, want)
		}
		n.err = errors.New("no route")
		if got, err := n.finder(t).survey(t.Context()); err == nil {
			t.Errorf("survey() = %v where nothing can be asked, want an error", got)
		}
	})
}

func TestDoctorOnUnknownInterface(t *testing.T) {
	var out bytes.Buffer
	err := runDoctor(t.Context(), &out, doctorOptions{Ifaces: []string{"no such one"}})
	if err == nil || !strings.Contains(err.Error(), `"no such one"`) || out.Len() > 0 {
		t.Errorf("error %v, output %q; want an error that names the interface", err, &out)
	}
}

func TestWriteRooms(t *testing.T) {
	var out bytes.Buffer
	err := writeRooms(&out, []foundRoom{
		{RoomInfo: wire.RoomInfo{ID: kitchenID, Title: "küche", Members: 12, App: "chat 1.0.0"}, Addr: "192.168.1.7:24280"},
		{RoomInfo: wire.RoomInfo{ID: studyID, Title: "書斎", Members: 1}, Addr: "[fe80::1%eth0]:24280"},
	})
	want := `ROOM   ADDRESS               MEMBERS  ID        APP
küche  192.168.1.7:24280     12       aaaa0000  chat 1.0.0
書斎   [fe80::1%eth0]:24280  1        bbbb0000
`
	if got := out.String(); got != want || err != nil {
		t.Errorf("got (error %v)\n%swant\n%s", err, got, want)
	}
}

// A stage is where an advertiser acts in a test.
type stage struct {
	mu       sync.Mutex // guards all below against the test that changes the scene
	start    time.Time
	lans     []lan
	serveErr error
	sendErr  error
	serving  map[string]bool
	sent     []string // seconds since start, interface, family, what
	logged   bytes.Buffer
}

func (s *stage) advertiser(room advertisement) *advertiser {
	s.start, s.serving = time.Now(), map[string]bool{}
	return &advertiser{
		room: room,
		lans: func() ([]lan, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.lans, nil
		},
		serve: func(ifi net.Interface, _ mdns.Zone) (func(), error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.serveErr != nil {
				return nil, s.serveErr
			}
			s.serving[ifi.Name] = true
			return func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.serving, ifi.Name)
			}, nil
		},
		send: func(ifi net.Interface, v6 bool, packet []byte) error {
			var m dns.Msg
			if err := m.Unpack(packet); err != nil {
				return err
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.sendErr != nil {
				return s.sendErr
			}
			what := "hello"
			if m.Answer[0].Header().Ttl == 0 {
				what = fmt.Sprintf("goodbye/%d", len(s.serving))
			}
			s.sent = append(s.sent, fmt.Sprintf("%v %s %v %s", time.Since(s.start).Seconds(), ifi.Name, v6, what))
			return nil
		},
		outbound: func() netip.Addr { return netip.MustParseAddr("192.168.1.5") },
	}
}

// Write takes what is logged.
func (s *stage) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logged.Write(p)
}

func TestAdvertiseSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{lans: []lan{testLAN(2, "eth0", ethernet, "192.168.1.5/24")}}
		a := s.advertiser(advertisement{ID: kitchenID, Port: 1, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithTimeout(t.Context(), 122*time.Second)
		defer cancel()
		a.run(ctx)
		want := []string{"0 eth0 false hello", "1 eth0 false hello", "61 eth0 false hello", "121 eth0 false hello", "122 eth0 false goodbye/0"}
		if !slices.Equal(s.sent, want) {
			t.Errorf("sent %q, want %q", s.sent, want)
		}
	})
}

// A laptop changes networks: the room follows within 5 seconds, and every
// difficulty is told once.
func TestAdvertiseFollowsTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{}
		log := slog.New(slog.NewTextHandler(s, nil))
		a := s.advertiser(advertisement{ID: kitchenID, Port: 1, Log: log})
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { a.run(ctx) })
		// scene lets the advertiser act for d, then checks and changes the stage.
		scene := func(d time.Duration, f func()) {
			time.Sleep(d)
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			f()
			s.sent = nil
		}

		scene(12*time.Second, func() { // offline
			if n := strings.Count(s.logged.String(), "\n"); n != 1 || len(s.sent) > 0 {
				t.Errorf("offline: %d log lines, want 1; sent %q, want nothing", n, s.sent)
			}
			s.lans, s.serveErr = []lan{eth0()}, errors.New("no such device")
		})
		scene(10*time.Second, func() {
			if n := strings.Count(s.logged.String(), "\n"); n != 2 {
				t.Errorf("unable to serve: %d log lines, want 2:\n%s", n, &s.logged)
			}
			s.serveErr = nil
		})
		scene(5*time.Second, func() {
			if len(s.sent) == 0 || !s.serving["eth0"] {
				t.Errorf("online: sent %q, serving %v", s.sent, s.serving)
			}
			s.lans = []lan{testLAN(3, "wlan0", ethernet, "10.1.1.2/24")}
		})
		scene(5*time.Second, func() {
			if len(s.sent) == 0 || s.serving["eth0"] || !s.serving["wlan0"] {
				t.Errorf("moved: sent %q, serving %v", s.sent, s.serving)
			}
			s.sendErr = errors.New("network is unreachable")
			s.logged.Reset()
		})
		scene(2*time.Minute, func() {
			if n := strings.Count(s.logged.String(), "\n"); n != 1 {
				t.Errorf("unable to send: %d log lines, want 1:\n%s", n, &s.logged)
			}
			s.sendErr = nil
		})
		scene(10*time.Second, func() {
			if n := strings.Count(s.logged.String(), "\n"); n != 2 || len(s.sent) == 0 {
				t.Errorf("able to send again: %d log lines, want 2, sent %q:\n%s", n, s.sent, &s.logged)
			}
		})
		cancel()
		done.Wait()
		if got := fmt.Sprint(a.addresses()); got != "[10.1.1.2]" {
			t.Errorf("moved: addresses %s", got)
		}
	})
}

func TestAdvertisedAddresses(t *testing.T) {
	wifi := testLAN(3, "wlan0", ethernet, "10.1.1.2/24", "2001:db8::2/64", "fe80::2/64")
	for _, test := range []struct {
		name string
		bind string
		lans []lan
		want string
	}{
		{name: "the default route's comes last", lans: []lan{eth0(), wifi}, want: "[2001:db8::2 10.1.1.2 192.168.1.5]"},
		{name: "link-local where there is no other", lans: []lan{testLAN(2, "eth0", ethernet, "fe80::5/64")}, want: "[fe80::5]"},
		{name: "the one listened on", bind: "10.1.1.2", lans: []lan{eth0(), wifi}, want: "[10.1.1.2]"},
		{name: "all, when listening on all", bind: "::", lans: []lan{eth0()}, want: "[192.168.1.5]"},
		{name: "none, when listening on the loopback", bind: "127.0.0.1", lans: []lan{eth0()}, want: "[]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &stage{lans: test.lans}
			a := s.advertiser(advertisement{})
			if test.bind != "" {
				a.room.Bind = netip.MustParseAddr(test.bind)
			}
			a.using = filter(test.lans, a.listensOn)
			if got := fmt.Sprint(a.addresses()); got != test.want {
				t.Errorf("addresses %s, want %s", got, test.want)
			}
		})
	}
}

package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// A network answers the questions of a finder in a test, and its probes.
type network struct {
	lans   []LAN
	rounds [][]Record               // the answers to each round of questions; the last one repeats
	delays map[string]time.Duration // by room ID: how long its answer to each question takes; missing: it answers only the first question of a round, at once
	greets map[string]func(context.Context) (wire.RoomInfo, error)

	// Guarded by mu.
	mu    sync.Mutex
	asked int   // rounds
	err   error // of every question
}

// finder returns a finder whose questions can outlive a search; the test waits for their end.
func (n *network) finder(t *testing.T) *Finder {
	t.Cleanup(func() { time.Sleep(2 * rounds[len(rounds)-1]) })
	return &Finder{
		LANs: func() ([]LAN, error) { return n.lans, nil },
		Ask: func(_ context.Context, on LAN, v6 bool, wait time.Duration, heard func(Record)) error {
			end := time.Now().Add(wait)
			n.mu.Lock()
			if err := n.err; err != nil {
				n.mu.Unlock()
				return err
			}
			var answers []Record
			repeated := wait == rounds[0]+linger-askAgain
			if len(n.rounds) > 0 && !v6 {
				answers = slices.Clone(n.rounds[min(n.asked, len(n.rounds)-1)])
			}
			if !v6 && !repeated {
				n.asked++
			}
			n.mu.Unlock()
			slices.SortStableFunc(answers, func(a, b Record) int { return cmp.Compare(n.delays[a.ID], n.delays[b.ID]) })
			begin := time.Now()
			for _, r := range answers {
				delay, slow := n.delays[r.ID]
				if delay > wait || repeated && !slow {
					continue
				}
				time.Sleep(time.Until(begin.Add(delay)))
				heard(r)
			}
			time.Sleep(time.Until(end)) // and ctx does not shorten it
			return nil
		},
		Probe: func(ctx context.Context, addr string, _ bool) (wire.RoomInfo, error) {
			if greet := n.greets[addr]; greet != nil {
				return greet(ctx)
			}
			return wire.RoomInfo{}, errors.New("connection refused")
		},
		Refused: func(err error) bool { return errors.Is(err, errFull) },
	}
}

// errFull is the answer of a host that accepts no more sessions.
var errFull = errors.New("the room is full")

func roomAt(id, title string, addrs ...string) Record {
	r := Record{ID: id, Title: title}
	for _, a := range addrs {
		r.Addrs = append(r.Addrs, netip.MustParseAddrPort(a))
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

// silent is a host that accepts a connection and sends nothing, or does not accept it.
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
		rooms  string // title@address of the rooms found
		within time.Duration
	}{
		{name: "one room", net: &network{rounds: [][]Record{{kitchen}}, greets: both},
			rooms: "kitchen@192.168.1.7:24280", within: 101 * time.Millisecond},
		{name: "two rooms are two", net: &network{rounds: [][]Record{{study, kitchen}}, greets: both},
			rooms: "kitchen@192.168.1.7:24280 Study@192.168.1.8:24280", within: 102 * time.Millisecond},
		{name: "two rooms of one title are two", net: &network{rounds: [][]Record{{study, kitchen}}, greets: greetings{
			"192.168.1.7:24280": greets(kitchenID, "den", 0), "192.168.1.8:24280": greets(studyID, "den", 0)}},
			want: "den", rooms: "den@192.168.1.7:24280 den@192.168.1.8:24280", within: 100 * time.Millisecond},
		{name: "by title in any case", net: &network{rounds: [][]Record{{study, kitchen}}, greets: both},
			want: "STUDY", rooms: "Study@192.168.1.8:24280", within: 102 * time.Millisecond},
		{name: "by the beginning of the id", net: &network{rounds: [][]Record{{study, kitchen}}, greets: both},
			want: "BBBB", rooms: "Study@192.168.1.8:24280", within: 102 * time.Millisecond},
		{name: "the wanted one is heard late", net: &network{rounds: [][]Record{{kitchen}, {kitchen}, {kitchen, study}}, greets: both},
			want: "study", rooms: "Study@192.168.1.8:24280", within: 702 * time.Millisecond},
		{name: "a vanished host is not offered", net: &network{rounds: [][]Record{{kitchen, study}},
			greets: greetings{"192.168.1.8:24280": both["192.168.1.8:24280"]}},
			rooms: "Study@192.168.1.8:24280", within: 102 * time.Millisecond},
		{name: "a silent host does not hold up the search for long", net: &network{rounds: [][]Record{{kitchen, study}},
			greets: greetings{"192.168.1.7:24280": silent, "192.168.1.8:24280": both["192.168.1.8:24280"]}},
			rooms: "Study@192.168.1.8:24280", within: 102*time.Millisecond + verifyTime},
		{name: "a slow host is waited for", net: &network{rounds: [][]Record{{kitchen, study}},
			greets: greetings{"192.168.1.7:24280": greets(kitchenID, "kitchen", 500*time.Millisecond), "192.168.1.8:24280": both["192.168.1.8:24280"]}},
			rooms: "kitchen@192.168.1.7:24280 Study@192.168.1.8:24280", within: 600 * time.Millisecond},
		{name: "another room at the address of the record", net: &network{rounds: [][]Record{{kitchen}, {kitchen, study}},
			greets: greetings{"192.168.1.7:24280": greets(studyID, "study", 0), "192.168.1.8:24280": both["192.168.1.8:24280"]}},
			rooms: "Study@192.168.1.8:24280", within: 302 * time.Millisecond},
		{name: "the second address answers", net: &network{
			rounds: [][]Record{{roomAt(kitchenID, "kitchen", "192.168.1.7:24280", "10.9.9.9:24280")}},
			greets: greetings{"192.168.1.7:24280": silent, "10.9.9.9:24280": greets(kitchenID, "kitchen", 0)}},
			rooms: "kitchen@10.9.9.9:24280", within: 100*time.Millisecond + dialStagger},
		{name: "a full host is found", net: &network{rounds: [][]Record{{kitchen}}, greets: greetings{
			"192.168.1.7:24280": func(context.Context) (wire.RoomInfo, error) { return wire.RoomInfo{}, errFull }}},
			rooms: "kitchen@192.168.1.7:24280", within: 100 * time.Millisecond},
		{name: "no network: this machine, at once", net: &network{lans: []LAN{}, greets: greetings{
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
					test.net.lans = []LAN{eth0()}
				}
				start := time.Now()
				rooms, err := test.net.finder(t).Find(t.Context(), test.want, nil)
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
		n := &network{lans: []LAN{eth0()}, rounds: [][]Record{{roomAt(kitchenID, "kitchen", "192.168.1.7:1")}},
			greets: map[string]func(context.Context) (wire.RoomInfo, error){"192.168.1.7:1": silent}}
		start := time.Now()
		rooms, err := n.finder(t).Find(t.Context(), "study", nil)
		var none *NoRoomError
		if !errors.As(err, &none) || len(rooms) > 0 {
			t.Fatalf("found %v, %v; want a NoRoomError", rooms, err)
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
		n := &network{lans: []LAN{eth0()}, rounds: [][]Record{{roomAt(kitchenID, "kitchen", "192.168.1.7:1")}},
			greets: map[string]func(context.Context) (wire.RoomInfo, error){"192.168.1.7:1": greets(kitchenID, "kitchen", 0)}}
		_, err := n.finder(t).Find(t.Context(), "study", nil)
		var none *NoRoomError
		if !errors.As(err, &none) || len(none.Others) != 1 || !strings.Contains(err.Error(), `"kitchen"`) {
			t.Errorf("error %v; want a NoRoomError naming the kitchen", err)
		}
	})
}

// A slow host among several is not missed, on however loaded a machine: the choice is made
// when no more answers come.
func TestFindWaitsForSlowAnswers(t *testing.T) {
	kitchen := roomAt(kitchenID, "kitchen", "192.168.1.7:24280")
	study := roomAt(studyID, "study", "192.168.1.8:24280")
	den := roomAt("cccc000000000003", "den", "192.168.1.9:24280")
	for _, test := range []struct {
		name   string
		delays map[string]time.Duration
		rooms  string
		within time.Duration
	}{
		{"all are quick", map[string]time.Duration{kitchenID: 1 * time.Millisecond, studyID: 2 * time.Millisecond, den.ID: 2 * time.Millisecond},
			"den kitchen study", askAgain + 2*time.Millisecond + quiet},
		{"one comes after the first round", map[string]time.Duration{kitchenID: 1 * time.Millisecond, studyID: 110 * time.Millisecond, den.ID: 1 * time.Millisecond},
			"den kitchen study", askAgain + 110*time.Millisecond + quiet},
		{"each comes later than the one before", map[string]time.Duration{kitchenID: 90 * time.Millisecond, studyID: 180 * time.Millisecond, den.ID: 270 * time.Millisecond},
			"den kitchen study", 270*time.Millisecond + 90*time.Millisecond + quiet},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{lans: []LAN{eth0()}, rounds: [][]Record{{kitchen, study, den}}, delays: test.delays,
					greets: map[string]func(context.Context) (wire.RoomInfo, error){
						"192.168.1.7:24280": greets(kitchenID, "kitchen", 2*time.Millisecond),
						"192.168.1.8:24280": greets(studyID, "study", 80*time.Millisecond),
						"192.168.1.9:24280": greets(den.ID, "den", 2*time.Millisecond),
					}}
				start := time.Now()
				rooms, err := n.finder(t).Find(t.Context(), "", nil)
				if err != nil {
					t.Fatal(err)
				}
				var titles []string
				for _, r := range rooms {
					titles = append(titles, r.Title)
				}
				if got := strings.Join(titles, " "); got != test.rooms {
					t.Errorf("found %s, want %s", got, test.rooms)
				}
				if took := time.Since(start); took > test.within {
					t.Errorf("found after %v, want within %v", took, test.within)
				}
			})
		})
	}
}

// Hosts that claim to have one room are listed apart. One host with several addresses is one
// room, even if it announces others on another interface.
func TestSeveralHostsClaimARoom(t *testing.T) {
	claims := func(instance string, after time.Duration) func(context.Context) (wire.RoomInfo, error) {
		instance, pin, _ := strings.Cut(instance, " ")
		return func(context.Context) (wire.RoomInfo, error) {
			time.Sleep(after)
			return wire.RoomInfo{ID: kitchenID, Title: "kitchen", Instance: instance, Sealed: pin != "", Pin: pin}, nil
		}
	}
	const host, host2, impostor = "192.168.1.7:24280", "10.9.9.9:24280", "192.168.1.8:24280"
	const sealed, relaying = "192.168.1.4:24280", "192.168.1.9:24280"
	for _, test := range []struct {
		name    string
		records []Record
		want    string
	}{
		{"one host, announced differently", []Record{roomAt(kitchenID, "kitchen", host), roomAt(kitchenID, "kitchen", host2)}, host},
		{"an impostor", []Record{roomAt(kitchenID, "kitchen", impostor), roomAt(kitchenID, "kitchen", host, host2)}, host + "! " + impostor + "!"},
		{"an impostor that lists the host's addresses too", []Record{roomAt(kitchenID, "kitchen", impostor, host, host2), roomAt(kitchenID, "kitchen", host, host2)},
			host + "! " + impostor + "!"},
		{"relayed answers of a sealed room's host", []Record{roomAt(kitchenID, "kitchen", relaying), roomAt(kitchenID, "kitchen", sealed)}, sealed + "! " + relaying + "!"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{lans: []LAN{eth0()}, rounds: [][]Record{test.records}, greets: map[string]func(context.Context) (wire.RoomInfo, error){
					host: claims("i1", 0), host2: claims("i1", time.Millisecond), impostor: claims("i2", 0), sealed: claims("i1 pin1", 0), relaying: claims("i1 pin2", 0),
				}}
				rooms, err := n.finder(t).Find(t.Context(), "kitchen", nil)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, r := range rooms {
					got = append(got, r.Addr)
					if r.Contested {
						got[len(got)-1] += "!"
					}
				}
				if got := strings.Join(got, " "); got != test.want {
					t.Errorf("found %s, want %s", got, test.want)
				}
			})
		})
	}
}

// The relays of one room prove together that they have it: they are one room, with all addresses. Who only claims to
// be one of them is not.
func TestRelaysAreOneRoom(t *testing.T) {
	by := func(instance string) func(context.Context) (wire.RoomInfo, error) {
		return func(context.Context) (wire.RoomInfo, error) {
			return wire.RoomInfo{ID: kitchenID, Title: "kitchen", Instance: instance}, nil
		}
	}
	for _, impostor := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			records := []Record{roomAt(kitchenID, "kitchen", "192.168.1.5:1"), roomAt(kitchenID, "kitchen", "192.168.1.6:1"), roomAt(kitchenID, "kitchen", "192.168.1.7:1")}
			n := &network{lans: []LAN{eth0()}, rounds: [][]Record{records}, greets: map[string]func(context.Context) (wire.RoomInfo, error){
				"192.168.1.5:1": by("relays"), "192.168.1.6:1": by("relays"), "192.168.1.7:1": by("relays"),
			}}
			if impostor {
				n.greets["192.168.1.7:1"] = by("another")
			}
			for name, find := range map[string]func() ([]Room, error){
				"Find": func() ([]Room, error) { return n.finder(t).Find(t.Context(), "kitchen", nil) },
				"List": func() (rooms []Room, err error) { rooms, _, err = n.finder(t).List(t.Context()); return rooms, err },
			} {
				rooms, err := find()
				if err != nil {
					t.Fatal(err)
				}
				slices.SortFunc(rooms, func(a, b Room) int { return len(b.Addrs) - len(a.Addrs) })
				wantRooms, wantAddrs := 1, 3
				if impostor {
					wantRooms, wantAddrs = 2, 2
				}
				if r := rooms[0]; len(rooms) != wantRooms || len(r.Addrs) != wantAddrs || r.Addrs[0] != r.Addr || r.Contested != impostor {
					t.Errorf("%s with an impostor: %v: %+v", name, impostor, rooms)
				}
			}
		})
	}
}

// A host is dialed at the addresses of all its answers: those that come over another
// interface may be the only ones that work.
func TestAddressesOfSeveralAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{lans: []LAN{eth0()}, rounds: [][]Record{{
			roomAt(kitchenID, "kitchen", "192.168.1.7:24280"), roomAt(kitchenID, "kitchen", "192.168.1.7:24280", "10.9.9.9:24280"),
		}}, greets: map[string]func(context.Context) (wire.RoomInfo, error){
			"192.168.1.7:24280": silent, "10.9.9.9:24280": greets(kitchenID, "kitchen", 0)}}
		start := time.Now()
		rooms, err := n.finder(t).Find(t.Context(), "", nil)
		if err != nil || len(rooms) != 1 || rooms[0].Addr != "10.9.9.9:24280" {
			t.Errorf("found %v, %v; want the kitchen at its second address", rooms, err)
		}
		if took := time.Since(start); took > quiet {
			t.Errorf("found after %v, want within %v", took, quiet)
		}
	})
}

// The end of a search does not wait for its questions.
func TestFindEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{lans: []LAN{eth0()}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(720*time.Millisecond, cancel) // early in the round of 800 ms
		start := time.Now()
		_, err := n.finder(t).Find(ctx, "", nil)
		if took := time.Since(start); err != context.Canceled || took != 720*time.Millisecond {
			t.Errorf("Find returned %v after %v, want context canceled after 720ms", err, took)
		}
	})
}

func TestFindWithoutQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{lans: []LAN{eth0()}, err: errors.New("no route")}
		_, err := n.finder(t).Find(t.Context(), "", nil)
		if err == nil || !strings.Contains(err.Error(), "no question could be sent on eth0: no route") {
			t.Errorf("error %v, want it to say so", err)
		}
	})
}

// Where the interfaces cannot be listed, a room on this machine is found; otherwise the error says
// what to do, at once.
func TestHiddenInterfaces(t *testing.T) {
	hidden := &ListError{os.NewSyscallError("netlinkrib", syscall.EACCES)}
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		f := n.finder(t)
		f.LANs = func() ([]LAN, error) { return nil, hidden }
		start := time.Now()
		for name, search := range map[string]func() error{
			"Find": func() error { _, err := f.Find(t.Context(), "", nil); return err },
			"List": func() error { _, _, err := f.List(t.Context()); return err },
		} {
			err := search()
			if _, ok := errors.AsType[*NoRoomError](err); !ok || strings.Contains(err.Error(), "netlink") ||
				!strings.Contains(err.Error(), "cannot list the network interfaces: permission denied") || !strings.Contains(err.Error(), "\nhint: this system hides its network") {
				t.Errorf("%s: error %v, want the cause and a hint", name, err)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the searches took %v, although they cannot find anything", took)
		}
		if _, err := f.Survey(t.Context()); !errors.Is(err, hidden) {
			t.Errorf("Survey: %v", err)
		}
		n.greets = map[string]func(context.Context) (wire.RoomInfo, error){"127.0.0.1:24280": greets(kitchenID, "kitchen", 0)}
		if rooms, err := f.Find(t.Context(), "", nil); err != nil || len(rooms) != 1 {
			t.Errorf("found %v, %v; want the room on this machine", rooms, err)
		}
	})
	out := netip.MustParseAddr("192.168.1.5")
	if got := addressesFrom(nil, hidden, out); !slices.Equal(got, []netip.Addr{out}) {
		t.Errorf("the addresses are %v, want that on the default route", got)
	}
	if got := addressesFrom(nil, hidden, netip.Addr{}); len(got) > 0 {
		t.Errorf("the addresses are %v without a route, want none", got)
	}
}

func TestFindOnUnknownInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := (&network{lans: []LAN{eth0()}}).finder(t)
		f.Ifaces = []string{"wlan7"}
		if _, err := f.Find(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), `"wlan7"`) {
			t.Errorf("Find on wlan7: error %v, want the name in it", err)
		}
	})
}

func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{
			lans: []LAN{eth0()},
			rounds: [][]Record{
				{roomAt(studyID, "study", "192.168.1.8:1")}, {}, {roomAt(kitchenID, "kitchen", "192.168.1.7:1")},
			},
			greets: map[string]func(context.Context) (wire.RoomInfo, error){
				"192.168.1.7:1": greets(kitchenID, "kitchen", 0),
				"192.168.1.8:1": greets(studyID, "study\x1b[2J", 0),
			},
		}
		start := time.Now()
		rooms, _, err := n.finder(t).List(t.Context())
		if err != nil || len(rooms) != 2 || rooms[0].Title != "kitchen" || strings.Contains(rooms[1].Title, "\x1b") {
			t.Errorf("List() = %v, %v; want the kitchen and the study, cleaned", rooms, err)
		}
		if took := time.Since(start); took > ListWindow {
			t.Errorf("List took %v, want at most %v", took, ListWindow)
		}
	})
}

// A room that is announced, and whose host does not answer, is named with the likely cause. One
// that is not wanted does not hide others.
func TestSilentRooms(t *testing.T) {
	type greetings = map[string]func(context.Context) (wire.RoomInfo, error)
	fails := func(err error) func(context.Context) (wire.RoomInfo, error) {
		return func(context.Context) (wire.RoomInfo, error) {
			return wire.RoomInfo{}, fmt.Errorf("probe: %w", err)
		}
	}
	kitchen := roomAt(kitchenID, "kitchen", "192.168.1.7:24281")
	const where = `room "kitchen" is announced at 192.168.1.7:24281, which `
	for name, test := range map[string]struct {
		host func(context.Context) (wire.RoomInfo, error)
		want string
		says []string
	}{
		"drops packets":      {host: silent, says: []string{where + "does not answer", "hint: a firewall on that machine", "TCP port 24281", "chat doctor on 192.168.1.7"}},
		"by its title":       {host: silent, want: "KITCHEN", says: []string{where + "does not answer"}},
		"by its ID":          {host: silent, want: kitchenID[:6], says: []string{where + "does not answer"}},
		"another is wanted":  {host: silent, want: "attic", says: []string{`no room "attic" found`}},
		"rejects packets":    {host: fails(syscall.EHOSTUNREACH), says: []string{where + "does not answer", "firewall"}},
		"refuses":            {host: fails(syscall.ECONNREFUSED), says: []string{where + "refuses the connection", "hint: the room has closed"}},
		"is another room":    {host: greets(studyID, "study", 0), says: []string{where + "has another room"}},
		"is another program": {host: fails(errors.New("not a chat host")), says: []string{where + "does not answer as a room", "not a chat host", "another program"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{lans: []LAN{eth0()}, rounds: [][]Record{{kitchen}}, greets: greetings{"192.168.1.7:24281": test.host}}
				_, err := n.finder(t).Find(t.Context(), test.want, nil)
				if _, ok := errors.AsType[*NoRoomError](err); !ok {
					t.Fatalf("error %v, want a NoRoomError", err)
				}
				for _, s := range test.says {
					if !strings.Contains(err.Error(), s) {
						t.Errorf("error %q does not contain %q", err, s)
					}
				}
			})
		})
	}
	t.Run("beside one that answers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := &network{lans: []LAN{eth0()}, rounds: [][]Record{{kitchen, roomAt(studyID, "study", "192.168.1.8:1")}},
				greets: greetings{"192.168.1.7:24281": silent, "192.168.1.8:1": greets(studyID, "study", 0)}}
			rooms, unheard, err := n.finder(t).List(t.Context())
			if err != nil || len(rooms) != 1 || len(unheard) != 1 || unheard[0].Title != "kitchen" {
				t.Errorf("listed %v, %v, %v; want the study, and the kitchen as silent", rooms, unheard, err)
			}
		})
	})
	t.Run("heard at the end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			study := roomAt(studyID, "study", "192.168.1.8:1")
			n := &network{lans: []LAN{eth0()}, rounds: [][]Record{{study}, {study}, {study}, {kitchen, study}},
				delays: map[string]time.Duration{kitchenID: 400 * time.Millisecond},
				greets: greetings{"192.168.1.7:24281": silent, "192.168.1.8:1": greets(studyID, "study", 0)}}
			if _, unheard, _ := n.finder(t).List(t.Context()); len(unheard) > 0 {
				t.Errorf("%+v counts as silent, although it had no time to answer", unheard)
			}
		})
	})
}

// A survey lists all announced rooms, and which of them answer.
func TestSurvey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{
			lans: []LAN{eth0()},
			rounds: [][]Record{{
				roomAt(studyID, "study", "192.168.1.8:1", "192.168.1.9:1"), roomAt(kitchenID, "kitchen", "192.168.1.7:1"),
			}},
			greets: map[string]func(context.Context) (wire.RoomInfo, error){
				"192.168.1.7:1": greets(kitchenID, "Kitchen", 0), "192.168.1.8:1": silent,
			},
		}
		got, err := n.finder(t).Survey(t.Context())
		var heard []string
		for _, h := range got {
			room := "no answer"
			if h.Room != nil {
				room = h.Room.Title + "@" + h.Room.Addr
			}
			heard = append(heard, fmt.Sprintf("%s %v: %s", h.Title, h.Addrs, room))
		}
		want := []string{"study [192.168.1.8:1 192.168.1.9:1]: no answer", "kitchen [192.168.1.7:1]: Kitchen@192.168.1.7:1"}
		if !slices.Equal(heard, want) || err != nil {
			t.Errorf("Survey() = %q, %v; want %q", heard, err, want)
		}
		n.mu.Lock()
		n.err = errors.New("no route")
		n.mu.Unlock()
		if got, err := n.finder(t).Survey(t.Context()); err == nil {
			t.Errorf("Survey() = %v though no question can be sent, want an error", got)
		}
	})
}

// A survey lists each host that answers with a room. A record that does not answer is left out beside one
// that does, and several that do not answer are one room.
func TestSurveySeveralHosts(t *testing.T) {
	by := func(instance string) func(context.Context) (wire.RoomInfo, error) {
		return func(context.Context) (wire.RoomInfo, error) {
			return wire.RoomInfo{ID: kitchenID, Title: "kitchen", Instance: instance}, nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		n := &network{
			lans: []LAN{eth0()},
			rounds: [][]Record{{
				roomAt(kitchenID, "kitchen", "192.168.1.6:1"), roomAt(kitchenID, "kitchen", "192.168.1.7:1"), roomAt(kitchenID, "kitchen", "192.168.1.8:1"),
				roomAt(kitchenID, "kitchen", "10.9.9.9:1"), roomAt(studyID, "study", "192.168.1.3:1"), roomAt(studyID, "study", "192.168.1.4:1"),
			}},
			greets: map[string]func(context.Context) (wire.RoomInfo, error){
				"192.168.1.6:1": silent, "192.168.1.7:1": by("i1"), "192.168.1.8:1": by("i2"), "10.9.9.9:1": by("i1"),
			},
		}
		got, err := n.finder(t).Survey(t.Context())
		var heard []string
		for _, h := range got {
			heard = append(heard, fmt.Sprintf("%s %v contested: %v", h.Title, h.Addrs, h.Room != nil && h.Room.Contested))
		}
		want := []string{"kitchen [192.168.1.7:1 10.9.9.9:1] contested: true", "kitchen [192.168.1.8:1] contested: true", "study [192.168.1.3:1 192.168.1.4:1] contested: false"}
		if !slices.Equal(heard, want) || err != nil {
			t.Errorf("Survey() = %q, %v; want %q", heard, err, want)
		}
	})
}

// If this machine is too busy to handle a timer in time, it waits for answers once more.
func TestBusyMachineWaitsForAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{
			lans:   []LAN{eth0()},
			rounds: [][]Record{{roomAt(kitchenID, "kitchen", "192.168.1.7:1"), roomAt(studyID, "study", "192.168.1.8:1")}},
			delays: map[string]time.Duration{kitchenID: 0, studyID: quiet + 50*time.Millisecond},
			greets: map[string]func(context.Context) (wire.RoomInfo, error){
				"192.168.1.7:1": greets(kitchenID, "kitchen", 0), "192.168.1.8:1": greets(studyID, "study", 0),
			},
		}
		s := search{Finder: n.finder(t), window: findTimeout, enough: func(Room) bool {
			time.Sleep(askAgain + quiet + 2*maxLate) // until after the second answer of the kitchen, and then some
			return true
		}}
		if rooms, err := s.run(t.Context()); err != nil || len(rooms) != 2 {
			t.Errorf("found %v, %v; want both rooms", rooms, err)
		}
	})
}

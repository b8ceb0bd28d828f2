package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// A network answers a finder in a test: what each round of questions brings, and
// how each address greets.
type network struct {
	mu     sync.Mutex
	lans   []LAN
	rounds [][]Record // the last one repeats
	asked  int
	greets map[string]func(context.Context) (wire.RoomInfo, error)
	err    error // of every question
}

// finder's questions outlive a search, as the real ones do; the test waits for their end.
func (n *network) finder(t *testing.T) *Finder {
	t.Cleanup(func() { time.Sleep(2 * rounds[len(rounds)-1]) })
	return &Finder{
		LANs: func() ([]LAN, error) { return n.lans, nil },
		Ask: func(_ context.Context, on LAN, v6 bool, wait time.Duration) ([]Record, error) {
			if n.err != nil {
				return nil, n.err
			}
			n.mu.Lock()
			var r []Record
			if len(n.rounds) > 0 && !v6 && wait != rounds[0]-askAgain {
				r = n.rounds[min(n.asked, len(n.rounds)-1)]
				n.asked++
			}
			n.mu.Unlock()
			time.Sleep(wait) // and ctx does not shorten it
			return slices.Clone(r), nil
		},
		Probe: func(ctx context.Context, addr string) (wire.RoomInfo, error) {
			if greet := n.greets[addr]; greet != nil {
				return greet(ctx)
			}
			return wire.RoomInfo{}, errors.New("connection refused")
		},
		Refused: func(err error) bool { return errors.Is(err, errFull) },
	}
}

// errFull is how a host greets that wants no more sessions.
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
		{name: "a silent host is waited for a moment only", net: &network{rounds: [][]Record{{kitchen, study}},
			greets: greetings{"192.168.1.7:24280": silent, "192.168.1.8:24280": both["192.168.1.8:24280"]}},
			rooms: "Study@192.168.1.8:24280", within: 102*time.Millisecond + settle},
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
		{name: "a full host is there all the same", net: &network{rounds: [][]Record{{kitchen}}, greets: greetings{
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
				rooms, err := test.net.finder(t).Find(t.Context(), test.want)
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
		rooms, err := n.finder(t).Find(t.Context(), "study")
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
		_, err := n.finder(t).Find(t.Context(), "study")
		var none *NoRoomError
		if !errors.As(err, &none) || len(none.Others) != 1 || !strings.Contains(err.Error(), `"kitchen"`) {
			t.Errorf("error %v; want a NoRoomError that names the kitchen", err)
		}
	})
}

// The library cannot be interrupted: Find must not wait for it.
func TestFindEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{lans: []LAN{eth0()}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(720*time.Millisecond, cancel) // early in the round of 800 ms
		start := time.Now()
		_, err := n.finder(t).Find(ctx, "")
		if took := time.Since(start); err != context.Canceled || took != 720*time.Millisecond {
			t.Errorf("Find returned %v after %v, want context canceled after 720ms", err, took)
		}
	})
}

func TestFindWhereNothingCanBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{lans: []LAN{eth0()}, err: errors.New("no route")}
		_, err := n.finder(t).Find(t.Context(), "")
		if err == nil || !strings.Contains(err.Error(), "no question could be sent on eth0") {
			t.Errorf("error %v, want one that says so", err)
		}
	})
}

func TestFindOnUnknownInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := (&network{lans: []LAN{eth0()}}).finder(t)
		f.Ifaces = []string{"wlan7"}
		if _, err := f.Find(t.Context(), ""); err == nil || !strings.Contains(err.Error(), `"wlan7"`) {
			t.Errorf("Find on wlan7: error %v, want one that names it", err)
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
		rooms, err := n.finder(t).List(t.Context())
		if err != nil || len(rooms) != 2 || rooms[0].Title != "kitchen" || strings.Contains(rooms[1].Title, "\x1b") {
			t.Errorf("List() = %v, %v; want the kitchen and the study, cleaned", rooms, err)
		}
		if took := time.Since(start); took > ListWindow {
			t.Errorf("List took %v, want at most %v", took, ListWindow)
		}
	})
}

// The doctor is told of all that was heard, and which of them answers.
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
		n.err = errors.New("no route")
		if got, err := n.finder(t).Survey(t.Context()); err == nil {
			t.Errorf("Survey() = %v where nothing can be asked, want an error", got)
		}
	})
}

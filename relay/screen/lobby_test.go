package screen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
)

// newLobbyRig returns a screen in a lobby that has not looked for rooms yet.
func newLobbyRig(t *testing.T, columns, rows int, opts Options) *rig {
	t.Helper()
	m := &model{ctx: t.Context(), asked: make(chan *question), opts: opts, started: time.Now(), terminal: terminal{
		width: columns, height: rows, theme: unknownTerminal, lastKey: time.Now(),
	}}
	m.lobby = newLobby(m.ruler)
	return &rig{t: t, m: m}
}

// found ends the search that the person waits for.
func (r *rig) found(err error, places ...Place) tea.Cmd {
	return r.update(placesFound{r.m.lobby.search, places, err, false})
}

// inLobby returns a screen in a lobby with the given number of places; join joins one.
func inLobby(t *testing.T, columns, rows, places int, join func(context.Context, Place, client.Questions) (Room, error)) *rig {
	t.Helper()
	var list []Place
	for n := range places {
		list = append(list, Place{Title: fmt.Sprint("room", n+1), Addr: fmt.Sprintf("10.0.0.%d:24280", n+1)})
	}
	r := newLobbyRig(t, columns, rows, Options{
		Find: func(context.Context, func(Place)) ([]Place, error) { return list, nil },
		Join: join,
		Host: func(context.Context, string) (*HostedRoom, error) { return nil, errors.New("not in this test") },
	})
	r.m.lobby.open(r.m)
	r.found(nil, list...)
	return r
}

// whileLobby runs test on a lobby whose commands run, by the clock of a bubble.
func whileLobby(t *testing.T, opts Options, test func(t *testing.T, r *lobbyLoop)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l := &lobbyLoop{rig: newLobbyRig(t, 80, 24, opts), messages: make(chan tea.Msg, 100)}
		l.m.ctx = ctx
		l.run(l.m.waitForQuestion())
		l.run(l.m.lobby.open(l.m))
		test(t, l)
		cancel()
		time.Sleep(time.Minute) // tea.Tick cannot be stopped
	})
}

// A lobbyLoop is a Bubble Tea for tests.
type lobbyLoop struct {
	*rig
	messages chan tea.Msg
}

// run runs a command.
func (l *lobbyLoop) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	go func() {
		switch msg := cmd().(type) {
		case nil:
		case tea.BatchMsg:
			for _, cmd := range msg {
				l.run(cmd)
			}
		default:
			l.messages <- msg
		}
	}()
}

// after lets d pass, and what happens meanwhile.
func (l *lobbyLoop) after(d time.Duration) *lobbyLoop {
	for end := time.After(d); ; {
		select {
		case msg := <-l.messages:
			l.run(l.update(msg))
		case <-end:
			synctest.Wait()
			for len(l.messages) > 0 {
				l.run(l.update(<-l.messages))
				synctest.Wait()
			}
			return l
		}
	}
}

func (l *lobbyLoop) press(names ...string) *lobbyLoop {
	for _, name := range names {
		l.run(l.keys(name))
	}
	return l
}

// A foundAt is a place that is found so long after the beginning of a search.
type foundAt struct {
	after time.Duration
	Place
}

// finds is an Options.Find that ends so long after its first place, or after 5 s without one.
func finds(settles time.Duration, all ...foundAt) func(context.Context, func(Place)) ([]Place, error) {
	return func(ctx context.Context, found func(Place)) (places []Place, err error) {
		began, end := time.Now(), 5*time.Second
		for _, p := range all {
			if p.after > end {
				break
			}
			if !wait(ctx, time.Until(began.Add(p.after))) {
				return nil, ctx.Err()
			}
			if len(places) == 0 {
				end = p.after + settles
			}
			places = append(places, p.Place)
			found(p.Place)
		}
		if !wait(ctx, time.Until(began.Add(end))) {
			return nil, ctx.Err()
		}
		if len(places) == 0 {
			return nil, &NothingFoundError{What: "No room found on this network", Looked: "Looked for 5 s on wlan0, eth0. No other device answered.", Err: errors.New("no room found")}
		}
		return places, nil
	}
}

var (
	kitchenPlace = Place{Title: "kitchen", Addr: "192.168.1.5:24280", ID: "k", Members: 8}
	annexPlace   = Place{Title: "annex", Addr: "192.168.1.6:24280", ID: "a", Members: 2}
)

// joins returns an Options.Join, and where it notes the places.
func joins() (func(context.Context, Place, client.Questions) (Room, error), *[]string) {
	joined := new([]string)
	return func(_ context.Context, p Place, _ client.Questions) (Room, error) {
		*joined = append(*joined, p.Title)
		return &fakeRoom{events: make(chan client.Event)}, nil
	}, joined
}

func hosts(hosted *[]string, err error) func(context.Context, string) (*HostedRoom, error) {
	return func(_ context.Context, title string) (*HostedRoom, error) {
		if *hosted = append(*hosted, title); err != nil {
			return nil, err
		}
		return &HostedRoom{Room: &fakeRoom{events: make(chan client.Event)}, Title: title, Hosting: Hosting{Addrs: func() []string { return []string{"192.168.1.7:24280"} }}}, nil
	}
}

// The only room is joined after two seconds without a key; if the search takes longer, after that.
func TestLobbyJoinsTheOnlyRoom(t *testing.T) {
	for name, test := range map[string]struct {
		patience, foundAfter, settles, joins time.Duration
	}{
		"chat":            {2 * time.Second, 10 * time.Millisecond, 650 * time.Millisecond, 2 * time.Second},
		"chat, slow room": {2 * time.Second, 1900 * time.Millisecond, 650 * time.Millisecond, 2550 * time.Millisecond},
		"chat join":       {0, 10 * time.Millisecond, 650 * time.Millisecond, 660 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			join, joined := joins()
			var hosted []string
			opts := Options{Patience: test.patience, Find: finds(test.settles, foundAt{test.foundAfter, kitchenPlace}), Join: join, Host: hosts(&hosted, nil)}
			whileLobby(t, opts, func(t *testing.T, r *lobbyLoop) {
				r.want("Looking for rooms on this network…")
				r.after(test.joins - time.Millisecond)
				r.want("kitchen", "8 here")
				if len(*joined) != 0 {
					t.Fatal("joined too early")
				}
				r.after(2 * time.Millisecond)
				if !slices.Equal(*joined, []string{"kitchen"}) || r.m.conversation == nil {
					t.Errorf("joined %q:\n%s", *joined, r.frame())
				}
			})
		})
	}
}

// A key keeps the lobby open, and so does a second room.
func TestLobbyJoinsNothingUnasked(t *testing.T) {
	for name, test := range map[string]struct {
		key    string
		places []foundAt
	}{
		"a key":       {"down", []foundAt{{time.Millisecond, kitchenPlace}}},
		"two rooms":   {"", []foundAt{{time.Millisecond, kitchenPlace}, {400 * time.Millisecond, annexPlace}}},
		"none at all": {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			join, joined := joins()
			whileLobby(t, Options{Patience: 2 * time.Second, Find: finds(650*time.Millisecond, test.places...), Join: join}, func(t *testing.T, r *lobbyLoop) {
				r.after(time.Second)
				if test.key != "" {
					r.press(test.key)
				}
				if r.after(time.Minute); len(*joined) > 0 || r.m.conversation != nil {
					t.Errorf("joined %q", *joined)
				}
			})
		})
	}
}

// Rooms are listed as they answer, and the row that the person moved to stays chosen.
func TestLobbyListsRoomsAsTheyAnswer(t *testing.T) {
	join, joined := joins()
	find := finds(650*time.Millisecond, foundAt{100 * time.Millisecond, kitchenPlace}, foundAt{300 * time.Millisecond, annexPlace})
	whileLobby(t, Options{Patience: 2 * time.Second, Find: find, Join: join}, func(t *testing.T, r *lobbyLoop) {
		r.after(200*time.Millisecond).want("▌ 1 kitchen", "1 room on this network, joining it…")
		r.press("down", "up")
		r.after(200*time.Millisecond).want("▌ 1 kitchen", "2 annex", "2 rooms on this network so far…")
		r.after(time.Second).want("2 rooms on this network\n")
		r.press("down", "enter").after(time.Millisecond)
		if !slices.Equal(*joined, []string{"annex"}) {
			t.Errorf("joined %q", *joined)
		}
	})
}

// With no room, the lobby suggests to host one, and says what it looked for.
func TestLobbyHosts(t *testing.T) {
	for name, test := range map[string]struct {
		patience, before, after time.Duration // when Enter does not host yet, and when it does
		typed, want             string
	}{
		"chat":        {patience: 2 * time.Second, before: 1990 * time.Millisecond, after: 20 * time.Millisecond},
		"chat join":   {before: 4990 * time.Millisecond, after: 20 * time.Millisecond},
		"another one": {before: 4990 * time.Millisecond, after: 20 * time.Millisecond, typed: "den", want: "den"},
	} {
		t.Run(name, func(t *testing.T) {
			var hosted []string
			opts := Options{Patience: test.patience, Find: finds(0), Host: hosts(&hosted, nil), HostTitle: "lab-7"}
			whileLobby(t, opts, func(t *testing.T, r *lobbyLoop) {
				r.after(test.before).press("enter")
				if r.after(0); len(hosted) > 0 || r.m.lobby.stage != choosing {
					t.Fatalf("Enter hosts %q before a room could be found", hosted)
				}
				r.after(test.after)
				r.want("▌ + Host", "as lab-7")
				for _, c := range test.typed {
					r.press(string(c))
				}
				if test.typed != "" {
					r.press("up", "up") // from the address
					r.want("as den")
				}
				r.press("enter").after(time.Millisecond)
				if !slices.Equal(hosted, []string{test.want}) || r.m.conversation == nil || !r.m.conversation.operator || r.m.hosting == nil {
					t.Errorf("hosted %q:\n%s", hosted, r.frame())
				}
			})
		})
	}
}

// What kept a room from being opened is shown, and the lobby goes on.
func TestLobbyCannotHost(t *testing.T) {
	var hosted []string
	opts := Options{Find: finds(0), Host: hosts(&hosted, errors.New("port 24280 is in use\nhint: choose another one")), HostTitle: "lab-7"}
	whileLobby(t, opts, func(t *testing.T, r *lobbyLoop) {
		r.after(6*time.Second).want("No room found on this network", "Not seeing a room that is there?", "Looked for 5 s on wlan0, eth0.")
		r.press("enter")
		r.want("Opening lab-7…")
		r.after(time.Millisecond).want("port 24280 is in use", "Host one here")
		r.press("esc")
		if r.m.err == nil || !strings.HasPrefix(r.m.err.Error(), "port 24280 is in use") {
			t.Errorf("the screen ends with %v", r.m.err)
		}
	})
}

// Who leaves the lobby gets the last error on the terminal; without one, leaving is no error but
// Ctrl-C.
func TestLobbyLeavesWithTheLastError(t *testing.T) {
	r := inLobby(t, 80, 24, 2, nil)
	r.keys("esc")
	if !errors.Is(r.m.err, context.Canceled) {
		t.Errorf("without an error it ends with %v", r.m.err)
	}
	r = newLobbyRig(t, 80, 24, Options{Find: finds(0)})
	r.m.lobby.open(r.m)
	refused := errors.New("no network")
	r.found(refused)
	r.want("no network")
	r.keys("ctrl+c")
	if !errors.Is(r.m.err, refused) {
		t.Errorf("after an error it ends with %v", r.m.err)
	}
}

// A lobby that found no room listens on: a room that opens later is listed, and does not disturb who
// types an address. One that found some lists others too.
func TestLobbyListensOn(t *testing.T) {
	for name, test := range map[string]struct {
		before []Place
		typed  string
		want   []string
	}{
		"idle":   {want: []string{"▌ 1 kitchen", "1 room on this network\n"}},
		"typing": {typed: "10.0", want: []string{"1 kitchen", "▌ @ Address  10.0"}},
		"a list": {before: []Place{annexPlace, {Title: "den", Addr: "10.0.0.1:1"}}, want: []string{"▌ 1 annex", "2 den", "3 kitchen", "3 rooms on this network\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			var opened atomic.Bool
			opts := Options{Find: func(ctx context.Context, found func(Place)) ([]Place, error) {
				places := test.before
				if opened.Load() {
					places = append(slices.Clip(places), kitchenPlace)
				}
				if len(places) == 0 {
					return finds(0)(ctx, found)
				}
				return places, nil
			}}
			whileLobby(t, opts, func(t *testing.T, r *lobbyLoop) {
				r.after(6 * time.Second)
				for _, c := range test.typed {
					r.press(string(c))
				}
				opened.Store(true)
				r.after(11 * time.Second).want(test.want...)
			})
		})
	}
}

// The background searches do not keep a network busy: one that fails at once is repeated every few seconds.
func TestLobbySearchesAreFew(t *testing.T) {
	searches := 0
	opts := Options{Find: func(context.Context, func(Place)) ([]Place, error) { searches++; return nil, errors.New("no network") }}
	whileLobby(t, opts, func(t *testing.T, r *lobbyLoop) {
		if r.after(time.Minute); searches < 10 || searches > 15 {
			t.Errorf("%d searches in a minute", searches)
		}
	})
}

// Ctrl-R looks again; what an older search still finds is not listed.
func TestLobbyLooksAgain(t *testing.T) {
	searches := 0
	opts := Options{Find: func(ctx context.Context, found func(Place)) ([]Place, error) {
		if searches++; searches == 1 {
			return finds(3*time.Second, foundAt{10 * time.Millisecond, kitchenPlace})(ctx, found)
		}
		return finds(time.Second, foundAt{10 * time.Millisecond, annexPlace}, foundAt{20 * time.Millisecond, Place{Title: "den", ID: "d"}})(ctx, found)
	}}
	whileLobby(t, opts, func(t *testing.T, r *lobbyLoop) {
		r.after(time.Second).want("kitchen")
		r.press("ctrl+r")
		r.want("Looking for rooms")
		r.after(5*time.Second).want("▌ 1 annex", "2 den", "2 rooms on this network\n")
	})
}

// An address can begin with any letter.
func TestLobbyTakesEachLetter(t *testing.T) {
	for _, letter := range "qrj@+" {
		r := inLobby(t, 80, 24, 2, nil)
		r.keys("up", "down")
		r.typed(string(letter) + "ose.local")
		r.want(" join › " + string(letter) + "ose.local")
	}
}

// A list that is longer than the screen says how many rows it does not show.
func TestLobbyWithManyRooms(t *testing.T) {
	r := inLobby(t, 80, 24, 34, nil)
	r.want("34 rooms on this network", "▌  1 room1 ", "↓ 18 more")
	if n := strings.Count(r.frame(), " 0 here"); n != 34-16 {
		t.Errorf("%d rooms are shown:\n%s", n, r.frame())
	}
	for range 17 {
		r.keys("down")
	}
	r.want("▌ 18 room18 ", "↑ 9 more", "↓ 10 more")
	for range 16 {
		r.keys("down")
	}
	r.want("▌ 34 room34 ", "more", "@ Address")
	if strings.Count(r.frame(), " more") > 1 {
		t.Errorf("more than the last room:\n%s", r.frame())
	}
}

// Typing a part of a title lists the rooms that have it; other text is an address.
func TestLobbyFilters(t *testing.T) {
	var joined []Place
	r := inLobby(t, 80, 24, 0, func(_ context.Context, p Place, _ client.Questions) (Room, error) {
		joined = append(joined, p)
		return nil, errors.New("no answer")
	})
	r.found(nil, Place{Title: "Attic", Addr: "10.0.0.1:1"}, Place{Title: "kitchen", Addr: "10.0.0.2:1"}, Place{Title: "Kitten", Addr: "10.0.0.3:1"})
	r.typed("kit")
	r.want("2 of 3 rooms match", "▌ 2 kitchen", "  3 Kitten", "join › kit")
	if r.shows("Attic") {
		t.Errorf("the attic does not match:\n%s", r.frame())
	}
	r.keys("down")
	r.want("▌ 3 Kitten")
	r.keys("up")
	r.update(r.keys("enter")())
	r.keys("ctrl+u")
	r.want("3 rooms on this network", "Attic")
	r.typed("10.0.0.9")
	r.want("3 rooms on this network", "▌ @ Address  10.0.0.9")
	r.update(r.keys("enter")())
	r.keys("esc")
	if r.m.err != nil || r.m.lobby.typed() != "" {
		t.Fatalf("Esc does not clear the field: %v", r.m.err)
	}
	r.typed("3")
	r.want("▌ 3 Kitten", "Attic")
	r.update(r.keys("enter")())
	if len(joined) != 3 || joined[0].Title != "kitchen" || joined[1].Addr != "10.0.0.9" || joined[2].Title != "Kitten" {
		t.Errorf("tried to join %+v", joined)
	}
}

// A room whose title is the address of another one does not get who typed that address; it can be chosen.
func TestLobbyTitleThatIsAnAddress(t *testing.T) {
	var tried []string
	r := inLobby(t, 80, 24, 0, func(_ context.Context, p Place, _ client.Questions) (Room, error) {
		tried = append(tried, p.Addr)
		return nil, errors.New("no answer")
	})
	for _, title := range []string{"10.0.0.9", "http://kitchen.local:24280/", "10.0.0.9:24280 [::1]:24280"} {
		r.found(nil, Place{Title: title, Addr: "10.6.6.6:1"}, Place{Title: "kitchen", Addr: "10.0.0.2:1"})
		for _, typed := range []string{"10.0.0.9", "kitchen.local:24280", "[::1]:24280"} {
			r.typed(typed)
			r.want("▌ @ Address  " + typed)
			r.update(r.keys("enter")())
			if got := tried[len(tried)-1]; got != typed {
				t.Errorf("%s joins %s, the room %q", typed, got, title)
			}
			r.keys("ctrl+u")
		}
	}
	r.typed("9:24280 [")
	r.want("1 of 2 rooms match")
	r.keys("up", "up")
	if r.update(r.keys("enter")()); tried[len(tried)-1] != "10.6.6.6:1" {
		t.Errorf("the room that was chosen is not joined, but %s", tried[len(tried)-1])
	}
}

// However small the screen and long the error, the current room, the field and the key hints are
// shown.
func TestLobbyOnASmallScreen(t *testing.T) {
	refuse := func(context.Context, Place, client.Questions) (Room, error) {
		return nil, errors.New("no answer from there\nhint: " + strings.Repeat("a firewall, perhaps, ", 30))
	}
	for _, size := range [][2]int{{40, 10}, {40, 8}, {80, 6}, {80, 24}, {20, 5}} {
		for _, places := range []int{2, 5, 30} {
			r := inLobby(t, size[0], size[1], places, refuse)
			r.update(r.keys("enter")())
			for n := range places {
				r.want(fmt.Sprintf("▌ %*d room%d", len(fmt.Sprint(places)), n+1, n+1), "›")
				if size[0] >= 40 {
					r.want("join › ", "Enter join", "Esc leave")
				}
				if size[1] >= 8 {
					r.want("no answer from there")
				}
				r.keys("down")
			}
			r.keys("down")
			r.want("▌", "@ Address")
		}
	}
}

// A number selects a room of the list, as with --plain; any other number is an address.
func TestLobbyByNumber(t *testing.T) {
	var tried []string
	r := inLobby(t, 80, 24, 3, func(_ context.Context, p Place, _ client.Questions) (Room, error) {
		tried = append(tried, p.Addr)
		return nil, errors.New("no answer")
	})
	for _, typed := range []string{"2", "3", "4", "10.0.0.9"} {
		r.typed(typed)
		if typed == "2" {
			r.want("▌ 2 room2", "join › 2")
		}
		r.update(r.keys("enter")())
		r.keys("ctrl+u")
	}
	if want := []string{"10.0.0.2:24280", "10.0.0.3:24280", "4", "10.0.0.9"}; !slices.Equal(tried, want) {
		t.Errorf("tried to join %q, want %q", tried, want)
	}
}

// Joining can be canceled: the list comes back.
func TestLobbyCancelsJoining(t *testing.T) {
	for _, key := range []string{"ctrl+c", "esc"} {
		r := inLobby(t, 80, 24, 2, func(ctx context.Context, _ Place, _ client.Questions) (Room, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		cmd := r.keys("enter")
		r.want("Joining room1…", "Esc back")
		if r.keys(key); r.m.err != nil {
			t.Fatalf("%s leaves: %v", key, r.m.err)
		}
		r.update(cmd())
		r.want("▌ 1 room1", "  2 room2")
		if strings.Contains(r.frame(), "cancel") {
			t.Errorf("shown as an error:\n%s", r.frame())
		}
		if r.keys(key); !errors.Is(r.m.err, context.Canceled) {
			t.Errorf("%s on the list does not leave", key)
		}
	}
}

// Two hosts that claim one room are told apart by their addresses.
func TestLobbyWarnsOfTwoHosts(t *testing.T) {
	for _, columns := range []int{40, 80} {
		r := inLobby(t, columns, 24, 0, nil)
		place := Place{Title: "kitchen", Addr: "192.168.1.5:24280", ID: "r1", Contested: true}
		other := place
		other.Addr = "192.168.1.6:24280"
		r.found(nil, place, other)
		r.want("1 kitchen", "192.168.1.5:", "2 kitchen", "192.168.1.6:", "Several hosts claim")
		if columns == 80 {
			r.want("disputed")
		}
	}
}

// The lobby looks for rooms, offers several and an address, and shows errors.
func TestLobby(t *testing.T) {
	places := []Place{{Title: "kitchen", Addr: "192.168.1.5:24280", ID: "1", Members: 3}, {Title: "lab", Addr: "192.168.1.6:24280", ID: "2"}}
	var tried []Place
	answer := errors.New("no answer\nhint: a firewall, perhaps")
	r := newLobbyRig(t, 60, 15, Options{
		Find: func(context.Context, func(Place)) ([]Place, error) { return nil, nil },
		Join: func(_ context.Context, p Place, _ client.Questions) (Room, error) {
			tried = append(tried, p)
			return nil, answer
		},
	})
	r.m.lobby.open(r.m)
	r.want("Looking for rooms on this network…")
	r.found(nil, places...)
	r.want("2 rooms on this network", "▌ 1 kitchen  192.168.1.5:24280", "3 here", "  2 lab")
	cmd := r.keys("down", "enter")
	r.want("Joining lab…")
	r.update(cmd())
	r.want("no answer", "hint: a firewall, perhaps", "lab")
	r.typed("10.0.0.7")
	r.want("@ Address  10.0.0.7", "join › 10.0.0.7")
	cmd = r.keys("enter")
	r.update(cmd())
	if len(tried) != 2 || tried[0].ID != "2" || tried[1].Addr != "10.0.0.7" {
		t.Errorf("tried to join %+v", tried)
	}
	r.keys("esc", "ctrl+r") // looks again
	r.want("Looking for rooms")
	r.found(nil)
	r.want("No room found")
	r.keys("ctrl+c")
	if !errors.Is(r.m.err, context.Canceled) {
		t.Errorf("left with %v", r.m.err)
	}
}

// The title stays in its row when rooms are found, and when none is.
func TestLobbyTitleStays(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		titleRow := func() int {
			return slices.IndexFunc(strings.Split(r.frame(), "\n"), func(row string) bool { return strings.Contains(row, "chat  ") })
		}
		r.openLobby()
		looking := titleRow()
		r.found(&NothingFoundError{What: "No room found on this network", Looked: strings.Repeat("Looked for 5 s on wlan0. ", 9)})
		none := titleRow()
		r.found(nil, kitchenPlace, annexPlace)
		if two := titleRow(); looking < 1 || none != looking || two != looking {
			t.Errorf("the title is in row %d, without rooms in row %d, with two in row %d:\n%s", looking, none, two, r.frame())
		}
	})
}

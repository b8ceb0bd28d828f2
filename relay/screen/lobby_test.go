package screen

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// A list that is longer than the screen says how many rooms it does not show.
func TestLobbyWithManyRooms(t *testing.T) {
	r := inLobby(t, 80, 24, 34, nil)
	r.want("34 rooms are on this network", "›  1 room1 ", "↓ 15 more")
	if n := strings.Count(r.frame(), " 0 here"); n != 34-15 {
		t.Errorf("%d rooms are shown:\n%s", n, r.frame())
	}
	for range 17 {
		r.keys("down")
	}
	r.want("› 18 room18 ", "↑ 8 more", "↓ 8 more")
	for range 16 {
		r.keys("down")
	}
	r.want("› 34 room34 ", "↑ 15 more")
	if strings.Count(r.frame(), " more") > 1 {
		t.Errorf("more than the last room:\n%s", r.frame())
	}
}

// Typing a part of a title lists the rooms that have it; other text is an address.
func TestLobbyFilters(t *testing.T) {
	var joined []Place
	r := inLobby(t, 80, 24, 0, func(_ context.Context, p Place) (Room, error) {
		joined = append(joined, p)
		return nil, errors.New("no answer")
	})
	r.update(roomsFound{places: []Place{{Title: "Attic", Addr: "10.0.0.1:1"}, {Title: "kitchen", Addr: "10.0.0.2:1"}, {Title: "Kitten", Addr: "10.0.0.3:1"}}})
	r.typed("kit")
	r.want("2 of 3 rooms match", "› 2 kitchen", "  3 Kitten", "Address: kit")
	if r.shows("Attic") {
		t.Errorf("the attic does not match:\n%s", r.frame())
	}
	r.keys("up")
	r.want("› 3 Kitten")
	r.keys("down")
	r.update(r.keys("enter")())
	r.keys("ctrl+u")
	r.want("3 rooms are on this network", "Attic")
	r.typed("10.0.0.9")
	r.want("3 rooms are on this network")
	r.update(r.keys("enter")())
	r.keys("ctrl+u")
	r.typed("3")
	r.want("› 3 Kitten", "Attic")
	r.update(r.keys("enter")())
	if len(joined) != 3 || joined[0].Title != "kitchen" || joined[1].Addr != "10.0.0.9" || joined[2].Title != "Kitten" {
		t.Errorf("tried to join %+v", joined)
	}
}

// A lobby that found no room listens on: a room that is announced later is listed, and does not
// disturb who types an address.
func TestLobbyListensOn(t *testing.T) {
	for name, typed := range map[string]string{"idle": "", "typing": "10.0"} {
		t.Run(name, func(t *testing.T) {
			var found []Place
			m := &model{ctx: t.Context(), terminal: terminal{width: 80, height: 24}, opts: Options{
				Find: func(context.Context) ([]Place, error) {
					if len(found) == 0 {
						return nil, errors.New("no room found")
					}
					return found, nil
				},
			}}
			m.lobby = newLobby(m.ruler)
			r := &rig{t: t, m: m}
			listen := r.update(m.lobby.open(m)())
			r.want("no room found", "› Address:")
			r.typed(typed)
			if listen == nil {
				t.Fatal("it does not listen on")
			}
			found = []Place{{Title: "kitchen", Addr: "10.0.0.1:1"}}
			if again := r.update(listen()); again != nil {
				t.Error("it still searches, although there is a room")
			}
			want := "› 1 kitchen"
			if typed != "" {
				want = "› Address: 10.0"
			}
			r.want(want, "1 room is on this network", "kitchen")
			if r.shows("no room found") {
				t.Errorf("the error is still shown:\n%s", r.frame())
			}
		})
	}
}

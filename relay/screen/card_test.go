package screen

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/wire"
)

// arrives has the screen arrive in a room in which nothing was said, with these other members.
func (r *rig) arrives(hosting *Hosting, title, topic string, hosts []string, others ...string) {
	r.m.conversation, r.m.hosting, r.m.lobby = nil, hosting, newLobby(r.m.ruler)
	nick := "dave"
	if hosting != nil {
		r.update(roomHosted{&HostedRoom{r.room, title, *hosting}})
	} else {
		r.update(roomJoined{r.room, Place{Title: title, Addr: "192.168.1.5:24280"}})
	}
	r.happen(client.Connected{Welcome: wire.Event{
		Type: wire.TypeWelcome, Title: title, Topic: topic, Nick: nick, Client: "us", Members: append(hosts, others...), Hosts: hosts, From: strings.Join(hosts[:min(len(hosts), 1)], ""), Count: len(hosts) + len(others),
		Sealed: hosting != nil && hosting.Invites != nil,
	}})
}

func hostingAt(addrs ...string) *Hosting {
	return &Hosting{Discovered: true, Addrs: func() []string { return addrs }}
}

// The rooms in which nothing has happened yet, and the lobby, at three sizes.
func TestGoldenArrival(t *testing.T) {
	views := map[string]func(r *rig){
		"host": func(r *rig) { r.arrives(hostingAt("192.168.178.23:24280", "10.0.0.7:24280"), "kitchen", "", nil) },
		"host-bare": func(r *rig) {
			r.arrives(&Hosting{NoPage: true, Addrs: func() []string { return []string{"192.168.178.23:24281"} }}, "kitchen", "", nil)
			r.update(warning("Port 24280 is in use; this room is on 24281."))
		},
		"member": func(r *rig) { r.arrives(nil, "kitchen", "Lunch at 12:30", []string{"alice"}, "bob") },
		"lobby": func(r *rig) {
			r.openLobby()
			r.found(nil, kitchenPlace, annexPlace, Place{Title: "printer-lab, the one on the second floor", Addr: "[fe80::1234:5678:9abc:def0%wlan0]:24280", ID: "p", Members: 31})
		},
		"lobby-none": func(r *rig) {
			r.openLobby()
			r.found(&NothingFoundError{What: "No room found on this network", Looked: "Looked for 5 s on wlan0, eth0. No other device answered. Guest Wi-Fi often keeps devices apart; a VPN or a firewall can do the same. Run chat doctor to find the cause."})
		},
		"lobby-error": func(r *rig) {
			r.openLobby()
			r.found(nil, kitchenPlace, annexPlace)
			r.typed("192.168.1.9")
			r.update(joinFailedIn(r, fmt.Errorf("connection refused by 192.168.1.9:24280\nhint: check that chat host runs there, and on this port")))
		},
	}
	for name, act := range views {
		for _, size := range [][2]int{{40, 10}, {80, 24}, {120, 32}} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				inRoom(t, size[0], size[1], func(t *testing.T, r *rig) {
					act(r)
					r.golden(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]))
				})
			})
		}
	}
}

// openLobby puts the screen into a lobby that looks for rooms.
func (r *rig) openLobby() {
	r.m.conversation, r.m.lobby = nil, newLobby(r.m.ruler)
	r.m.opts = Options{Find: finds(0), Host: hosts(new([]string), nil), HostTitle: "lab-7"}
	r.m.lobby.open(r.m)
}

// joinFailedIn presses Enter, and returns that joining failed.
func joinFailedIn(r *rig, err error) joinFailed {
	r.keys("enter")
	return joinFailed{err}
}

// The card of a host goes with the first member, message or key, and leaves two lines.
func TestCardGoes(t *testing.T) {
	for name, happens := range map[string]func(r *rig){
		"a member": func(r *rig) {
			r.happen(client.Received{Event: wire.Event{Type: wire.TypeJoin, ID: 9, Time: noon, Members: []string{"erin"}, Count: 1}})
			r.want("erin joined")
		},
		"a message": func(r *rig) { r.say("erin", "hello"); r.want("hello") },
		"a letter":  func(r *rig) { r.keys("h") },
		"a key":     func(r *rig) { r.keys("end") },
		"a paste":   func(r *rig) { r.update(tea.PasteMsg{Content: "words"}) },
	} {
		t.Run(name, func(t *testing.T) {
			inRoom(t, 80, 24, func(t *testing.T, r *rig) {
				r.arrives(hostingAt("192.168.1.5:24280"), "kitchen", "", nil)
				r.want("kitchen is open", "http://192.168.1.5:24280/", "Waiting for the first one…", "/invite shows this again")
				happens(r)
				r.want("others join at http://192.168.1.5:24280/", "you are dave; /invite shows the QR code, /help the keys")
				if r.shows("is open") || r.shows("Waiting for") {
					t.Errorf("the card is still there:\n%s", r.frame())
				}
			})
		})
	}
}

// A room that has messages from before, or members already, has no card of a host.
func TestNoCardInAUsedRoom(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.arrives(hostingAt("192.168.1.5:24280"), "kitchen", "", nil, "erin")
		if r.shows("Waiting for") {
			t.Errorf("erin is here already:\n%s", r.frame())
		}
		r.arrives(hostingAt("192.168.1.5:24280"), "kitchen", "", nil)
		r.happen(client.Received{Past: true, Event: wire.Event{Type: wire.TypeMessage, ID: 1, Time: noon, From: "erin", Text: "yesterday"}})
		r.want("yesterday")
		if r.shows("Waiting for") {
			t.Errorf("the history is hidden:\n%s", r.frame())
		}
	})
}

// The QR code is shown if the whole card fits beside it.
func TestCardShowsTheCodeIfItFits(t *testing.T) {
	for _, test := range []struct {
		columns, rows int
		code          bool
	}{{80, 24, true}, {80, 16, false}, {70, 24, false}, {120, 40, true}} {
		inRoom(t, test.columns, test.rows, func(t *testing.T, r *rig) {
			r.arrives(hostingAt("192.168.1.5:24280"), "kitchen", "", nil)
			if r.shows("▄") != test.code {
				t.Errorf("at %dx%d:\n%s", test.columns, test.rows, r.frame())
			}
			r.want("kitchen is open", "http://192.168.1.5:24280/", "nc 192.168.1.5 24280", "Waiting for")
		})
	}
}

// Who joins an empty conversation sees who is here.
func TestMemberCard(t *testing.T) {
	for _, test := range []struct {
		hosts, others []string
		want          string
	}{
		{nil, nil, "No one else is here yet."},
		{[]string{"alice"}, nil, "alice (host) is here"},
		{[]string{"alice"}, []string{"bob"}, "alice (host) and bob are here"},
		{[]string{"alice"}, []string{"bob", "carol", "erin"}, "alice (host), bob, carol and 1 other are here"},
		{nil, strings.Fields("a1 a2 a3 a4 a5 a6"), "a1, a2, a3 and 3 others are here"},
	} {
		inRoom(t, 80, 24, func(t *testing.T, r *rig) {
			r.arrives(nil, "kitchen", "lunch", test.hosts, test.others...)
			r.want("kitchen", "lunch", test.want)
			r.say("alice", "soup is ready")
			r.want("soup is ready", "you are dave")
			if r.shows(test.want) {
				t.Errorf("the card is still there:\n%s", r.frame())
			}
		})
	}
}

// What a member must see, such as that a nick is taken, is in the middle like the rest of the card.
func TestNotesOfMemberCard(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.arrives(nil, "kitchen", "", []string{"alice"})
		const note = "bob is taken; you are dave until it is free"
		r.m.conversation.card.note(entry{kind: kindNotice, text: note})
		r.want("\n" + strings.Repeat(" ", (80-len(note))/2) + note)
	})
}

// However small the terminal, the card fits, and names from the network stay names.
func TestCardAtEverySize(t *testing.T) {
	t.Parallel()
	for columns := 10; columns < 130; columns += 3 {
		for rows := 1; rows < 40; rows += 2 {
			inRoom(t, columns, rows, func(t *testing.T, r *rig) {
				long := strings.Repeat("日本 kitchen ", 20) + "\x1b[31m"
				r.arrives(hostingAt("[fe80::1234:5678:9abc:def0%wlan0]:24280"), long, "", nil)
				r.update(warning("Port 24280 is in use; this room is on 24281."))
				r.frame() // fails if it does not fit
				r.arrives(nil, long, long, []string{"日本日本日本日本"}, "bob")
				r.frame()
			})
		}
	}
}

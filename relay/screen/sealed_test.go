package screen

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/seal"
	"chat/relay/wire"
)

const (
	testPin    = seal.Pin("K7QZABCDEFGHIJKLMNOPQRSTUV")
	otherPin   = seal.Pin("WXYZ2345ABCDEFGHIJKLMNOPQR")
	testSecret = seal.Secret("M2V7ABCDEFGHIJKL")
	listenOnly = seal.Secret("LSTNABCDEFGHIJKL")
)

var sealedRoom = seal.Invites{
	RoomSecrets: seal.RoomSecrets{Member: testSecret, Listen: listenOnly}, Pin: testPin,
	CurlPin: "sha256//p8Jd2kLmN0qRsTuVwXyZ0123456789abcdefghijklM=", SelfSigned: true,
}

// sealedHosting describes a sealed room that this program hosts.
func sealedHosting(addrs ...string) *Hosting {
	h := hostingAt(addrs...)
	h.Invites = func() seal.Invites { return sealedRoom }
	return h
}

// inSealedRoom puts the screen into a sealed room as a member, with the access that the host gives.
func (r *rig) inSealedRoom(access string) {
	r.room.curlPin = sealedRoom.CurlPin
	r.room.invite = seal.Invite{Addr: "192.168.1.5:24280", Pin: testPin, Secret: testSecret}
	r.happen(client.Connected{Addr: "192.168.1.5:24280", Sealed: true, Access: access, Welcome: wire.Event{
		Type: wire.TypeWelcome, Title: "lab", Nick: "bob", Client: "us", Members: []string{"alice", "carol"}, Hosts: []string{"alice"}, From: "alice", Count: 2, Sealed: true, Access: access,
	}})
}

var newHost = client.Host{Addr: "192.168.1.5:24280", Title: "lab", Pin: testPin}

// changedKey is the error for a host with another key than the one in known_hosts.
var changedKey = &client.PinError{
	Host: client.Host{Addr: "192.168.1.5:24280", Title: "lab", Pin: otherPin}, Want: testPin,
	File: "/home/bob/.local/state/chat/known_hosts", Line: 12,
}

// What a sealed room adds to the screen, at four sizes.
func TestGoldenSealed(t *testing.T) {
	views := map[string]func(r *rig){
		"sealed": func(r *rig) { r.inSealedRoom(""); r.say("alice", "the meeting is at two") },
		"sealed-listen": func(r *rig) {
			r.inSealedRoom("listen")
			r.say("alice", "the meeting is at two")
		},
		"sealed-trust": func(r *rig) { r.openLobby(); r.asks(&question{trust: &newHost}) },
		"sealed-namesake": func(r *rig) {
			r.openLobby()
			h := newHost
			h.Namesake, h.Names = client.KnownHost{Room: "1", Pin: otherPin, Title: "lab"}, []string{"annex"}
			r.asks(&question{trust: &h})
		},
		"sealed-plain": func(r *rig) {
			r.openLobby()
			r.found(nil, kitchenPlace)
			r.update(joinFailedIn(r, &client.DowngradeError{
				Host:  client.Host{Title: "lab", Addr: "192.168.1.5:24280"},
				Known: client.KnownHost{Room: "1", Pin: testPin, Title: "lab", File: changedKey.File, Line: 4},
			}))
		},
		"sealed-secret": func(r *rig) {
			r.openLobby()
			r.m.typedSecret = true
			r.asks(&question{secret: client.SecretQuestion{Addr: "192.168.1.5:24280", Title: "lab", Tries: 1}})
			r.typed("M2V7ABCD")
		},
		"sealed-new-secret": func(r *rig) {
			r.inSealedRoom("")
			r.happen(client.Disconnected{Err: errors.New("gone")})
			r.m.lastKey = time.Time{}
			r.asks(&question{secret: client.SecretQuestion{Addr: "192.168.1.5:24280", Title: "lab", Tries: 1}})
		},
		"sealed-changed": func(r *rig) {
			r.openLobby()
			r.found(nil, kitchenPlace)
			r.update(joinFailedIn(r, fmt.Errorf("join lab: %w", changedKey)))
		},
		"sealed-downgrade": func(r *rig) {
			r.openLobby()
			r.found(nil, kitchenPlace)
			r.update(joinFailedIn(r, fmt.Errorf("dial 192.168.1.5:24280: %w", &client.DowngradeError{Host: newHost, File: changedKey.File, Line: 7})))
		},
		"sealed-intercepted": func(r *rig) {
			r.openLobby()
			r.found(nil, kitchenPlace)
			r.update(joinFailedIn(r, fmt.Errorf("join kitchen: %w", client.ErrIntercepted)))
		},
		"sealed-lobby": func(r *rig) {
			r.openLobby()
			r.found(nil, kitchenPlace, Place{Title: "lab", Addr: "192.168.1.6:24280", ID: "l", Sealed: true})
		},
		"sealed-lost": func(r *rig) {
			r.inSealedRoom("")
			r.say("alice", "the meeting is at two")
			r.happen(client.Disconnected{Err: fmt.Errorf("join: %w", changedKey)})
		},
		"sealed-host":   func(r *rig) { r.arrives(sealedHosting("192.168.1.5:24280"), "lab", "", nil) },
		"sealed-invite": func(r *rig) { r.inSealedRoom(""); openInvite(r.m.conversation) },
		"sealed-invite-host": func(r *rig) {
			r.arrives(sealedHosting("192.168.178.23:24280"), "lab", "", nil)
			openInvite(r.m.conversation)
		},
		"sealed-invite-new":    func(r *rig) { r.inSealedRoom("operator"); r.typed("/invite new"); r.keys("enter") },
		"sealed-invite-listen": func(r *rig) { r.inSealedRoom("listen"); openInvite(r.m.conversation) },
		"sealed-invite-long": func(r *rig) {
			r.arrives(sealedHosting("[fd12:3456:789a:1::5]:24280", "10.0.0.7:24280"), "lab", "", nil)
			openInvite(r.m.conversation)
		},
	}
	for name, act := range views {
		for _, size := range [][2]int{{40, 10}, {80, 24}, {100, 30}, {120, 32}} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				inRoom(t, size[0], size[1], func(t *testing.T, r *rig) {
					act(r)
					r.golden(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]))
				})
			})
		}
	}
}

// The header, a question and an alarm on terminals with all colors, 16, and none: the words are enough.
func TestGoldenSealedLooks(t *testing.T) {
	for _, name := range []string{"dark", "light", "16", "mono"} {
		for view, act := range map[string]func(r *rig){
			"header": func(r *rig) { r.inSealedRoom(""); r.say("alice", "the meeting is at two") },
			"trust":  func(r *rig) { r.openLobby(); r.asks(&question{trust: &newHost}) },
			"changed": func(r *rig) {
				r.openLobby()
				r.found(nil, kitchenPlace)
				r.update(joinFailedIn(r, changedKey))
			},
		} {
			t.Run(view+" "+name, func(t *testing.T) {
				inRoom(t, 80, 24, func(t *testing.T, r *rig) {
					r.on(name)
					act(r)
					r.goldenLook(fmt.Sprintf("sealed-%s-%s-80x24", view, name))
				})
			})
		}
	}
}

// asks has a client ask a question, as it does while a room is joined.
func (r *rig) asks(q *question) {
	q.answers = make(chan answer, 1)
	r.update(questionAsked{q})
}

// An invite that is pasted in the lobby is joined at once, and not shown.
func TestInviteInLobby(t *testing.T) {
	const invite = "https://192.168.1.7:24280/#" + string(testPin) + "." + string(testSecret)
	want := Place{Addr: "192.168.1.7:24280", Sealed: true, Invite: seal.Invite{Addr: "192.168.1.7:24280", Pin: testPin, Secret: testSecret}}
	for name, enter := range map[string]func(l *lobbyLoop){
		"pasted": func(l *lobbyLoop) { l.run(l.update(tea.PasteMsg{Content: "  " + invite + "\n"})) },
		"typed": func(l *lobbyLoop) {
			l.typed(invite)
			if frame := l.frame(); strings.Contains(frame, string(testSecret)) || !strings.Contains(frame, "https://192.168.1.7:24280/#***") {
				t.Errorf("the secret is shown:\n%s", frame)
			}
			l.press("enter")
		},
	} {
		t.Run(name, func(t *testing.T) {
			var joined []Place
			join := func(_ context.Context, p Place, _ client.Questions) (Room, error) {
				joined = append(joined, p)
				return nil, errors.New("no answer")
			}
			whileLobby(t, Options{Find: finds(0, foundAt{Place: kitchenPlace}), Join: join}, func(t *testing.T, l *lobbyLoop) {
				l.press("down").after(time.Second) // the only room is not joined unasked
				enter(l)
				l.after(time.Second)
				if len(joined) != 1 || !reflect.DeepEqual(joined[0], want) {
					t.Errorf("joined %+v", joined)
				}
				l.want("no answer")
				if l.press("ctrl+_"); l.m.lobby.address.text != "" {
					t.Error("the field still has the invite")
				}
				l.run(l.update(tea.PasteMsg{Content: "https://192.168.1.7:24280/#" + string(testPin) + ".M2V7"}))
				l.want("the invite is incomplete")
				if l.shows("M2V7") || len(joined) != 1 {
					t.Errorf("an incomplete invite is shown, or joined:\n%s", l.frame())
				}
			})
		})
	}
}

// Uploads are at an encrypted address.
func TestUploadsInASealedRoom(t *testing.T) {
	e := wire.Event{Type: wire.TypeAction, From: "alice", Text: "sent soup.png (1 kB): /files/3/soup.png", File: &wire.File{Number: 3, Name: "soup.png", Path: "/files/3/soup.png"}}
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		if got := r.m.conversation.linked(&e).Text; !strings.HasSuffix(got, " http://192.168.1.5:24280/files/3/soup.png") {
			t.Errorf("plain: %s", got)
		}
		r.inSealedRoom("")
		if got := r.m.conversation.linked(&e).Text; !strings.HasSuffix(got, " https://192.168.1.5:24280/files/3/soup.png") {
			t.Errorf("sealed: %s", got)
		}
	})
}

// An operator's secret is not in the invite that they show: whoever has it is an operator.
func TestOperatorsSecretIsNotShown(t *testing.T) {
	inRoom(t, 120, 32, func(t *testing.T, r *rig) {
		r.inSealedRoom("operator")
		openInvite(r.m.conversation)
		r.want("which ask for the secret", "https://192.168.1.5:24280/#"+string(testPin))
		r.typed("/kick")
		if r.shows("only operators can use it") {
			t.Errorf("an operator is not offered /kick:\n%s", r.frame())
		}
		r.keys("ctrl+u")
		openInvite(r.m.conversation)
		copied := r.keys("enter")
		if got := fmt.Sprint(copied()); r.shows(string(testSecret)) || !strings.HasSuffix(got, "#"+string(testPin)) {
			t.Errorf("copied %s from\n%s", got, r.frame())
		}
	})
}

// Those who may only read keep what they typed, and can still use commands.
func TestListenOnly(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.inSealedRoom("listen")
		r.want("You may only read here; commands work")
		for _, typed := range []string{"hello", "/me waves", "/msg alice hello", "/r hello"} {
			r.typed(typed)
			r.keys("enter")
			if r.want("Not sent: your invite is only for reading.", typed); len(r.room.asked) > 0 {
				t.Fatalf("%q was sent", typed)
			}
			r.keys("ctrl+u")
		}
		r.typed("/who")
		r.keys("enter")
		if len(r.room.asked) != 1 || r.room.asked[0].Text != "/who" {
			t.Errorf("requested %+v", r.room.asked)
		}
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeError, Code: wire.CodeListenOnly, Text: "your invite is only for reading"}})
		r.want("!   your invite is only for reading")
		r.inSealedRoom("")
		r.want("Message lab")
	})
}

// The screen leaves nothing behind that has a secret, however the invite was shown: no entry, text to recall, title
// or last lines.
func TestSecretsAreNotKept(t *testing.T) {
	inRoom(t, 120, 32, func(t *testing.T, r *rig) {
		var recorded []wire.Event
		r.m.opts.Record = func(e wire.Event, _ wire.Viewer) error { recorded = append(recorded, e); return nil }
		r.arrives(sealedHosting("192.168.1.5:24280"), "lab", "", nil)
		r.want(string(testSecret)) // the card
		r.typed("/invite")
		r.keys("enter")
		r.want(string(testSecret), string(listenOnly))
		if copied := r.keys("enter"); copied == nil || !strings.Contains(fmt.Sprint(copied()), string(testSecret)) {
			t.Error("Enter does not copy the invite")
		}
		r.want("Copied the invite.")
		r.keys("esc")
		r.typed("/invite new")
		r.keys("enter", "n", "enter")
		if r.want("A new invite"); len(r.room.asked) > 0 {
			t.Fatalf("requested %+v", r.room.asked)
		}
		r.keys("y")
		if len(r.room.asked) != 1 || r.room.asked[0].Text != "/invite new" {
			t.Fatalf("requested %+v", r.room.asked)
		}
		r.happen(
			client.Received{Event: wire.Event{Type: "invite", ID: 0, Data: string(testSecret)}},
			client.Received{Event: wire.Event{Type: wire.TypeNotice, Text: "the room has a new invite"}},
			client.Received{Event: wire.Event{Type: wire.TypeMessage, ID: 9, Time: noon, From: "carol", Text: "hello"}},
		)
		c := r.m.conversation
		exported, _ := c.transcript.export(true, wire.Viewer{})
		kept := fmt.Sprint(c.transcript.entries, c.composer.editor.history, recorded, r.m.view().WindowTitle, string(exported), c.farewell())
		for _, secret := range []seal.Secret{testSecret, listenOnly} {
			if strings.Contains(kept, string(secret)) || r.shows(string(secret)) {
				t.Errorf("a secret is kept:\n%s\n%s", kept, r.frame())
			}
		}
		r.want("others join with the invite, which /invite shows", "hello", "the room has a new invite")
	})
}

// If another host is at the address, the client ends, but the messages can still be read.
func TestChangedKeyInAConversation(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.inSealedRoom("")
		r.say("alice", "the meeting is at two")
		r.happen(client.Disconnected{Err: changedKey, RetryIn: 3 * time.Second})
		r.want("Not connected · its key has changed · trying again in 3 s")
		r.room.ended = changedKey
		r.update(roomEvents{closed: true})
		r.want("The host has another key", "Nothing was sent", "line 12 of /home/bob/.local/state/chat/known_hosts")
		for _, key := range []string{"y", "a", " ", "enter"} {
			r.keys(key)
		}
		r.want("The host has another key")
		r.keys("esc")
		r.want("the meeting is at two", "Not connected · its key has changed")
		if r.shows("trying again") {
			t.Errorf("it says that it tries again:\n%s", r.frame())
		}
		r.keys("ctrl+c")
		if cmd := r.keys("ctrl+c"); cmd == nil || r.m.err != error(changedKey) {
			t.Errorf("left with %v", r.m.err)
		}
	})
}

// If the room has a new secret that the person does not know, the client ends, but the messages can still be read.
func TestNewSecretIsNotKnown(t *testing.T) {
	for _, err := range []error{&client.SecretError{Code: wire.CodeAuthFailed, Title: "lab"}, &client.SecretError{Code: wire.CodeNoSecret}} {
		inRoom(t, 80, 24, func(t *testing.T, r *rig) {
			r.inSealedRoom("")
			r.say("alice", "the meeting is at two")
			r.room.ended = err
			r.update(roomEvents{closed: true})
			r.want("the meeting is at two", err.Error(), "use the new invite", "Not connected · a new secret is needed")
			if len(r.m.dialogs) > 0 || r.m.err != err {
				t.Errorf("%d dialogs, left with %v", len(r.m.dialogs), r.m.err)
			}
		})
	}
}

// Without rooms to choose from, an alarm ends the screen with its error once it was read.
func TestAlarmWithoutLobby(t *testing.T) {
	for _, err := range []error{changedKey, client.ErrDowngrade, client.ErrIntercepted} {
		r := newLobbyRig(t, 80, 24, Options{Place: &Place{Addr: "192.168.1.5:24280"}})
		r.m.lobby.open(r.m)
		err = fmt.Errorf("join: %w", err)
		if r.update(joinFailed{err}); len(r.m.dialogs) != 1 || r.m.err != nil {
			t.Fatalf("%v: %d dialogs, left with %v", err, len(r.m.dialogs), r.m.err)
		}
		r.want("192.168.1.5:24280", "Esc close")
		if r.keys("enter"); len(r.m.dialogs) > 0 || r.m.err != err {
			t.Errorf("left with %v, want %v", r.m.err, err)
		}
	}
}

// Dialogs and invites fit every terminal.
func TestSealedAtEverySize(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.inSealedRoom("")
		for _, open := range []func(){
			func() { r.asks(&question{trust: &newHost}) },
			func() {
				r.asks(&question{secret: client.SecretQuestion{Title: "lab", Tries: 2}})
				r.typed("half a secret")
			},
			func() { r.m.openDialog(r.m.alarmOf(changedKey, "lab", "192.168.1.5:24280", nil)) },
			func() { openInvite(r.m.conversation) },
		} {
			r.m.lastKey = time.Time{}
			open()
			for _, columns := range []int{1, 2, 5, 11, 19, 30, 41, 59, 80, 133} {
				for _, rows := range []int{1, 2, 3, 5, 7, 9, 12, 16, 24, 50} {
					r.resize(columns, rows)
					r.frame()
					if cursor := r.m.view().Cursor; cursor != nil && (cursor.X >= columns || cursor.Y >= rows) {
						t.Fatalf("%d×%d: the cursor is at %d, %d", columns, rows, cursor.X, cursor.Y)
					}
				}
			}
			r.m.dialogs = nil
		}
	})
}

// What is beside a QR code does not reach into it: each of its rows is one column after the other.
func TestNothingReachesIntoTheCode(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.on("dark")
		codes := 0
		for _, addr := range []string{"192.168.1.5:24280", "127.0.0.1:24990", "192.168.178.123:24280", "[fd00::5]:24280"} {
			for _, open := range []func(){func() { r.arrives(sealedHosting(addr), "lab", "", nil) }, func() { openInvite(r.m.conversation) }} {
				open()
				for columns := 70; columns < 130; columns++ {
					r.resize(columns, 26)
					ends := make(map[int]bool) // columns of the last cell that is drawn of each row of the code
					for _, row := range strings.Split(r.m.view().Content, "\n") {
						if strings.Contains(row, "\x1b[48;5;231m") {
							ends[r.m.ruler.method.StringWidth(row)] = true
						}
					}
					codes += len(ends)
					if len(ends) > 1 {
						t.Fatalf("%s: at %d columns, the code is torn:\n%s", addr, columns, r.frame())
					}
				}
			}
		}
		if codes < 100 {
			t.Errorf("only %d frames have a code", codes)
		}
	})
}

// On a terminal of 80 columns and 24 rows or more, the invite is whole on a row, so that it can be selected and
// opened, and so is its QR code.
func TestInviteHasItsOwnRow(t *testing.T) {
	link := "https://192.168.178.23:24280/#" + string(testPin) + "." + string(testSecret)
	for columns := 80; columns <= 200; columns += 5 {
		for rows := 24; rows <= 60; rows += 4 {
			inRoom(t, columns, rows, func(t *testing.T, r *rig) {
				r.arrives(sealedHosting("192.168.178.23:24280"), "lab", "", nil)
				card := r.frame()
				openInvite(r.m.conversation)
				for name, shown := range map[string]string{"card": card, "/invite": r.frame()} {
					isWhole := func(line string) bool { return strings.TrimSpace(line) == link }
					if lines := strings.Split(shown, "\n"); !slices.ContainsFunc(lines, isWhole) || !strings.Contains(shown, "▄▄▄▄▄") {
						t.Errorf("%d × %d: the link of the %s is not on a row of its own:\n%s", columns, rows, name, shown)
					}
				}
			})
		}
	}
}

// Only an operator is asked whether to replace the invite: the host would refuse it to others.
func TestNewInviteIsForOperators(t *testing.T) {
	r := newRig(t, 80, 24)
	r.inSealedRoom("")
	r.want("Say hello.") // the card
	r.typed("/invite new")
	r.keys("enter")
	r.want("only operators can use /invite new")
	if len(r.m.dialogs) > 0 || len(r.room.asked) > 0 {
		t.Errorf("a member gets %d dialogs, and requests %+v", len(r.m.dialogs), r.room.asked)
	}
	r.happen(client.Received{Event: wire.Event{Type: wire.TypeOperator, ID: 9, Time: noon, From: "alice", Nick: "bob", Text: "made bob an operator", Code: "op"}})
	r.typed("/invite new")
	r.keys("enter")
	r.want("A new invite")
}

// Whoever came with the secret of operators gets the members' invite from the host; a member who was made an operator has it.
func TestInviteOfOperators(t *testing.T) {
	r := newRig(t, 100, 30)
	r.inSealedRoom("operator")
	r.typed("/invite")
	r.keys("enter")
	if len(r.room.asked) != 1 || r.room.asked[0].Text != "/invite" {
		t.Errorf("an operator requests %+v", r.room.asked)
	}
	if r.shows(string(testSecret)) {
		t.Errorf("the operator's own secret is shown:\n%s", r.frame())
	}
	r = newRig(t, 100, 30)
	r.inSealedRoom("")
	r.happen(client.Received{Event: wire.Event{Type: wire.TypeOperator, ID: 9, Time: noon, From: "alice", Nick: "bob", Text: "made bob an operator", Code: "op"}})
	r.typed("/invite")
	r.keys("enter")
	r.want(string(testSecret))
	if len(r.room.asked) > 0 {
		t.Errorf("a promoted member requests %+v", r.room.asked)
	}
}

// No one asks those who may only read to say something.
func TestCardOfListener(t *testing.T) {
	r := newRig(t, 80, 24)
	r.inSealedRoom("listen")
	r.want("alice (host) and carol are here")
	if drawn := r.frame(); strings.Contains(drawn, "Say hello.") {
		t.Errorf("the card is\n%s", drawn)
	}
}

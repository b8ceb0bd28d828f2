package screen

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/client"
	"chat/relay/screen/theme"
	"chat/relay/seal"
	"chat/relay/text"
	"chat/relay/wire"
)

var update = flag.Bool("update", false, "rewrite the golden frames")

// Times are shown in one zone, wherever the tests run. It is set before anything reads the clock.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// A fakeRoom is a room that accepts every request and sends no events.
type fakeRoom struct {
	events  chan client.Event
	asked   []wire.Request // the requests so far
	seq     uint64
	pending []wire.Request
	full    bool // it has maxUnacked requests
	files   []wire.File
	sent    []string // paths of uploads
	slow    bool     // transfers do not end before they are canceled
	err     error
	invite  seal.Invite // of a sealed room
	curlPin string      // likewise
	ended   error       // why the client has ended
}

func (r *fakeRoom) Events() <-chan client.Event { return r.events }
func (r *fakeRoom) Err() error                  { return r.ended }

func (r *fakeRoom) Do(_ context.Context, q wire.Request) (uint64, error) {
	if r.err != nil {
		return 0, r.err
	}
	r.asked = append(r.asked, q)
	if q.Type == wire.TypeSay || strings.HasPrefix(q.Text, "/me ") || strings.HasPrefix(q.Text, "/msg ") {
		r.seq++
		return r.seq, nil
	}
	return 0, nil
}

func (r *fakeRoom) Pending() []wire.Request { return r.pending }

func (r *fakeRoom) Unacked() int {
	if r.full {
		return maxUnacked
	}
	return 0
}

func (r *fakeRoom) Send(ctx context.Context, path string, progress func(client.Progress)) error {
	r.sent = append(r.sent, path)
	progress(client.Progress{Done: 4, Total: 10})
	if r.slow {
		<-ctx.Done()
		return ctx.Err()
	}
	return r.err
}

func (r *fakeRoom) Get(ctx context.Context, f wire.File, dir string, progress func(client.Progress)) (string, error) {
	if r.slow {
		progress(client.Progress{Done: f.Size / 2, Total: f.Size})
		<-ctx.Done()
		return "", ctx.Err()
	}
	progress(client.Progress{Done: 10, Total: 10})
	return filepath.Join(dir, f.Name), r.err
}

func (r *fakeRoom) Files() []wire.File { return r.files }

func (r *fakeRoom) CurlPin() string { return r.curlPin }

func (r *fakeRoom) Invite() (seal.Invite, bool) { return r.invite, r.invite.Pin != "" }

// unknownTerminal is the theme before the terminal has described itself.
var unknownTerminal = theme.For(nil, nil, colorprofile.TrueColor)

// A rig is a screen without a terminal, in a fakeRoom.
type rig struct {
	t    *testing.T
	m    *model
	room *fakeRoom
	id   uint64

	checked map[checkedRow]bool // by checkFrame
}

// noon is the time of all events, and of the clock in a test of inRoom.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// inRoom runs test on a screen of the given size, at noon.
func inRoom(t *testing.T, columns, rows int, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(noon))
		test(t, newRig(t, columns, rows))
	})
}

func newRig(t *testing.T, columns, rows int) *rig {
	t.Helper()
	r := newScreen(t, columns, rows)
	r.happen(client.Connected{Addr: "192.168.1.5:24280", Welcome: wire.Event{
		Type: wire.TypeWelcome, Title: "kitchen", Nick: "bob", Client: "us", Members: []string{"alice", "carol"}, Hosts: []string{"alice"}, From: "alice", Count: 2,
	}})
	return r
}

// newScreen returns a screen that joined a room whose host has not welcomed it yet.
func newScreen(t *testing.T, columns, rows int) *rig {
	t.Helper()
	r := &rig{t: t, room: &fakeRoom{events: make(chan client.Event)}}
	r.m = &model{ctx: t.Context(), asked: make(chan *question), terminal: terminal{width: columns, height: rows, theme: unknownTerminal, lastKey: time.Now(), focus: focused}}
	r.m.lobby = newLobby(r.m.ruler)
	r.update(roomJoined{r.room, Place{Title: "kitchen", Addr: "192.168.1.5:24280"}})
	return r
}

func (r *rig) update(msg tea.Msg) tea.Cmd { return r.m.update(msg) }

func (r *rig) happen(events ...client.Event) { r.update(roomEvents{events: events}) }

// say delivers a message.
func (r *rig) say(from, text string) {
	r.id++
	r.happen(client.Received{Event: wire.Event{
		Type: wire.TypeMessage, ID: r.id, Time: noon.Add(time.Duration(r.id) * time.Second), From: from, Client: from, Text: text,
	}, Own: from == "bob"})
}

// keys presses keys, by their names or the letters that they type.
func (r *rig) keys(names ...string) (cmd tea.Cmd) {
	for _, name := range names {
		cmd = r.update(press(name))
	}
	return cmd
}

// typed types text.
func (r *rig) typed(text string) {
	for _, c := range text {
		r.update(tea.KeyPressMsg{Code: c, Text: string(c)})
	}
}

func press(name string) tea.KeyPressMsg {
	k := tea.KeyPressMsg{}
	for {
		mod, rest, ok := strings.Cut(name, "+")
		if !ok || rest == "" {
			break
		}
		k.Mod |= map[string]tea.KeyMod{"ctrl": tea.ModCtrl, "alt": tea.ModAlt, "shift": tea.ModShift}[mod]
		name = rest
	}
	codes := map[string]rune{
		"enter": tea.KeyEnter, "tab": tea.KeyTab, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft,
		"right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd,
		"backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "f1": tea.KeyF1, "f2": tea.KeyF2, "f3": tea.KeyF3,
	}
	if code, ok := codes[name]; ok {
		k.Code = code
		return k
	}
	k.Code = []rune(name)[0]
	if k.Mod == 0 {
		k.Text = name
	}
	return k
}

// frame returns the text on the screen, without styles and trailing blanks.
func (r *rig) frame() string {
	rows := strings.Split(ansi.Strip(r.m.view().Content), "\n")
	for i := range rows {
		rows[i] = strings.TrimRight(rows[i], " ")
		if w := r.m.ruler.width(rows[i]); w > r.m.width {
			r.t.Errorf("row %d is %d columns wide, the screen %d: %q", i, w, r.m.width, rows[i])
		}
	}
	if len(rows) != r.m.height {
		r.t.Errorf("%d rows, the screen has %d", len(rows), r.m.height)
	}
	return strings.Join(rows, "\n") + "\n"
}

func (r *rig) want(words ...string) {
	r.t.Helper()
	frame := r.frame()
	for _, w := range words {
		if !strings.Contains(frame, w) {
			r.t.Fatalf("no %q in\n%s", w, frame)
		}
	}
}

// The main views at three sizes.
func TestGoldenFrames(t *testing.T) {
	views := map[string]func(r *rig){
		"conversation": func(r *rig) {
			r.say("alice", "soup is ready")
			r.say("carol", "I am on my way; where do we sit today? There is a free table at the window, the one with the broken lamp")
			r.happen(client.Received{Event: wire.Event{Type: wire.TypeJoin, ID: 90, Time: noon, Members: []string{"dave", "erin"}}})
			r.say("bob", "see https://example.org/menu")
			r.happen(client.Received{Event: wire.Event{Type: wire.TypePrivate, Time: noon, From: "alice", To: "bob", Client: "a", Text: "save me some"}})
			r.typed("bob: 日本語 and half a l")
		},
		"scrolled": func(r *rig) {
			for n := range 40 {
				r.say("alice", fmt.Sprintf("line %d", n))
			}
			r.keys("pgup", "pgup")
			r.say("carol", "new")
		},
		"members": func(r *rig) { r.say("alice", "soup is ready"); r.keys("f2") },
		"help":    func(r *rig) { r.keys("f1") },
		"lost": func(r *rig) {
			r.happen(client.Disconnected{Err: errors.New("gone")})
			r.typed("kept")
			r.keys("enter")
			r.keys("alt+enter")
			r.typed("two lines")
		},
		"hint": func(r *rig) { r.typed("/msg al") },
	}
	for name, act := range views {
		for _, size := range [][2]int{{40, 10}, {80, 24}, {100, 30}, {160, 40}} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				inRoom(t, size[0], size[1], func(t *testing.T, r *rig) {
					act(r)
					r.golden(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]))
				})
			})
		}
	}
}

// golden compares the frame with a file.
func (r *rig) golden(name string) {
	r.t.Helper()
	compareGolden(r.t, filepath.Join("frames", name+".txt"), r.frame())
}

// compareGolden compares got with a file in testdata, or writes it there.
func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s(go test ./relay/screen -run Golden -update rewrites them)", got, want)
	}
}

// Our own message is shown at once, and still once when the host has acknowledged it.
func TestOwnMessages(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.typed("hello")
		r.keys("enter")
		r.want("bob … hello")
		if len(r.room.asked) != 1 || r.room.asked[0].Text != "hello" || len(r.m.conversation.outbox.items) != 1 {
			t.Fatalf("requested %+v, %d pending", r.room.asked, len(r.m.conversation.outbox.items))
		}
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeMessage, ID: 7, Time: noon, From: "bob", Client: "us", Seq: 1, Text: "hello"}, Own: true})
		if n := strings.Count(r.frame(), "hello"); n != 1 || len(r.m.conversation.outbox.items) != 0 {
			t.Errorf("hello is shown %d times, %d pending\n%s", n, len(r.m.conversation.outbox.items), r.frame())
		}
	})
}

// An error about now, such as that of an invalid nick, is shown below the backlog, although it comes first.
func TestErrorsAreBelowTheBacklog(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.m.conversation = newConversation(r.m, r.room, Place{Title: "kitchen"})
		const invalid = "a nick has no spaces; you are guest-1"
		r.happen(client.Connected{Welcome: wire.Event{Type: wire.TypeWelcome, Title: "kitchen", Nick: "guest-1", Client: "us", Next: 3}})
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeError, Code: wire.CodeBadNick, Text: invalid}})
		for id, text := range []string{"first", "second"} {
			r.happen(client.Received{Past: true, Event: wire.Event{Type: wire.TypeMessage, ID: uint64(id + 1), Time: noon, From: "alice", Text: text}})
		}
		r.want("second", invalid, "you are guest-1; /help")
		frame := r.frame()
		if at := strings.Index(frame, invalid); strings.Count(frame, invalid) != 1 || at < strings.Index(frame, "second") || at > strings.Index(frame, "/help shows") {
			t.Errorf("the error is not between the backlog and the greeting:\n%s", frame)
		}
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeError, Text: "a later error"}})
		r.want("a later error")
	})
}

// The greeting is shown below the backlog, however long that is, and stays there when older
// messages are loaded.
func TestGreetingIsBelowTheBacklog(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"the last message of the backlog came": func(r *rig) { r.say("alice", "old 50") },
		"a new message came":                   func(r *rig) { r.id++; r.say("alice", "new") },
		"nothing came for a second":            func(r *rig) { r.update(tick{}) },
	} {
		t.Run(name, func(t *testing.T) {
			inRoom(t, 80, 24, func(t *testing.T, r *rig) {
				r.m.conversation = nil
				r.update(roomJoined{r.room, Place{Title: "kitchen"}})
				r.happen(client.Connected{Welcome: wire.Event{Title: "kitchen", Topic: "soup", Nick: "bob", Next: 51}})
				for n := range 49 {
					r.say("alice", fmt.Sprint("old ", n+1))
				}
				const greeting = "you are bob; /help shows keys and commands"
				if strings.Contains(r.frame(), greeting) {
					t.Errorf("shown before the backlog\n%s", r.frame())
				}
				end(r)
				r.want(greeting, "the topic is: soup", "old 49")
				r.happen(client.Received{Event: wire.Event{Type: wire.TypeMessage, ID: 60, Time: noon, From: "al", Text: "later"}})
				r.update(tick{})
				if n := strings.Count(r.frame(), greeting); n != 1 {
					t.Errorf("shown %d times", n)
				}
				r.keys("home")
				if strings.Contains(r.frame(), greeting) {
					t.Errorf("it is among older messages\n%s", r.frame())
				}
			})
		})
	}
}

// Joins and leaves are not counted as new messages.
func TestNewBelowAreMessages(t *testing.T) {
	inRoom(t, 80, 10, func(t *testing.T, r *rig) {
		for n := range 20 {
			r.say("alice", fmt.Sprint("line ", n))
		}
		r.keys("pgup")
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeJoin, ID: 90, Time: noon, Members: []string{"dave"}}})
		if strings.Contains(r.frame(), " new ") {
			t.Errorf("a join is counted\n%s", r.frame())
		}
		r.say("alice", "one")
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeLeave, ID: 91, Time: noon, Members: []string{"dave"}}})
		r.say("alice", "two")
		r.want("↓ 2 new ──")
	})
}

// A rejected message goes back to the input history.
func TestRejectedIsGivenBack(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.typed("too long")
		r.keys("enter")
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeError, Seq: 1, Code: wire.CodeTooLong, Text: "a message has at most 3 bytes"}})
		if r.keys("up"); r.m.conversation.composer.editor.text != "too long" || len(r.m.conversation.outbox.items) != 0 {
			t.Errorf("the editor has %q, %d pending", r.m.conversation.composer.editor.text, len(r.m.conversation.outbox.items))
		}
		r.want("!   a message has at most 3 bytes")
	})
}

// A message that the host cannot store at the moment stays pending, as the client resends
// it. This is shown once each time it happens.
func TestNotStoredStaysPending(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		full := func(seq uint64) {
			r.happen(client.Received{Event: wire.Event{Type: wire.TypeError, Seq: seq, Code: wire.CodeNotStored, Text: "the host's disk is full; this was not sent: one"}})
		}
		for _, text := range []string{"one", "two"} {
			r.typed(text)
			r.keys("enter")
		}
		full(1)
		full(1)
		const warning = "!   the host's disk is full; your messages are kept and will be"
		if n := strings.Count(r.frame(), warning); n != 1 || r.m.conversation.composer.editor.text != "" || strings.Contains(r.frame(), "brings it back") {
			t.Errorf("shown %d times, the editor has %q\n%s", n, r.m.conversation.composer.editor.text, r.frame())
		}
		r.want("── 2 messages wait ──", "bob … one", "    … two")
		if r.keys("ctrl+c"); !strings.Contains(r.frame(), "2 messages not delivered") {
			t.Errorf("no warning that leaving loses messages\n%s", r.frame())
		}
		for seq := range uint64(2) {
			r.happen(client.Received{Event: wire.Event{Type: wire.TypeMessage, ID: seq + 5, Time: noon, From: "bob", Client: "us", Seq: seq + 1, Text: "x"}, Own: true})
		}
		if strings.Contains(r.frame(), " wait") {
			t.Errorf("still pending\n%s", r.frame())
		}
		r.typed("three")
		r.keys("enter")
		full(3)
		if n := strings.Count(r.frame(), warning); n != 2 {
			t.Errorf("shown %d times, want 2\n%s", n, r.frame())
		}
	})
}

// A message that the host does not acknowledge is soon shown as pending, even if no key is
// pressed.
func TestUnacknowledgedIsShown(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.typed("hello")
		cmd := r.keys("enter")
		for range ackTime / time.Second {
			if strings.Contains(r.frame(), " wait") {
				t.Errorf("shown at once\n%s", r.frame())
			}
			cmd = r.update(cmd())
		}
		r.want("── 1 message waits ──")
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeMessage, ID: 7, Time: noon, From: "bob", Client: "us", Seq: 1, Text: "hello"}, Own: true})
		if strings.Contains(r.frame(), " wait") {
			t.Errorf("shown after it was acknowledged\n%s", r.frame())
		}
		if cmd = r.update(cmd()); cmd != nil {
			t.Error("it still ticks though nothing is pending")
		}
	})
}

// A message that fits the editor fits the default limits of a host, whatever it contains.
func TestNothingThatFitsIsTooLong(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "//", "/me ", "/msg alice ", "/topic ", "/r "} {
		for _, fill := range []string{"a", `"`, `\`, "\t\"", "<", "é", "日", "👩‍👩‍👧", "\u2028x", "\u202e", "\x00"} {
			inRoom(t, 80, 24, func(t *testing.T, r *rig) {
				r.m.conversation.replyTo = strings.Repeat(`"`, text.MaxNickColumns)
				r.m.conversation.composer.editor.insert(before + strings.Repeat(fill, 20_000/len(fill)))
				r.want(" left")
				r.keys("enter")
				if len(r.room.asked) != 1 {
					t.Fatalf("%q of %q: %d requests", before, fill, len(r.room.asked))
				}
				q := r.room.asked[0]
				q.Seq = 1<<53 - 1
				if line := len(q.AppendJSON(nil)); line > client.MaxRequest || len(q.Text) > 16<<10 {
					t.Errorf("%q of %q: %d bytes of text in a line of %d", before, fill, len(q.Text), line)
				}
			})
		}
	}
}

// Lines are counted too, in actions as well.
func TestLinesAreCounted(t *testing.T) {
	for lines, want := range map[int]string{91: "9 lines left", 99: "1 line left", 100: "0 lines left", 102: "2 lines too many"} {
		for _, before := range []string{"", "/me "} {
			inRoom(t, 80, 24, func(t *testing.T, r *rig) {
				r.m.conversation.composer.editor.insert(before + strings.Repeat("x\n", lines-1) + "x")
				r.want(want)
				r.keys("enter")
				if sent := len(r.room.asked) == 1; sent != (lines <= 100) {
					t.Errorf("%d lines were sent: %v", lines, sent)
				}
			})
		}
	}
}

// A command is one line: a text of several lines is a message.
func TestCommandsAreOneLine(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.m.conversation.composer.editor.insert("/topic soup\nand bread")
		r.keys("enter")
		if asked := r.room.asked; len(asked) != 1 || asked[0].Type != wire.TypeSay || asked[0].Text != "/topic soup\nand bread" {
			t.Errorf("requested %+v", asked)
		}
	})
}

// The header shows the host's address where there is room for it, and follows it when it changes.
func TestAddressInHeader(t *testing.T) {
	inRoom(t, 100, 24, func(t *testing.T, r *rig) {
		r.want("3 here  ·  192.168.1.5:24280  plain ●")
		r.happen(client.Disconnected{Err: errors.New("gone")}, client.Connected{Resumed: true, Addr: "192.168.1.77:24280", Welcome: wire.Event{Title: "kitchen", Nick: "bob"}})
		r.want("1 here  ·  192.168.1.77:24280  plain ●")
		r.keys("ctrl+l")
		r.typed("/invite")
		r.keys("enter")
		r.want("chat join --addr 192.168.1.77:24280")
		r.keys("esc")
		r.update(tea.WindowSizeMsg{Width: 99, Height: 24})
		if strings.Contains(r.frame(), "24280") {
			t.Errorf("the address is in a header of 99 columns\n%s", r.frame())
		}
	})
}

// asksForOlder reports whether going to the top requests older messages.
func (r *rig) asksForOlder() bool {
	before := len(r.room.asked)
	r.keys("home")
	return len(r.room.asked) > before && r.room.asked[len(r.room.asked)-1].Type == wire.TypeHistory
}

// Older messages are requested until the host has none, and again after some were dropped.
func TestAskingForOlder(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.id = 10
		r.say("alice", "x")
		if !r.asksForOlder() {
			t.Fatal("no request")
		}
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeHistory, Before: 11}})
		if r.asksForOlder() {
			t.Error("a request though the host has none")
		}
		for len(r.m.conversation.transcript.entries) < maxEntries+maxEntries/10 {
			r.m.conversation.transcript.push(entry{id: r.id, text: "x"})
			r.id++
		}
		r.say("alice", "one too many")
		if !r.asksForOlder() {
			t.Error("no request for the dropped messages")
		}
	})
}

// The IDs of a room that ended mean nothing to the next one.
func TestOlderThanARestart(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.id = 10
		r.say("alice", "x")
		r.happen(client.Disconnected{Err: errors.New("gone")}, client.Connected{Resumed: true, NewRoom: true, Welcome: wire.Event{Title: "kitchen", Nick: "bob"}})
		r.say("alice", "y")
		if r.asksForOlder() {
			t.Error("the new room was asked for messages before those of the old one")
		}
		for len(r.m.conversation.transcript.entries) < maxEntries+maxEntries/10 {
			r.id++
			r.m.conversation.transcript.push(entry{id: r.id, text: "x"})
		}
		r.say("alice", "one too many")
		if !r.asksForOlder() {
			t.Error("only messages of the new room are left, and it was not asked for older ones")
		}
	})
}

// An export has the format of --log.
func TestExport(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.say("alice", "soup\nis ready")
		r.happen(client.Received{Event: wire.Event{Type: wire.TypePrivate, Time: noon, From: "alice", To: "bob", Text: "save me some"}})
		for name, want := range map[string]string{
			"export.txt": "2026-11-25 12:00:01 <alice> soup\n2026-11-25 12:00:01 <alice> is ready\n2026-11-25 12:00:00 [alice -> you] save me some\n",
			"export.jsonl": `{"type":"message","id":1,"time":"2026-11-25T12:00:01.000Z","from":"alice","text":"soup\nis ready"}` + "\n" +
				`{"type":"private","time":"2026-11-25T12:00:00.000Z","from":"alice","to":"bob","text":"save me some"}` + "\n",
		} {
			file := filepath.Join(t.TempDir(), name)
			r.typed("/export " + file)
			r.keys("enter")
			if got, err := os.ReadFile(file); err != nil || string(got) != want {
				t.Errorf("%s has %q (%v), want %q", name, got, err, want)
			}
		}
	})
}

// Events are drawn once a frame, each in the frame that it comes in, and a flood is not
// slowed down.
func TestEventsAreDrawnByFrame(t *testing.T) {
	for name, test := range map[string]struct {
		events int
		pause  time.Duration // between them
		frames int           // at most
		within time.Duration // until the last one is received
	}{
		"one after the other": {100, time.Millisecond, 8, 120 * time.Millisecond},
		"one now and then":    {10, time.Second, 10, 9 * time.Second},
		"a flood":             {10_000, time.Microsecond, 3, 3 * frameTime},
	} {
		t.Run(name, func(t *testing.T) {
			inRoom(t, 80, 24, func(t *testing.T, r *rig) {
				r.room.events = make(chan client.Event, 64)
				began := time.Now()
				go func() {
					for n := range test.events {
						r.room.events <- client.Received{Event: wire.Event{ID: uint64(n + 1)}}
						time.Sleep(test.pause)
					}
					close(r.room.events)
				}()
				var h roomEvents
				var took time.Duration
				frames, last := 0, uint64(0)
				for ; !h.closed; frames++ {
					h = r.m.conversation.waitForEvents()().(roomEvents)
					for _, e := range h.events {
						if last++; e.(client.Received).ID != last {
							t.Fatalf("event %d is %+v", last, e)
						}
						took = time.Since(began)
					}
				}
				if frames--; last != uint64(test.events) || frames > test.frames || took > test.within {
					t.Errorf("%d events in %d frames within %v, want %d in at most %d within %v", last, frames, took, test.events, test.frames, test.within)
				}
			})
		})
	}
}

// While the room has too many unacknowledged messages, others wait in the outbox, in order.
func TestOutboxWaits(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.room.full = true
		for _, s := range []string{"one", "two", "three"} {
			r.typed(s)
			r.keys("enter")
		}
		if len(r.room.asked) != 0 {
			t.Fatalf("requested %+v of a full room", r.room.asked)
		}
		r.want("3 messages wait")
		r.room.full = false
		r.say("alice", "x")
		if len(r.room.asked) != 3 || r.room.asked[2].Text != "three" {
			t.Errorf("requested %+v", r.room.asked)
		}
	})
}

// Events never disturb the message being written.
func TestTypingIsKept(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.typed("half a ")
		r.say("alice", "interrupting")
		r.happen(client.Disconnected{Err: errors.New("gone")})
		r.update(tea.WindowSizeMsg{Width: 30, Height: 8})
		r.typed("line")
		if got := r.m.conversation.composer.editor.text; got != "half a line" {
			t.Errorf("the editor has %q", got)
		}
		r.keys("ctrl+c")
		r.keys("up")
		if got := r.m.conversation.composer.editor.text; got != "half a line" {
			t.Errorf("after Ctrl-C and ↑ the editor has %q", got)
		}
	})
}

// Ctrl-C twice on an empty line leaves; once does not.
func TestLeaving(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		if cmd := r.keys("ctrl+c"); cmd != nil {
			t.Error("one Ctrl-C leaves")
		}
		r.want("Ctrl-C again leaves")
		if cmd := r.keys("ctrl+c"); cmd == nil {
			t.Error("twice does not leave")
		} else if _, ok := cmd().(tea.QuitMsg); !ok {
			t.Error("twice does something else")
		}
	})
}

// Twice within a long time does not either.
func TestLeavingSlowly(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.keys("ctrl+c")
		time.Sleep(leaveWithin)
		if cmd := r.keys("ctrl+c"); cmd != nil {
			t.Error("Ctrl-C leaves, long after the first")
		}
	})
}

// A mention rings the bell, unless the person is watching or does not want it.
func TestAlert(t *testing.T) {
	for name, test := range map[string]struct {
		set  func(m *model)
		past bool
		want bool
	}{
		"blurred":             {func(m *model) { m.focus = blurred }, false, true},
		"focused":             {func(m *model) { m.focus = focused }, false, false},
		"unknown, just typed": {func(m *model) { m.focus = unknownFocus }, false, false},
		"unknown, long ago":   {func(m *model) { m.focus, m.lastKey = unknownFocus, time.Time{} }, false, true},
		"quiet":               {func(m *model) { m.focus, m.opts.Quiet = blurred, true }, false, false},
		"backlog":             {func(m *model) { m.focus = blurred }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			inRoom(t, 80, 24, func(t *testing.T, r *rig) {
				test.set(r.m)
				close(r.room.events)
				cmd := r.update(roomEvents{events: []client.Event{client.Received{Event: wire.Event{
					Type: wire.TypeMessage, ID: 3, Time: noon, From: "alice", Text: "bob: soup; is\nready",
				}, Past: test.past}}})
				if got := rings(cmd); got != test.want {
					t.Errorf("rings: %v, want %v", got, test.want)
				}
			})
		})
	}
}

func rings(cmd tea.Cmd) bool {
	if cmd == nil {
		return false
	}
	switch msg := cmd().(type) {
	case tea.RawMsg:
		return strings.HasPrefix(fmt.Sprint(msg.Msg), "\a")
	case tea.BatchMsg:
		for _, c := range msg {
			if rings(c) {
				return true
			}
		}
	}
	return false
}

// A panic ends the screen, and leaves the terminal as it was.
func TestPanicEndsTheScreen(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		g := guarded{r.m}
		r.m.conversation.outbox.room = nil
		r.m.conversation.composer.editor.set("x")
		_, cmd := g.Update(press("enter"))
		if cmd == nil || r.m.crash == nil {
			t.Fatal("the panic was not caught")
		}
		err := r.m.reportCrash()
		if err == nil || !strings.Contains(err.Error(), "this is a bug in chat") {
			t.Errorf("%v", err)
		}
		for word := range strings.FieldsSeq(err.Error()) {
			if word = strings.TrimSuffix(word, "."); strings.Contains(word, "chat-crash-") {
				os.Remove(word)
			}
		}
	})
}

// The clock of this machine may be wrong: lines of our own have the host's time, like the messages
// around them.
func TestHostsClock(t *testing.T) {
	r := newRig(t, 80, 24)
	hosts := time.Now().Add(-26 * time.Hour)
	r.happen(client.Connected{Welcome: wire.Event{Type: wire.TypeWelcome, Nick: "alice", Title: "kitchen", Next: 1, Time: hosts}})
	before := len(r.m.conversation.transcript.entries)
	r.happen(client.Received{Event: wire.Event{Type: wire.TypeMessage, ID: 1, From: "bob", Text: "soup", Time: hosts}})
	r.m.conversation.show(kindNotice, "a line of this program")
	r.happen(client.Received{Event: wire.Event{Type: wire.TypeNotice, Text: "a reply"}})
	for _, n := range r.m.conversation.transcript.entries[before:] {
		if off := n.time().Sub(hosts).Abs(); off > time.Minute {
			t.Errorf("%q is %v off", n.text, off)
		}
	}
}

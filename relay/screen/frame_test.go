package screen

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/wire"
)

func (r *rig) resize(columns, rows int) {
	r.update(tea.WindowSizeMsg{Width: columns, Height: rows})
}

func (r *rig) rows() []string { return strings.Split(strings.TrimSuffix(r.frame(), "\n"), "\n") }

// A low terminal does without the keys, then without the header, whose part the rule takes.
func TestParts(t *testing.T) {
	for _, test := range []struct {
		rows, talk   int
		header, keys bool
	}{
		{24, 20, true, true}, {16, 12, true, true}, {15, 12, true, false}, {10, 7, true, false}, {9, 7, false, false}, {8, 6, false, false},
		{6, 4, false, false}, {3, 1, false, false}, {2, 0, false, false},
	} {
		inRoom(t, 40, test.rows, func(t *testing.T, r *rig) {
			for range 30 {
				r.say("alice", "x")
			}
			rows := r.rows()
			if header := strings.HasPrefix(rows[0], " kitchen   "); header != test.header {
				t.Errorf("%d rows: header %v\n%s", test.rows, header, r.frame())
			}
			if keys := strings.Contains(rows[test.rows-1], "F1 help"); keys != test.keys {
				t.Errorf("%d rows: keys %v\n%s", test.rows, keys, r.frame())
			}
			at := r.cursorRow()
			if rule := rows[at-1]; strings.HasPrefix(rule, "── kitchen · plain · 3 ● ──") == test.header || !strings.HasSuffix(rule, "──") {
				t.Errorf("%d rows: the rule is %q", test.rows, rule)
			}
			if f := newFrame(r.m.conversation); f.height != test.talk {
				t.Errorf("%d rows: the talk has %d, want %d", test.rows, f.height, test.talk)
			}
			if r.keys("ctrl+c"); !strings.Contains(strings.Join(r.rows()[at-1:], "\n"), "Ctrl-C again leaves") {
				t.Errorf("%d rows: no warning in\n%s", test.rows, r.frame())
			}
		})
	}
	inRoom(t, 40, 1, func(t *testing.T, r *rig) {
		r.typed("half")
		r.want("bob › half")
	})
}

// The header has as much as there is room for. Nothing in it is torn apart.
func TestHeader(t *testing.T) {
	for columns, want := range map[int]string{
		40:  " kitchen                     3  plain ●",
		56:  " kitchen   Lunch at 12:30, deploy fre…  3 here  plain ●",
		80:  " kitchen   Lunch at 12:30, deploy freeze on Friday              3 here  plain ●",
		100: " kitchen   Lunch at 12:30, deploy freeze on Friday            3 here  ·  192.168.1.5:24280  plain ●",
	} {
		inRoom(t, columns, 24, func(t *testing.T, r *rig) {
			r.happen(client.Received{Event: wire.Event{Type: wire.TypeTopic, ID: 5, Time: noon, From: "alice", Text: "Lunch at 12:30, deploy freeze on Friday"}})
			if got := r.rows()[0]; got != want {
				t.Errorf("%d columns:\n%q, want\n%q", columns, got, want)
			}
		})
	}
	inRoom(t, 60, 24, func(t *testing.T, r *rig) {
		r.m.conversation.title = strings.Repeat("a room with a long name ", 10)
		if got := r.rows()[0]; !strings.HasSuffix(got, "…  3 here  plain ●") {
			t.Errorf("a long title: %q", got)
		}
	})
}

// The rule says what matters most, and only whole things if there is not room for all.
func TestRule(t *testing.T) {
	lose := func(r *rig) {
		r.happen(client.Disconnected{Err: errors.New("gone"), RetryIn: 3 * time.Second})
	}
	below := func(r *rig) {
		for range 40 {
			r.say("alice", "x")
		}
		r.keys("pgup")
		r.say("alice", "y")
		r.say("alice", "bob: look")
	}
	for name, test := range map[string]struct {
		columns int
		act     func(r *rig)
		want    string
	}{
		"nothing":       {80, func(*rig) {}, strings.Repeat("─", 80)},
		"below":         {80, below, "──── ↓ 2 new · 1 mentions you ──"},
		"below, narrow": {20, below, "──────── ↓ 2 new ──"},
		"below, tiny":   {11, below, strings.Repeat("─", 11)},
		"lost":          {80, lose, "── Not connected · trying again in 3 s ──"},
		"a restart": {80, func(r *rig) {
			r.happen(client.Disconnected{Err: &client.RefusedError{Code: wire.CodeShutdown, Restart: time.Second}, RetryIn: 300 * time.Millisecond})
		}, "── The host restarts · trying again… ──"},
		"moving": {80, func(r *rig) {
			r.happen(client.Disconnected{Err: errors.New("gone"), RetryIn: 300 * time.Millisecond, Elsewhere: true})
		}, "── Moving to another relay… ──"},
		"not moved": {80, func(r *rig) {
			r.happen(client.Disconnected{Err: errors.New("gone"), RetryIn: 3 * time.Second, Elsewhere: true, Attempt: 1})
		}, "── Not connected · trying again in 3 s ──"},
		"lost and waiting":    {80, func(r *rig) { lose(r); r.typed("x"); r.keys("enter") }, "── Not connected · 1 message waits · trying again in 3 s ──"},
		"lost, narrow":        {40, func(r *rig) { lose(r); r.typed("x"); r.keys("enter") }, "── Not connected · 1 message waits ──"},
		"lost and below":      {40, func(r *rig) { below(r); lose(r) }, "── Not connected ──────────── ↓ 2 new ──"},
		"searching and below": {40, func(r *rig) { below(r); r.typed("/search x"); r.keys("enter") }, "── Search  1 of 40 ────────── ↓ 2 new ──"},
		"lost, no room":       {16, lose, "── Not connec… ─"},
		"lost, searching":     {80, func(r *rig) { lose(r); r.typed("/search x"); r.keys("enter"); r.searchOn() }, "── Not connected · trying again in 3 s · No messages match \"x\". ──"},
		"unanswered": {80, func(r *rig) {
			r.room.full = true
			r.typed("x")
			r.keys("enter")
			r.happen(client.Disconnected{Err: errors.New("gone")}, client.Connected{Resumed: true, Unanswered: true, Welcome: wire.Event{Title: "kitchen", Nick: "bob"}})
		}, "── 1 message waits · no answer yet ──"},
		"a paste": {80, func(r *rig) { r.update(tea.PasteMsg{Content: strings.Repeat("line\n", 150)}) }, "── Enter: send 2 messages · Esc: drop · a paste of 150 lines, 1 KiB ──"},
		"a paste, lost": {40, func(r *rig) { lose(r); r.update(tea.PasteMsg{Content: strings.Repeat("line\n", 150)}) },
			"── Enter: send 2 messages · Esc: drop ──"},
		"choices":        {80, func(r *rig) { r.typed("/msg "); r.keys("tab") }, "── alice · carol ──"},
		"usage":          {80, func(r *rig) { r.typed("/msg a") }, "── /msg NICK TEXT · Send a private message. ──"},
		"usage, narrow":  {36, func(r *rig) { r.typed("/msg a") }, "── /msg NICK TEXT · Send a privat… ─"},
		"earlier inputs": {80, func(r *rig) { r.typed("soup"); r.keys("enter", "ctrl+r"); r.typed("so") }, "── Input with “so” · Ctrl-R: older · Esc: keep this · Ctrl-G: back ──"},
	} {
		t.Run(name, func(t *testing.T) {
			inRoom(t, test.columns, 24, func(t *testing.T, r *rig) {
				test.act(r)
				if rule := r.rows()[r.cursorRow()-1]; !strings.Contains(rule, test.want) {
					t.Errorf("%s, want %s", rule, test.want)
				}
			})
		})
	}
}

// The keys row says what keys do now.
func TestHints(t *testing.T) {
	for name, test := range map[string]struct {
		columns int
		act     func(r *rig)
		want    string
	}{
		"idle":         {80, func(*rig) {}, " / commands   Tab names   ↑ earlier   PgUp scroll   F1 help"},
		"idle, narrow": {40, func(*rig) {}, " / commands   Tab names   F1 help"},
		"tiny":         {10, func(*rig) {}, " F1 help"},
		"writing":      {80, func(r *rig) { r.typed("x") }, " Enter send   Alt-Enter new line   Tab complete   F1 help"},
		"lost":         {80, func(r *rig) { r.happen(client.Disconnected{Err: errors.New("gone")}) }, " Enter send later   F1 help"},
		"full": {80, func(r *rig) {
			r.room.full = true
			r.happen(client.Disconnected{Err: errors.New("gone")})
			r.typed("x")
			r.keys("enter")
		}, " Enter send later   Esc take back   F1 help"},
		"scrolled": {80, func(r *rig) {
			for range 40 {
				r.say("alice", "x")
			}
			r.keys("pgup")
		}, " PgDn down   End newest   F1 help"},
		"choices": {80, func(r *rig) { r.typed("/msg "); r.keys("tab") }, " Tab next   Shift-Tab previous"},
		"search":  {80, func(r *rig) { r.typed("/search"); r.keys("enter") }, " ↑ older   ↓ newer   Enter stay here   Esc back to where I was"},
		"a flash": {80, func(r *rig) { r.typed("x"); r.keys("ctrl+c") }, " ↑ brings it back."},
	} {
		t.Run(name, func(t *testing.T) {
			inRoom(t, test.columns, 20, func(t *testing.T, r *rig) {
				test.act(r)
				if got := r.rows()[19]; got != test.want {
					t.Errorf("%q, want %q", got, test.want)
				}
			})
		})
	}
}

// Whatever is typed or happens, the cursor stays in the composer's row.
func TestCursorStaysInItsRow(t *testing.T) {
	for _, size := range [][2]int{{40, 8}, {40, 10}, {80, 24}, {200, 50}} {
		inRoom(t, size[0], size[1], func(t *testing.T, r *rig) {
			for n := range 60 {
				r.say("alice", fmt.Sprint("line ", n))
			}
			row := r.cursorRow()
			var steps []string
			for name, act := range map[string]func(){
				"a command":  func() { r.typed("/msg al") },
				"choices":    func() { r.keys("ctrl+u"); r.typed("/m"); r.keys("tab") },
				"no line":    func() { r.keys("ctrl+u") },
				"a flash":    func() { r.typed("x"); r.keys("ctrl+c") },
				"history":    func() { r.keys("ctrl+r"); r.typed("x"); r.keys("esc") },
				"a search":   func() { r.m.conversation.search.open("line 5") },
				"older":      func() { r.keys("up") },
				"no search":  func() { r.keys("esc") },
				"scrolling":  func() { r.keys("pgup") },
				"news":       func() { r.say("carol", "bob: news") },
				"no network": func() { r.happen(client.Disconnected{Err: errors.New("gone"), RetryIn: time.Second}) },
				"a paste":    func() { r.update(tea.PasteMsg{Content: strings.Repeat("line\n", 150)}); r.keys("esc") },
				"a transfer": func() { r.m.conversation.composer.editor.set("/send x.png"); r.keys("enter") },
				"help":       func() { r.keys("f1") },
			} {
				steps = append(steps, name)
				if act(); r.cursorRow() != row {
					t.Fatalf("after %q the cursor is in row %d of %d, not in %d\n%s", steps, r.cursorRow(), size[1], row, r.frame())
				}
			}
		})
	}
}

// On a terminal of any size each row fits, and what is typed is on the screen. frame checks the rows.
func TestFrameFitsEverywhere(t *testing.T) {
	states := map[string]func(r *rig){
		"quiet": func(r *rig) {},
		"busy": func(r *rig) {
			r.m.conversation.topic = "soup 日本語 " + strings.Repeat("x", 100)
			r.keys("pgup")
			r.say("alice", "bob: 日本語")
			for _, name := range []string{"a.png", "日本語の長い名前のファイル.tar.gz", "c"} {
				r.m.conversation.transfers.running = append(r.m.conversation.transfers.running, &transfer{name: name, measured: client.Progress{
					Done: 3, Total: 7, Waiting: errors.New("no connection to the host: refused"),
				}})
			}
			r.keys("f2")
		},
		"lost":      func(r *rig) { r.happen(client.Disconnected{Err: errors.New("gone"), RetryIn: time.Second}) },
		"searching": func(r *rig) { r.m.conversation.search.open("line") },
	}
	for name, act := range states {
		inRoom(t, 80, 24, func(t *testing.T, r *rig) {
			for n := range 40 {
				r.say("alice", fmt.Sprint("line ", n))
			}
			act(r)
			if r.m.conversation.search.field == nil {
				r.typed("typed")
			}
			for _, columns := range []int{10, 20, 29, 30, 39, 40, 55, 56, 60, 80, 99, 100, 139, 140, 300} {
				for rows := 1; rows <= 26; rows++ {
					r.resize(columns, rows)
					lines := r.rows()
					typed := r.m.conversation.composer.typing().text
					if at := r.cursorRow(); at >= rows || columns >= 20 && !strings.Contains(lines[at], typed) {
						t.Fatalf("%s, %dx%d: the cursor is in row %d\n%s", name, columns, rows, at, strings.Join(lines, "\n"))
					}
				}
			}
		})
	}
}

// The rows of transfers say how far they are and how long they will take, and are looked at four times a second.
func TestTransferRows(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		ts := &r.m.conversation.transfers
		up := &transfer{name: "soup.png", upload: true}
		up.measured.Total = -1
		ts.running = []*transfer{up}
		step := func(done int64, waiting error) {
			time.Sleep(time.Second)
			up.progress.Store(client.Progress{Done: done, Total: 5_000_000, Waiting: waiting})
			r.update(measureTransfers{})
		}
		r.want(" ↑ soup.png  ────────────────────────    0 %\n")
		step(1_000_000, nil) // it had these
		r.want(" ↑ soup.png  ━━━━────────────────────   20 %  1.0 of 5.0 MB\n")
		step(2_000_000, nil)
		r.want(" ↑ soup.png  ━━━━━━━━━───────────────   40 %  2.0 of 5.0 MB · 3 s\n")
		step(2_000_000, errors.New("no connection to the host"))
		r.want(" 40 %  paused · no connection to the host\n")
		step(2_500_000, nil)
		r.want(" 50 %  2.5 of 5.0 MB\n")
		r.happen(client.Disconnected{Err: errors.New("gone")})
		r.want(" 50 %  paused\n")
		r.resize(40, 12)
		r.want(" ↑ soup.png  ━━━━━━──────   50 %  paused\n")
		down := &transfer{name: "core.dump", measured: client.Progress{Done: 5, Total: 10}}
		ts.running = append(ts.running, down, &transfer{name: "c"}, &transfer{name: "d"})
		r.resize(80, 24)
		r.want(" ↑ soup.png   ━━━━━━━━━━━━────────────   50 %", "\n ↓ core.dump  ━━━━━━━━━━━━────────────   50 %", "\n   2 more\n──")
		r.resize(80, 8)
		r.want(" ↑ soup.png  ━━━━━━━━━━━━────────────   50 %  paused · 3 more\n──")
	})
}

// While transfers run, and only then, they are looked at four times a second.
func TestTransfersAreMeasured(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.update(tick{}) // the greeting no longer waits
		began := time.Now()
		r.typed("/send soup.png")
		cmds, ok := r.keys("enter")().(tea.BatchMsg)
		if !ok || len(cmds) != 2 {
			t.Fatalf("%d commands", len(cmds))
		}
		measure := cmds[1]
		for n := range 4 {
			if _, ok := measure().(measureTransfers); !ok {
				t.Fatalf("look %d is something else", n)
			}
			if measure = r.update(measureTransfers{}); measure == nil {
				t.Fatal("it is the last")
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("four looks in %v", took)
		}
		r.update(transferDone{transfer: r.m.conversation.transfers.running[0]})
		if cmd := r.update(measureTransfers{}); cmd != nil {
			t.Error("it is looked at after its end")
		}
	})
}

// The start of a hint is a key, and it says in a few words what the key does.
func TestHintsAreShort(t *testing.T) {
	for _, h := range slices.Concat(hints, searchHints) {
		if n := len(strings.Fields(h.words)); n < 1 || n > 5 || strings.HasSuffix(h.words, ".") || strings.ContainsAny(h.key, " ") {
			t.Errorf("%+v", h)
		}
	}
}

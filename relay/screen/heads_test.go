package screen

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/x/ansi"

	"chat/relay/client"
	"chat/relay/wire"
)

// said returns an entry of a kind, a number of seconds after soupTime.
func said(k kind, from string, seconds int, text string) entry {
	return entry{at: soupTime.UnixMilli() + int64(seconds)*1000, kind: k, from: from, own: from == "bob", text: text}
}

// list returns a window with entries.
func list(columns, height int, entries ...entry) *window {
	w := newWindow(columns, height)
	for _, e := range entries {
		w.addEntry(e, false)
	}
	w.painter.widest = w.transcript.widest
	return w
}

// rows returns the rows as text.
func (w *window) rows() string {
	return strings.Trim(bareRows(w.view.draw(w.painter, &w.transcript, w.height)), "\n")
}

func (w *window) wantRows(t *testing.T, when, want string) {
	t.Helper()
	if got := w.rows(); got != strings.Trim(want, "\n") {
		t.Errorf("%s: got\n%s\nwant\n%s", when, got, want)
	}
}

// Several messages of one member have one nick, and one minute has one time.
func TestGrouping(t *testing.T) {
	w := list(70, 30,
		said(kindMessage, "alice", 0, "one"),
		said(kindMessage, "alice", 10, "two\nlines"),
		said(kindMessage, "alice", 60, "a minute later"),
		said(kindMessage, "carol", 61, "another member"),
		said(kindAction, "carol", 62, "waves"),
		said(kindMessage, "carol", 63, "after an action"),
		said(kindNotice, "", 64, "a notice"),
		said(kindMessage, "carol", 65, "after a notice"),
		said(kindMessage, "carol", 65+299, "not yet five minutes later"),
		said(kindMessage, "carol", 65+299+300, "five minutes later"),
		said(kindMessage, "bob", 700, "ours"),
		said(kindMessage, "bob", 701, "too"),
	)
	private := said(kindPrivate, "carol", 702, "private")
	w.addEntry(private, false)
	w.addEntry(private, false)
	w.wantRows(t, "grouped", `
─────────────── Wednesday, 25 November ───────────────────────────────
 10:02  alice   one
                two
                lines
 10:03          a minute later
        carol   another member
            *   carol waves
        carol   after an action
            ·   a notice
        carol   after a notice
 10:08          not yet five minutes later
 10:13  carol   five minutes later
          bob   ours
                too
▌       carol → you  private
▌       carol → you  private`)
	w.view.firstUnread = 2
	const unread = "\n                lines\n─────────────── new ──────────────────────────────────────────────────\n 10:03  alice   a minute later\n"
	if got := w.rows(); !strings.Contains(got, unread) {
		t.Errorf("no %q in\n%s", unread, got)
	}
}

// The first row of the window says who wrote it, and when.
func TestStickyAuthor(t *testing.T) {
	w := list(70, 3, said(kindMessage, "alice", 0, strings.Repeat("more\n", 60)+"end"), said(kindMessage, "alice", 5, "and more"), said(kindMessage, "alice", 6, "and more"))
	w.wantRows(t, "in a message", " 10:02  alice   end\n                and more\n                and more")
	w.scroll(-20)
	w.wantRows(t, "within a text", " 10:02  alice   more\n                more\n                more")
	dim := testTheme.Dim.Draw("alice")
	for _, rows := range []int{0, 19} {
		w.scroll(rows)
		if row := w.view.draw(w.painter, &w.transcript, w.height)[0]; !strings.Contains(row, dim) {
			t.Errorf("the nick in %q is not dim", row)
		}
	}
	w.view.toTop()
	if row := w.view.draw(w.painter, &w.transcript, w.height)[1]; strings.Contains(row, dim) || !strings.Contains(row, "alice") {
		t.Errorf("the first row of a message is %q", row)
	}
	w = list(70, 1, said(kindAction, "alice", 0, "waves\nand more"))
	w.wantRows(t, "an action", "                and more")
}

// The column of nicks is as wide as the widest nick of a message, within limits, and the
// window stays where it is when it grows.
func TestNickColumn(t *testing.T) {
	for _, test := range []struct {
		nick    string
		columns int
		text    int // where texts start
	}{
		{"al", 60, 16}, {"alice", 60, 16}, {"carolin", 60, 17}, {"maximiliana", 60, 20}, {"maximiliana", 80, 21}, {strings.Repeat("x", 24), 80, 24},
		{strings.Repeat("x", 24), 79, 20}, {"al", 40, 10}, {strings.Repeat("x", 24), 40, 14}, {"al", 20, 3}, {"田中さん", 60, 18},
	} {
		w := list(test.columns, 5, said(kindMessage, test.nick, 0, "soup"))
		row := w.rows()[strings.LastIndexByte(w.rows(), '\n')+1:]
		before, _, _ := strings.Cut(row, "soup")
		if got := w.painter.ruler.width(before); got != test.text {
			t.Errorf("with %q at %d columns the text starts at column %d, want %d: %q", test.nick, test.columns, got, test.text, row)
		}
	}
	w := newWindow(80, 10)
	for i := range 60 {
		e := numbered(i, 1)
		e.text += strings.Repeat(" word", 20)
		w.addEntry(e, false)
	}
	w.toEntry(20)
	w.scroll(2)
	before := w.draw()
	w.addEntry(said(kindPrivate, "maximiliana", 9000, "hi"), false)
	w.painter.widest = w.transcript.widest
	first, _, _ := strings.Cut(before, " ")
	if got, _, _ := strings.Cut(w.draw(), " "); w.painter.widest != 11 || got != first {
		t.Errorf("with nicks of %d columns the first row is of %s, want %s", w.painter.widest, got, first)
	}
	w.view.entriesDropped(1)
	w.addEntry(said(kindMessage, "al", 9001, "hi"), false)
	if w.transcript.widest != 11 {
		t.Error("the column of nicks shrinks")
	}
}

// Without a column for it, the time is above an entry that comes ten minutes after the last.
func TestTimesAbove(t *testing.T) {
	entries := []entry{said(kindMessage, "al", 0, "one"), said(kindMessage, "al", 599, "two"), said(kindMessage, "al", 599+600, "three"), said(kindMessage, "alice", 1200, "four")}
	list(40, 8, entries...).wantRows(t, "40 columns", `
───────── Wednesday, 25 November  10:02
     al   one
     al   two
          10:21
     al   three
  alice   four`)
	list(20, 10, entries...).wantRows(t, "20 columns", `
Wednesday, 25 Novemb
 al
   one
 al
   two
   10:21
 al
   three
 alice
   four`)
	last := said(kindMessage, "al", 0, "last year")
	last.at = soupTime.AddDate(-1, 0, 0).UnixMilli()
	list(60, 4, last, entries[0]).wantRows(t, "two years", `
─────────────── Tuesday, 25 November 2025 ──────────────────
 10:02     al   last year
─────────────── Wednesday, 25 November ─────────────────────
 10:02     al   one`)
}

// What the host has not acknowledged continues the list.
func TestPendingContinuesTheList(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.say("bob", "in")
		r.room.full = true // so that all of it waits
		for _, text := range []string{"give me five minutes", "and save me a seat", "/msg alice hi", "/me runs"} {
			r.typed(text)
			r.keys("enter")
		}
		r.want("\n          bob   in\n              … give me five minutes\n              … and save me a seat\n▌         bob … alice  hi\n            * … bob runs\n")
		r.say("alice", "fine")
		r.want("\n        alice   fine\n          bob … give me five minutes\n")
		for n := range 40 {
			r.typed(fmt.Sprint("line ", n))
			r.keys("enter")
		}
		if frame := r.frame(); !strings.Contains(frame, "bob … line 21\n              … line 22\n") && !strings.Contains(frame, "bob … line 2") {
			t.Errorf("the first of many has no nick\n%s", frame)
		}
	})
}

// What stays on the terminal says of each message who wrote it, and when.
func TestFarewellHasAllNicks(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.say("alice", "one")
		r.say("alice", "bob: two")
		r.happen(client.Received{Event: wire.Event{Type: wire.TypePrivate, Time: noon, From: "alice", To: "bob", Text: "three"}})
		r.keys("f3")
		farewell := r.m.conversation.farewell()
		for _, want := range []string{"\n 12:00  alice   one\n", "\n 12:00  alice   bob: two\n", "\n 12:00  alice → you  three\n"} {
			if !strings.Contains(farewell, want) {
				t.Errorf("no %q in\n%s", want, farewell)
			}
		}
	})
}

// However many entries there are, drawing wraps those in the window only.
func TestOnlyVisibleEntriesAreWrapped(t *testing.T) {
	w := newWindow(80, 30)
	w.fill(20_000)
	w.draw()
	w.scroll(-1000)
	w.draw()
	w.view.drawn = make(map[uint32]drawnEntry)
	for range 3 {
		w.add(1, false)
		w.draw()
	}
	if n := len(w.view.drawn); n > 2*w.height {
		t.Errorf("%d entries were wrapped for a window of %d rows", n, w.height)
	}
}

// No row is wider than the window, whatever its width.
func TestRowsFit(t *testing.T) {
	long := said(kindMessage, strings.Repeat("田", 12), 0, strings.Repeat("word 漢字 ", 30))
	named := said(kindMessage, "alice", 7000, "bob: "+strings.Repeat("x", 300))
	named.highlight = true
	private := said(kindPrivate, strings.Repeat("y", 24), 7001, "secret words")
	next := said(kindMessage, "alice", 90_000, "the next day")
	for columns := 4; columns < 200; columns++ {
		w := list(columns, 60, long, named, private, said(kindError, "", 7002, "no"), said(kindAction, "alice", 7003, "waves"), next)
		w.view.firstUnread = 3
		for _, copying := range []bool{false, true} {
			w.painter.copying = copying
			for _, row := range w.view.draw(w.painter, &w.transcript, w.height) {
				if n := ansi.StringWidth(row); n > columns {
					t.Fatalf("the row %q has %d columns, the window %d", row, n, columns)
				}
			}
		}
	}
}

// A minute is one of the clock, also where the clock is half an hour off.
func TestMinutes(t *testing.T) {
	w := list(60, 4, said(kindMessage, "al", 59, "one"), said(kindMessage, "al", 60, "two"))
	w.painter.zone = time.FixedZone("", 5*3600+1800)
	if got := w.rows(); !strings.Contains(got, "15:32     al   one\n 15:33          two") {
		t.Errorf("got\n%s", got)
	}
}

// The frames of a search, of copy mode, and of a very narrow window.
func TestGoldenRows(t *testing.T) {
	search := func(r *rig) {
		r.keys("ctrl+c")
		r.typed("/search the")
		r.keys("enter", "up")
	}
	for _, test := range []struct {
		name, terminal string
		columns        int
		act            func(r *rig)
	}{
		{"search-dark-80x24", "dark", 80, search},
		{"search-light-80x24", "light", 80, search},
		{"search-16-80x24", "16", 80, search},
		{"search-mono-80x24", "mono", 80, search},
		{"copy-dark-80x24", "dark", 80, func(r *rig) { r.keys("f3") }},
		{"copy-mono-80x24", "mono", 80, func(r *rig) { r.keys("f3") }},
		{"look-dark-26x24", "dark", 26, func(*rig) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(noon))
				r := newScreen(t, test.columns, 24)
				r.on(test.terminal)
				r.lunch()
				test.act(r)
				r.goldenLook(test.name)
			})
		})
	}
}

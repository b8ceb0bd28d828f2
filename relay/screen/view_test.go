package screen

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// A window is a view with its transcript and size.
type window struct {
	transcript transcript
	view       view
	painter    *painter
	height     int
	next       int // number of the next entry
}

func newWindow(columns, height int) *window {
	return &window{view: newView(), painter: testPainter(ansi.WcWidth, columns), height: height}
}

// numbered returns entry n, of the given number of lines, n minutes after soupTime.
func numbered(n, lines int) entry {
	e := entryFrom("al", fmt.Sprint("n", n)+strings.Repeat("\nmore", lines-1))
	e.at += int64(n) * time.Minute.Milliseconds()
	return e
}

func (w *window) add(lines int, unread bool) {
	w.addEntry(numbered(w.next, lines), unread)
	w.next++
}

func (w *window) addEntry(e entry, unread bool) {
	dropped, added := w.transcript.add(e)
	w.view.entriesDropped(dropped)
	if added {
		w.view.entryAdded(&w.transcript, unread)
	}
}

func (w *window) fill(n int) {
	for range n {
		w.add(1, false)
	}
}

func (w *window) scroll(rows int) { w.view.scroll(w.painter, &w.transcript, w.height, rows) }

func (w *window) toEntry(i int) { w.view.toEntry(w.painter, &w.transcript, w.height, i) }

// draw returns the rows without time and nick, and the labels of lines: "n1|more|n2".
func (w *window) draw() string {
	rows := w.view.draw(w.painter, &w.transcript, w.height)
	for i, row := range rows {
		row = strings.Trim(bare(row), " ─")
		if _, text, ok := strings.Cut(row, "al   "); ok {
			row = text
		}
		rows[i] = clockAfter.ReplaceAllString(row, "")
	}
	return strings.Join(rows, "|")
}

// clockAfter matches the time at the end of a day's label.
var clockAfter = regexp.MustCompile(`  \d\d:\d\d$`)

func (w *window) want(t *testing.T, when, want string) {
	t.Helper()
	if got := w.draw(); got != want {
		t.Errorf("%s:\n got %s\nwant %s", when, got, want)
	}
}

const day = "Wednesday, 25 November"

func TestViewFollows(t *testing.T) {
	w := newWindow(40, 4)
	w.want(t, "empty", "|||")
	w.fill(1)
	w.want(t, "fewer rows than fit", "||"+day+"|n0")
	w.fill(4)
	w.want(t, "more", "n1|n2|n3|n4")
	w.add(3, false)
	w.want(t, "several lines", "n4|n5|more|more")
	w.height = 2
	w.want(t, "part of an entry", "more|more")
	w.height = 0
	if rows := w.view.draw(w.painter, &w.transcript, 0); len(rows) != 0 {
		t.Errorf("a window of no height has %d rows", len(rows))
	}
}

func TestViewStays(t *testing.T) {
	w := newWindow(40, 3)
	w.fill(10)
	w.scroll(-2)
	w.want(t, "scrolled up", "n5|n6|n7")
	w.add(1, false)
	w.add(2, false)
	w.want(t, "with more below", "n5|n6|n7")
	if got := w.view.newBelow; got != 2 {
		t.Errorf("%d are new below, want 2", got)
	}
	w.view.entriesPrepended(w.transcript.prepend([]entry{numbered(-2, 1), numbered(-1, 3)}))
	w.want(t, "with more above", "n5|n6|n7")
	w.scroll(3)
	w.want(t, "scrolled down", "n8|n9|n10")
	if w.view.newBelow != 2 {
		t.Error("it followed before it was at the end")
	}
	w.scroll(2)
	w.want(t, "at the end", "n10|n11|more")
	if w.view.newBelow != 0 {
		t.Error("messages below the end")
	}
	w.fill(1)
	w.want(t, "follows again", "n11|more|n12")
}

func TestViewAtTop(t *testing.T) {
	w := newWindow(40, 3)
	w.fill(10)
	w.draw()
	w.scroll(-4)
	if w.view.atTop() {
		t.Error("atTop in the middle")
	}
	w.scroll(-100)
	w.want(t, "at the top", day+"|n0|n1")
	if !w.view.atTop() {
		t.Error("not atTop at the top")
	}
	w.view.entriesPrepended(w.transcript.prepend([]entry{numbered(-2, 1), numbered(-1, 1)}))
	w.want(t, "with older ones, which the day starts with", "n-1|n0|n1")
	if w.view.atTop() {
		t.Error("atTop below older messages")
	}
	w.view.toTop()
	w.want(t, "to the top", day+"|n-2|n-1")
	if !w.view.atTop() {
		t.Error("not atTop at the new top")
	}
	w.view.entriesPrepended(w.transcript.prepend([]entry{numbered(-4, 1), numbered(-3, 1)}))
	w.want(t, "with older ones again", "n-3|n-2|n-1")
	w.view.toEnd()
	w.want(t, "to the end", "n7|n8|n9")
}

func TestViewDays(t *testing.T) {
	w := newWindow(40, 7)
	w.fill(1)
	for _, hours := range []int{13, 14, 62} {
		e := numbered(hours, 1)
		e.at = soupTime.Add(time.Duration(hours) * time.Hour).UnixMilli()
		w.addEntry(e, false)
	}
	w.want(t, "three days", "n0|23:02|n13|Thursday, 26 November|n14|Saturday, 28 November|n62")
}

func TestViewMergesPresence(t *testing.T) {
	w := newWindow(40, 3)
	w.fill(3)
	for _, nick := range []string{"carol", "dave"} {
		e := entry{at: soupTime.UnixMilli(), kind: kindPresence, presence: []presenceChange{{nick, false, true}}}
		e.text = presenceText(e.presence)
		w.addEntry(e, false)
		w.draw()
	}
	w.want(t, "two joined", "n1|n2|·   carol, dave joined")
}

func TestViewUnread(t *testing.T) {
	w := newWindow(40, 4)
	w.fill(3)
	w.add(1, true)
	w.add(1, true)
	w.want(t, "a line before the first", "n2|new|n3|n4")
	w.view.entriesPrepended(w.transcript.prepend([]entry{numbered(-1, 1)}))
	w.want(t, "with older ones", "n2|new|n3|n4")
	w.scroll(-1)
	w.want(t, "scrolled", "n1|n2|new|n3")
	w.view.clearUnread()
	w.want(t, "read", "n1|n2|n3|n4")
	w.view.toEnd()
	w.fill(1)
	w.want(t, "forgotten", "n2|n3|n4|n5")
	w.add(1, true)
	w.want(t, "new again", "n4|n5|new|n6")
}

func TestViewToEntry(t *testing.T) {
	w := newWindow(40, 5)
	w.fill(20)
	w.toEntry(10)
	w.want(t, "in the middle", "n8|n9|n10|n11|n12")
	w.fill(3)
	w.want(t, "with more below", "n8|n9|n10|n11|n12")
	w.toEntry(22)
	w.want(t, "the last one", "n18|n19|n20|n21|n22")
	w.fill(3)
	w.want(t, "the last one, with more below", "n18|n19|n20|n21|n22")
	w.toEntry(0)
	w.want(t, "the first one", day+"|n0|n1|n2|n3")
}

func TestViewIsResized(t *testing.T) {
	w := newWindow(80, 6)
	for i := range 40 {
		e := numbered(i, 1)
		e.text += strings.Repeat(" word", 30)
		w.addEntry(e, false)
	}
	w.toEntry(20)
	w.scroll(3) // n20 is the first
	top := func() string { row, _, _ := strings.Cut(w.draw(), " "); return row }
	if got := top(); got != "n20" {
		t.Fatalf("the first row is of %s, want n20", got)
	}
	for _, columns := range []int{20, 200, 41, 12, 80} {
		w.painter = testPainter(ansi.WcWidth, columns)
		for _, height := range []int{3, 12, 6} {
			w.height = height
			if got := top(); got != "n20" && got != "10:22" { // if it is narrow, the time is above the text
				t.Errorf("at %d×%d the first row is of %s, want n20", columns, height, got)
			}
		}
	}
}

// TestViewInsideLongEntry resizes a window that one entry fills.
func TestViewInsideLongEntry(t *testing.T) {
	w := newWindow(80, 10)
	var words []string
	for i := range 3000 {
		words = append(words, fmt.Sprintf("w%04d", i))
	}
	w.fill(3)
	w.addEntry(entryFrom("al", strings.Join(words, " ")), false)
	w.fill(3)
	w.toEntry(3)
	w.scroll(100)
	var first int
	fmt.Sscanf(w.draw(), "w%d", &first)
	for _, columns := range []int{40, 160, 60, 80} {
		w.painter = testPainter(ansi.WcWidth, columns)
		var got int
		if fmt.Sscanf(w.draw(), "w%d", &got); got < first-60 || got > first+60 {
			t.Errorf("at %d columns it begins with word %d, want about %d", columns, got, first)
		}
	}
}

// TestViewRandomly calls the methods of a view in random order.
func TestViewRandomly(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 0))
		w := newWindow(5+random.IntN(60), random.IntN(12))
		oldest := 0
		for range 300 {
			before := w.draw()
			wasAt, wasFollowing := w.view.firstOrNone(w), w.view.following
			same := false
			switch random.IntN(14) {
			case 0, 1, 2:
				w.add(1+random.IntN(4), random.IntN(3) == 0 && w.view.firstUnread >= 0)
				same = true
			case 3:
				e := numbered(w.next, 1)
				e.kind, e.presence = kindPresence, []presenceChange{{fmt.Sprint("p", random.IntN(5)), false, true}}
				e.text = presenceText(e.presence)
				w.addEntry(e, false)
			case 4:
				var older []entry
				for range random.IntN(4) {
					oldest--
					older = append([]entry{numbered(oldest*random.IntN(3)*500, 1+random.IntN(3))}, older...)
				}
				w.view.entriesPrepended(w.transcript.prepend(older))
			case 5: // as a full transcript does
				if n := random.IntN(5); n < len(w.transcript.entries) {
					w.transcript.entries = slices.Clone(w.transcript.entries[n:])
					w.view.entriesDropped(n)
				}
			case 6:
				widest, copying := w.painter.widest, random.IntN(3) == 0
				w.painter = testPainter(methods[random.IntN(2)], random.IntN(90))
				w.painter.widest, w.painter.copying = widest, copying
			case 10: // somebody with a wider nick writes
				e := numbered(w.next, 1)
				e.from = strings.Repeat("x", 1+random.IntN(20))
				w.addEntry(e, false)
				w.painter.widest = w.transcript.widest
			case 7:
				w.height = random.IntN(12)
			case 8:
				if n := len(w.transcript.entries); n > 0 {
					w.toEntry(random.IntN(n))
				}
			case 9:
				[]func(){w.view.toEnd, w.view.toTop, w.view.clearUnread}[random.IntN(3)]()
			default:
				w.scroll(random.IntN(21) - 10)
			}
			after := w.draw()
			rows := w.view.draw(w.painter, &w.transcript, w.height)
			if len(rows) != w.height {
				t.Fatalf("seed %d: %d rows, want %d", seed, len(rows), w.height)
			}
			for _, row := range rows {
				if n := w.painter.ruler.width(bare(row)); n > max(w.painter.columns, 4) {
					t.Fatalf("seed %d: the row %q has %d columns, the window %d", seed, row, n, w.painter.columns)
				}
			}
			if same && !wasFollowing && w.height > 0 && (after != before || w.view.firstOrNone(w) != wasAt) {
				t.Fatalf("seed %d: entries added below changed the rows:\n%s\n%s", seed, before, after)
			}
			if w.view.following && w.view.newBelow > 0 {
				t.Fatalf("seed %d: %d messages below the end", seed, w.view.newBelow)
			}
		}
	}
}

// firstOrNone returns the first position, or none in an empty transcript.
func (v *view) firstOrNone(w *window) position {
	if len(w.transcript.entries) == 0 {
		return position{}
	}
	return v.first(&w.transcript)
}

func fullWindow(b *testing.B) *window {
	w := newWindow(200, 50)
	w.painter.zone = time.Local
	for i := range maxEntries {
		e := entryFrom([]string{"alice", "carol", "dave"}[i%3], fmt.Sprintf("The soup is ready, and whoever is late gets none of it: %8d", i))
		e.at += int64(i) * 1000
		w.addEntry(e, false)
	}
	b.ReportAllocs()
	b.ResetTimer()
	return w
}

func BenchmarkDraw(b *testing.B) {
	draw := func(w *window) { w.view.draw(w.painter, &w.transcript, w.height) }
	b.Run("again", func(b *testing.B) {
		w := fullWindow(b)
		for range b.N {
			draw(w)
		}
	})
	b.Run("resized", func(b *testing.B) {
		w := fullWindow(b)
		for i := range b.N {
			w.painter.columns = 199 + i%2
			draw(w)
		}
	})
	b.Run("added", func(b *testing.B) {
		w := fullWindow(b)
		for range b.N {
			w.add(1, false)
			draw(w)
		}
	})
	b.Run("scrolled", func(b *testing.B) {
		w := fullWindow(b)
		for range b.N {
			w.scroll(-25)
			if draw(w); w.view.atTop() {
				w.view.toEnd()
			}
		}
	})
	b.Run("to entry", func(b *testing.B) {
		w := fullWindow(b)
		for i := range b.N {
			w.toEntry(i * 7919 % maxEntries)
			draw(w)
		}
	})
}

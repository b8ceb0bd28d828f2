package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"chat/relay/wire"
)

func message(text string) *wire.Event {
	return &wire.Event{Type: wire.TypeMessage, From: "alice", Text: text, Time: time.Unix(0, 0)}
}

// readAll reads c to its end and returns the last word of each line.
func readAll(c *Cursor) (words []string, missed uint64) {
	for {
		runs, m, _ := c.Next(nil)
		missed += m
		if len(runs) == 0 {
			return words, missed
		}
		for line := range strings.Lines(string(bytes.Join(runs, nil))) {
			fields := strings.Fields(line)
			words = append(words, fields[len(fields)-1])
		}
	}
}

func TestCursorReadsWhatWasAppended(t *testing.T) {
	l := New(Limits{}, wakeAll)
	c := first(l.Cursor(1, 1, View{Format: Text}))
	if words, _ := readAll(c); len(words) > 0 {
		t.Errorf("an empty log has %q", words)
	}
	var want []string
	for n := range 5000 {
		word := fmt.Sprint("w", n)
		want = append(want, word)
		l.Append(message(word), Origin{Author: 1})
		if n%700 == 0 {
			words, _ := readAll(c)
			if len(words) == 0 || words[len(words)-1] != word {
				t.Fatalf("after %s the cursor ends with %q", word, words)
			}
		}
	}
	words, missed := readAll(first(l.Cursor(0, 1, View{Format: Text})))
	if fmt.Sprint(words) != fmt.Sprint(want) || missed != 0 {
		t.Errorf("a cursor at the start read %d words, missed %d, want %d and 0", len(words), missed, len(want))
	}
}

func TestJSONHasTheIDs(t *testing.T) {
	l := New(Limits{}, wakeAll)
	for range 3 {
		l.Append(message("x"), Origin{Author: 1})
	}
	runs, _, _ := first(l.Cursor(2, 1, View{Format: JSON})).Next(nil)
	for i, line := range bytes.Split(bytes.TrimSpace(bytes.Join(runs, nil)), []byte("\n")) {
		if e, err := wire.ParseEvent(line); err != nil || e.ID != uint64(i+2) {
			t.Errorf("line %d is %s (%v), want id %d", i, line, err, i+2)
		}
	}
}

// Cursors of all kinds read the events of a plain list.
func TestCursorsLeaveOut(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		l := New(Limits{Events: 1 + r.IntN(50)}, wakeAll)
		type said struct {
			word   string
			isSaid bool
			author Author
		}
		var all []said
		add := func() {
			s := said{fmt.Sprint("w", len(all)+1), r.IntN(3) > 0, Author(r.IntN(3))}
			e := message(s.word)
			if !s.isSaid {
				e = &wire.Event{Type: wire.TypeTopic, From: "x", Text: s.word}
			}
			l.Append(e, Origin{Author: s.author})
			all = append(all, s)
		}
		for range r.IntN(100) {
			add()
		}
		from, live := uint64(1+r.IntN(len(all)+1)), uint64(r.IntN(len(all)+20))
		view := View{Format: Text}
		left := map[Author]bool{}
		switch r.IntN(3) {
		case 0:
			left[2] = true
			view.Me = 2
		case 1:
			left[1], left[2] = true, true
			view.Me, view.Ignored = 2, map[Author]bool{1: true}
		}
		c := first(l.Cursor(from, live, view))
		var got []string
		var missed uint64
		for range 1 + r.IntN(5) {
			words, m := readAll(c)
			got, missed = append(got, words...), missed+m
			for range r.IntN(10) {
				add()
			}
		}
		words, m := readAll(c)
		got, missed = append(got, words...), missed+m
		var want []string
		for i, s := range all {
			id := uint64(i + 1)
			if id >= from && (s.isSaid || id >= live) && !left[s.author] {
				want = append(want, s.word)
			}
		}
		if len(got) > len(want) || missed == 0 && len(got) != len(want) || fmt.Sprint(got) != fmt.Sprint(want[len(want)-len(got):]) && missed == 0 {
			t.Fatalf("seed %d: from %d, live %d: got %q, want %q, missed %d", seed, from, live, got, want, missed)
		}
	}
}

func TestBack(t *testing.T) {
	l := New(Limits{}, wakeAll)
	for n := range 3000 {
		e := message("x")
		if n%3 == 0 {
			e = &wire.Event{Type: wire.TypeJoin, Members: []string{"x"}}
		}
		l.Append(e, Origin{Author: 1})
	}
	for n, want := range map[int]uint64{0: 3001, 1: 3000, 2: 2999, 3: 2997, 2000: 2, 5000: 2} {
		if got, _ := l.Back(n); got != want {
			t.Errorf("Back(%d) = %d, want %d", n, got, want)
		}
	}
}

// Before reads back the events of a plain list, for all kinds of pages, while events are dropped.
func TestBefore(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 0))
		l := New(Limits{Events: 1 + r.IntN(200)}, wakeAll)
		var all []appended
		for range r.IntN(400) {
			all = append(all, appendAny(l, r))
		}
		for range 20 {
			id := uint64(r.IntN(len(all) + 20))
			count, maxBytes := r.IntN(60), 50+r.IntN(5000)
			format := Format(r.IntN(2))
			var ignored map[Author]bool
			if r.IntN(2) > 0 {
				ignored = map[Author]bool{1: true}
			}
			lines, _ := l.Before(Page{id, count, maxBytes}, View{Format: format, Ignored: ignored})
			want := before(all, id, count, maxBytes, format, ignored, l.blocks[0].first)
			if got := bytes.Join(lines, nil); string(got) != strings.Join(want, "") || len(lines) != len(want) {
				t.Fatalf("seed %d: %d before %d in %d bytes, format %d: got\n%swant\n%s", seed, count, id, maxBytes, format, got, strings.Join(want, ""))
			}
		}
	}
}

// An appended is an event of a log and its encodings.
type appended struct {
	said   bool
	author Author
	as     [2]string // by format
}

func appendAny(l *Log, r *rand.Rand) appended {
	e := message(strings.Repeat("x\n", r.IntN(3)) + strings.Repeat("y", r.IntN(60)))
	if r.IntN(4) == 0 {
		e = &wire.Event{Type: wire.TypeJoin, Members: []string{"x"}}
	}
	author := Author(r.IntN(3))
	l.Append(e, Origin{Author: author})
	return appended{e.IsPublicMessage(), author, [2]string{string(e.AppendText(nil, l.viewer(e))), string(e.AppendJSON(nil))}}
}

// before is Log.Before on a plain list, of which the events before the id first are dropped.
func before(all []appended, id uint64, count, maxBytes int, format Format, ignored map[Author]bool, first uint64) (lines []string) {
	if id == 0 || id > uint64(len(all))+1 {
		id = uint64(len(all)) + 1
	}
	size := 0
	for id--; id >= first && len(lines) < count; id-- {
		e := all[id-1]
		if !e.said || ignored[e.author] {
			continue
		}
		if size += len(e.as[format]); size > maxBytes && len(lines) > 0 {
			break
		}
		lines = append([]string{e.as[format]}, lines...)
	}
	return lines
}

// Reading back page by page reaches the oldest event, even if some are longer than a page.
func TestBeforeComesToTheEnd(t *testing.T) {
	l := New(Limits{}, wakeAll)
	const events = 3000
	for n := range events {
		l.Append(message(strings.Repeat("x", n%100*20)), Origin{Author: 1})
	}
	next, got := uint64(0), 0
	for {
		lines, _ := l.Before(Page{next, 50, 1000}, View{Format: JSON})
		if len(lines) == 0 {
			break
		}
		e, err := wire.ParseEvent(lines[0])
		if err != nil || next > 0 && e.ID+uint64(len(lines)) != next {
			t.Fatalf("before %d: %d lines that begin with %+v, %v", next, len(lines), e, err)
		}
		next, got = e.ID, got+len(lines)
	}
	if got != events || next != 1 {
		t.Errorf("read %d events back to id %d, want %d to 1", got, next, events)
	}
}

// Before runs while others write and events are dropped, for the race detector.
func TestBeforeConcurrently(t *testing.T) {
	l := New(Limits{Events: 100}, wakeAll)
	var all sync.WaitGroup
	all.Go(func() {
		for range 5000 {
			l.Append(message("x"), Origin{Author: 1})
		}
	})
	for range 2 {
		all.Go(func() {
			for range 2000 {
				lines, _ := l.Before(Page{0, 50, 1 << 20}, View{Format: JSON})
				var last uint64
				for _, line := range lines {
					e, err := wire.ParseEvent(line)
					if err != nil || last > 0 && e.ID != last+1 {
						t.Errorf("%q after %d: %v", line, last, err)
						return
					}
					last = e.ID
				}
			}
		})
	}
	all.Wait()
}

func TestLimits(t *testing.T) {
	for _, test := range []struct {
		name   string
		limits Limits
		least  int
		most   int
	}{
		{"events", Limits{Events: 800}, 800, 900},
		{"no limit", Limits{Events: -1, Bytes: -1}, 10_000, 10_000},
		{"few events", Limits{Events: 1}, 1, 2},
		{"bytes", Limits{Bytes: 512 << 10}, 1, 10_000},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := New(test.limits, wakeAll)
			for range 10_000 {
				l.Append(message(strings.Repeat("x", 100)), Origin{Author: 1})
			}
			words, missed := readAll(first(l.Cursor(1, 1, View{Format: Text})))
			if len(words) < test.least || len(words) > test.most || len(words)+int(missed) != 10_000 {
				t.Errorf("kept %d, missed %d, want %d to %d of 10,000", len(words), missed, test.least, test.most)
			}
			if l.bytes > l.maxBytes {
				t.Errorf("counts %d bytes, at most %d, before they are encoded in JSON", l.bytes, l.maxBytes)
			}
			readAll(first(l.Cursor(1, 1, View{Format: JSON})))
			held := 0
			for _, b := range l.blocks {
				held += len(b.json) + len(b.text)
			}
			if held != l.bytes || l.bytes > l.maxBytes || len(words) != l.events {
				t.Errorf("holds %d bytes in %d events, counts %d in %d, at most %d", held, len(words), l.bytes, l.events, l.maxBytes)
			}
		})
	}
}

func TestWait(t *testing.T) {
	l := New(Limits{}, wakeAll)
	c := first(l.Cursor(1, 1, View{Format: Text}))
	woken := make(waker, 10)
	first, second := c.Wait(woken), c.Wait(woken)
	if !first || !second || len(woken) > 0 {
		t.Error("an empty log has something to read")
	}
	l.Append(message("x"), Origin{Author: 1})
	l.Append(message("y"), Origin{Author: 1})
	if len(woken) > 0 {
		t.Error("woken before Wake")
	}
	l.Wake()
	l.Wake()
	if len(woken) != 2 {
		t.Errorf("woken %d times, want once for each Wait", len(woken))
	}
	if c.Wait(woken) {
		t.Error("there is something to read, and Wait waits")
	}
}

type waker chan struct{}

func wakeAll(idle []Waiter) {
	for _, r := range idle {
		r.(waker) <- struct{}{}
	}
}

// Readers and writers run at the same time, for the race detector. Each reader gets each writer's events
// in order and none twice.
func TestConcurrentUse(t *testing.T) {
	l := New(Limits{Events: 100_000}, wakeAll)
	const writers, each = 4, 2000
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				l.Append(message(fmt.Sprintf("%d.%d", w, n)), Origin{Author: Author(w)})
				l.Wake()
			}
		})
	}
	for range 3 {
		all.Go(func() {
			c := first(l.Cursor(1, 1, View{Format: JSON}))
			woken := make(waker, 1)
			var next [writers]int
			for got := 0; got < writers*each; {
				runs, missed, _ := c.Next(nil)
				if missed > 0 {
					t.Errorf("missed %d", missed)
					return
				}
				if len(runs) == 0 && c.Wait(woken) {
					<-woken
				}
				for line := range bytes.Lines(bytes.Join(runs, nil)) {
					e, err := wire.ParseEvent(line)
					if err != nil {
						t.Errorf("%q: %v", line, err)
						return
					}
					var w, n int
					fmt.Sscanf(e.Text, "%d.%d", &w, &n)
					if n != next[w] {
						t.Errorf("got %s, want number %d", e.Text, next[w])
						return
					}
					next[w]++
					got++
				}
			}
		})
	}
	all.Wait()
}

func first(c Cursor) *Cursor { return &c }

// Append gives a message its id and encodes it twice.
func BenchmarkAppend(b *testing.B) {
	l := New(Limits{}, wakeAll)
	e := message("the soup is ready, come down before it gets cold (again)")
	b.ReportAllocs()
	for b.Loop() {
		l.Append(e, Origin{Author: 1})
	}
}

// A page from the middle of a full log.
func BenchmarkBefore(b *testing.B) {
	l := New(Limits{}, wakeAll)
	for range 10_000 {
		l.Append(message("the soup is ready, come down before it gets cold (again)"), Origin{Author: 1})
	}
	b.ReportAllocs()
	for b.Loop() {
		l.Before(Page{5000, 100, 128 << 10}, View{Format: JSON})
	}
}

// A delivery of one message to one of many readers, with as many other messages as usual. The
// reader's own messages are skipped.
func BenchmarkDrain(b *testing.B) {
	const messages = 200
	l := New(Limits{}, wakeAll)
	for n := range messages {
		l.Append(message("the soup is ready, come down before it gets cold (again)"), Origin{Author: Author(n % 20)})
	}
	for name, format := range map[string]Format{"text": Text, "json": JSON} {
		b.Run(name, func(b *testing.B) {
			runs := make([][]byte, 0, messages)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%messages != 0 {
					continue // one pass is all of them
				}
				view := View{Format: format}
				if format == Text {
					view.Me = 7
				}
				c := l.Cursor(1, 1, view)
				for {
					if runs, _, _ = c.Next(runs[:0]); len(runs) == 0 {
						break
					}
				}
			}
		})
	}
}

// The author of an event is woken first.
func TestWakeStartsWithTheAuthor(t *testing.T) {
	var woken []Waiter
	l := New(Limits{}, func(list []Waiter) { woken = list })
	for _, name := range []string{"a", "b", "c"} {
		l.Wait(l.Next(), name)
	}
	l.Append(message("soup"), Origin{Author: 1, Waiter: "c"})
	l.Wake()
	if len(woken) != 3 || woken[0] != "c" {
		t.Errorf("woken in the order %v", woken)
	}
}

package screen

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// A farHost has messages from ID 1 on in its log, and answers requests for them.
type farHost struct {
	*rig
	texts    map[uint64]string // of some, by ID
	answered int               // how many of the room's requests
}

// inFarRoom runs test in a room whose host has older messages before the three that are on
// the screen.
func inFarRoom(t *testing.T, columns, rows int, older uint64, texts map[uint64]string, test func(t *testing.T, h *farHost)) {
	t.Helper()
	inRoom(t, columns, rows, func(t *testing.T, r *rig) {
		h := &farHost{rig: r, texts: texts}
		h.id = older
		for range 3 {
			h.say("alice", "near "+h.texts[h.id+1])
		}
		test(t, h)
	})
}

func (h *farHost) message(id uint64) wire.Event {
	return wire.Event{
		Type: wire.TypeMessage, ID: id, From: "carol", Client: "c", Text: fmt.Sprint("far ", id, " ", h.texts[id]),
		Time: noon.Add(-time.Hour).Add(time.Duration(id) * time.Millisecond),
	}
}

// answer answers the requests, including those that follow from the answers.
func (h *farHost) answer() {
	for ; h.answered < len(h.room.asked); h.answered++ {
		q := h.room.asked[h.answered]
		e := wire.Event{Type: wire.TypeHistory, Before: q.Before, Text: q.Text}
		for id := q.Before - 1; id > 0 && len(e.Events) < q.Count; id-- {
			if m := h.message(id); q.Type == wire.TypeHistory || text.NewQuery(q.Text).Matches(m.Text) {
				e.Events = append(wire.History{m}, e.Events...)
			}
		}
		h.happen(client.Received{Event: e})
	}
}

func (h *farHost) search(words string) {
	h.typed("/search " + words)
	h.keys("enter")
	h.searchOn()
}

// searchOn lets the search go on until it has nothing more to do by itself.
func (r *rig) searchOn() {
	s := &r.m.conversation.search
	for s.ticking {
		time.Sleep(searchPause)
		r.update(searchOn{s.field})
	}
}

// Before the oldest message of the transcript the host searches, and the messages in between
// are loaded.
func TestSearchContinuesAtTheHost(t *testing.T) {
	texts := map[uint64]string{40: "soup", 700: "Soups", 1002: "the soup"}
	inFarRoom(t, 80, 24, 1000, texts, func(t *testing.T, h *farHost) {
		h.search("SOUP")
		h.want("near the soup", "── Search  1 of 1+ ──", " search › SOUP")
		if len(h.room.asked) != 0 {
			t.Errorf("requested %+v for a hit in the transcript", h.room.asked)
		}
		h.keys("up")
		h.want("Search  older messages…")
		h.keys("up", "down") // ignored until the host answers
		h.answer()
		h.want("far 700 Soups", "Search  2 of 2+")
		if first := h.m.conversation.transcript.firstID(); first > 700 || first < 400 {
			t.Errorf("the first message in the transcript is %d", first)
		}
		h.keys("up")
		h.answer()
		h.want("far 40 soup", "Search  3 of 3 ")
		h.keys("up")
		h.answer()
		h.want("far 40 soup", "No older match.", "Search  3 of 3 ")
		h.keys("down")
		h.want("far 700 Soups", "Search  2 of 3 ")
		last := h.m.conversation.transcript.firstID() - 1
		for _, e := range h.m.conversation.transcript.entries {
			if e.id > 0 && e.id != last+1 {
				t.Fatalf("%d comes after %d", e.id, last)
			}
			last = max(last, e.id)
		}
	})
}

// Words that are not in the transcript are searched for at the host at once.
func TestSearchStartsAtTheHost(t *testing.T) {
	inFarRoom(t, 80, 24, 1000, map[uint64]string{500: "soup"}, func(t *testing.T, h *farHost) {
		h.search("soup")
		h.answer()
		h.want("far 500 soup", "Search  1 of 1+")
		h.keys("esc")
		h.search("bread")
		h.want("Search  older messages…")
		h.answer()
		h.want(`── No messages match "bread". ──`, " search › bread")
	})
}

// Long messages on the way to the host's hit are looked through in parts: none holds up the screen.
func TestSearchThroughLongMessages(t *testing.T) {
	t.Parallel()
	texts := map[uint64]string{100: "soup"}
	for id := uint64(101); id <= 1000; id++ {
		texts[id] = strings.Repeat("_a_ `b` ", 500)
	}
	inFarRoom(t, 80, 24, 1000, texts, func(t *testing.T, h *farHost) {
		h.search("soup")
		h.answer()
		h.want("Search  older messages…")
		if h.shows("far 100 soup") || h.m.conversation.search.unread < 500 {
			t.Fatalf("all was looked through at once\n%s", h.frame())
		}
		h.keys("up", "down") // the hit will move the view
		h.searchOn()
		h.want("far 100 soup", "Search  1 of 1")
	})
}

// A hit that is too far back to load is shown alone, and the search continues before it.
func TestSearchTooFarBack(t *testing.T) {
	texts := map[uint64]string{1: "first soup", 30: "old soup", 20_001: "new soup"}
	inFarRoom(t, 80, 24, 20_000, texts, func(t *testing.T, h *farHost) {
		h.search("soup")
		h.keys("up")
		h.answer()
		h.want("found further back than chat scrolls:", "2026-11-25 11:00:00 <carol> far 30 old soup")
		h.want("Search  2 of 2+")
		if n := len(h.m.conversation.transcript.entries); n < maxLoaded || n > maxLoaded+2*loadAtOnce {
			t.Errorf("%d messages are in the transcript", n)
		}
		before := len(h.room.asked)
		h.keys("up")
		h.answer()
		h.want("<carol> far 1 first soup", "Search  3 of 3+")
		if n := len(h.room.asked) - before; n != 1 {
			t.Errorf("%d requests for a hit that is even further back", n)
		}
		h.keys("up")
		h.answer()
		h.searchOn()
		h.want("No older match.", "Search  3 of 3 ")
		h.keys("down")
		h.want("near new soup", "Search  1 of 1+")
	})
}

// A search whose answer is lost, or that was closed meanwhile, ends.
func TestSearchWithoutAnAnswer(t *testing.T) {
	for name, lose := range map[string]func(h *farHost){
		"a lost connection": func(h *farHost) { h.happen(client.Disconnected{Err: errors.New("gone")}) },
		"a history that cannot be read": func(h *farHost) {
			h.happen(client.Received{Event: wire.Event{Type: wire.TypeError, Code: wire.CodeNotRead}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inFarRoom(t, 80, 24, 1000, map[uint64]string{400: "soup", 1001: "soup"}, func(t *testing.T, h *farHost) {
				h.search("soup")
				h.keys("up")
				lose(h)
				h.want("No answer about older messages.")
				h.answer() // too late
				h.want("near soup", "1 of 1+")
			})
		})
	}
	inFarRoom(t, 80, 24, 1000, map[uint64]string{400: "soup", 1001: "soup"}, func(t *testing.T, h *farHost) {
		h.search("soup")
		h.keys("up", "esc")
		h.answer()
		if frame := h.frame(); strings.Contains(frame, "far") || strings.Contains(frame, "Search") {
			t.Errorf("the search continues\n%s", frame)
		}
	})
}

// Each letter searches. Enter stays at the hit, Esc goes back, and the message that was begun is there again.
func TestSearchAsYouType(t *testing.T) {
	for key, want := range map[string]string{"enter": "here is the soup", "esc": "line 79"} {
		inRoom(t, 80, 24, func(t *testing.T, r *rig) {
			for n := range 80 {
				text := fmt.Sprint("line ", n)
				if n == 10 || n == 12 {
					text = "here is the soup " + text
				}
				r.say("alice", text)
			}
			r.typed("/search")
			r.keys("enter")
			r.want(" search › Words to find", "── Search ──", "↑ older   ↓ newer   Enter stay here   Esc back")
			row := r.cursorRow()
			r.typed("sou")
			r.want("here is the soup line 12", "Search  1 of 2 ")
			r.typed("p lin")
			r.want("here is the soup line 12", "Search  1 of 2 ")
			r.keys("up")
			r.want("here is the soup line 10", "Search  2 of 2 ")
			r.keys("up")
			r.want("No older match.", "Search  2 of 2 ")
			r.say("carol", "more soup lines")
			r.want("here is the soup line 10", "Search  3 of 3 ")
			r.keys("down")
			r.want("here is the soup line 12", "Search  2 of 3 ")
			r.typed("x")
			r.searchOn()
			r.want(`── No messages match "soup linx". ──`)
			r.keys("backspace")
			r.want("more soup lines", "Search  1 of 3 ")
			r.keys("up")
			if at := r.cursorRow(); at != row {
				t.Errorf("the cursor went from row %d to %d", row, at)
			}
			r.keys(key)
			if r.want(want, "Message kitchen"); strings.Contains(r.frame(), "Search") {
				t.Errorf("the search is still there\n%s", r.frame())
			}
		})
	}
}

func (r *rig) cursorRow() int { return r.m.view().Cursor.Y }

// A search that ends where the newest message is shown lets new messages come in below.
func TestSearchEndsAtTheEnd(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		for n := range 80 {
			r.say("alice", fmt.Sprint("line ", n))
		}
		r.typed("/search line 78")
		r.keys("enter")
		r.want("Search  1 of 1 ")
		r.say("alice", "while searching")
		if r.shows("while searching") {
			t.Errorf("the search does not stay at its hit:\n%s", r.frame())
		}
		r.keys("enter", "end")
		r.typed("/search line 79")
		r.keys("enter")
		r.want("Search  1 of 1 ")
		r.keys("enter")
		r.say("alice", "after the search")
		r.want("after the search")
	})
}

// Esc goes back to where the person was, whatever was loaded or came meanwhile.
func TestSearchGoesBack(t *testing.T) {
	texts := map[uint64]string{40: "soup"}
	inFarRoom(t, 80, 24, 1000, texts, func(t *testing.T, h *farHost) {
		for range 100 {
			h.say("alice", "after")
		}
		h.keys("pgup", "pgup", "pgup")
		top := strings.Split(h.frame(), "\n")[1:20]
		h.search("soup")
		h.answer()
		h.want("far 40 soup", "Search  1 of 1 ")
		h.say("alice", "later")
		h.keys("esc")
		if back := strings.Split(h.frame(), "\n")[1:20]; !slices.Equal(back, top) {
			t.Errorf("back at\n%s\nwant\n%s", strings.Join(back, "\n"), strings.Join(top, "\n"))
		}
	})
}

// A transcript is looked through a part at a time: no key waits for all of it.
func TestSearchInParts(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		tr := &r.m.conversation.transcript
		for n := range maxEntries {
			text := "line"
			if n%1000 == 500 {
				text = "soup"
			}
			tr.push(entry{id: uint64(n + 1), at: noon.UnixMilli(), from: "alice", text: text})
		}
		r.typed("/search soup")
		cmd := r.keys("enter")
		r.want("Search  1 of 5+")
		if r.keys("up", "up", "up", "up", "up"); r.m.conversation.search.at != 4 {
			t.Errorf("at hit %d of those that were found", r.m.conversation.search.at)
		}
		for parts := 0; cmd != nil; parts++ {
			msg, ok := cmd().(searchOn)
			if !ok || parts > maxEntries/searchedAtOnce {
				t.Fatalf("part %d is continued by a %T", parts, msg)
			}
			cmd = r.update(msg)
			r.want(fmt.Sprintf("Search  6 of %d", min(5*(parts+2), 100)))
		}
		r.want("Search  6 of 100 ")
		r.typed("x")
		r.searchOn()
		r.want(`No messages match "soupx".`)
	})
}

// Entries that are dropped are no hits any more.
func TestSearchWhileEntriesAreDropped(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		tr := &r.m.conversation.transcript
		for n := range maxEntries + maxEntries/10 {
			text := "line"
			if n == 5 || n == maxEntries {
				text = fmt.Sprint("soup ", n)
			}
			tr.push(entry{id: uint64(n + 1), at: noon.UnixMilli(), from: "alice", text: text})
		}
		r.typed("/search soup")
		r.keys("enter")
		r.searchOn()
		r.want("Search  1 of 2 ")
		r.id = maxEntries + maxEntries/10 + 1
		r.say("alice", "one too many")
		r.want(fmt.Sprint("soup ", maxEntries), "Search  1 of 1+")
	})
}

// A count is complete if every event of the room has come, also if the first ones are not shown.
func TestSearchKnowsThatNothingIsOlder(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.happen(client.Received{Own: true, Event: wire.Event{Type: wire.TypeJoin, ID: 1, Time: noon, Members: []string{"bob"}}})
		r.id = 1
		r.say("alice", "soup")
		r.typed("/search soup")
		r.keys("enter")
		r.want("Search  1 of 1 ")
		if r.keys("up"); len(r.room.asked) > 0 {
			t.Errorf("requested %+v", r.room.asked)
		}
	})
}

// The current hit stays on the screen when its size changes.
func TestSearchIsResized(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		for n := range 60 {
			r.say("alice", fmt.Sprintf("line %d", n))
		}
		r.typed("/search 41")
		r.keys("enter")
		for _, size := range [][2]int{{40, 10}, {20, 6}, {200, 50}, {40, 8}} {
			r.resize(size[0], size[1])
			r.want("line 41")
		}
	})
}

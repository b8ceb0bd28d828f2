package screen

import (
	"errors"
	"fmt"
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
}

// Before the oldest message of the transcript the host searches, and the messages in between
// are loaded.
func TestSearchContinuesAtTheHost(t *testing.T) {
	texts := map[uint64]string{40: "soup", 700: "Soups", 1002: "the soup"}
	inFarRoom(t, 80, 24, 1000, texts, func(t *testing.T, h *farHost) {
		h.search("SOUP")
		h.want("near the soup", "↑ ↓ SOUP")
		if len(h.room.asked) != 0 {
			t.Errorf("requested %+v for a hit in the transcript", h.room.asked)
		}
		h.keys("up")
		h.want("searching older messages for SOUP…")
		h.keys("up", "down") // ignored until the host answers
		h.answer()
		h.want("far 700 Soups", "↑ ↓ SOUP")
		if first := h.m.conversation.transcript.firstID(); first > 700 || first < 400 {
			t.Errorf("the first message in the transcript is %d", first)
		}
		h.keys("up")
		h.answer()
		h.want("far 40 soup", "↑ ↓ SOUP")
		h.keys("up")
		h.answer()
		h.want("far 40 soup", "no more hits for SOUP")
		h.keys("down")
		h.want("far 700 Soups", "↑ ↓ SOUP")
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
		h.want("far 500 soup", "↑ ↓ soup")
		h.keys("esc")
		h.search("bread")
		h.answer()
		h.want("no message with bread")
		if h.m.conversation.search.words != "" {
			t.Error("the search is still active")
		}
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
		if n := len(h.m.conversation.transcript.entries); n < maxLoaded || n > maxLoaded+2*loadAtOnce {
			t.Errorf("%d messages are in the transcript", n)
		}
		before := len(h.room.asked)
		h.keys("up")
		h.answer()
		h.want("<carol> far 1 first soup")
		if n := len(h.room.asked) - before; n != 1 {
			t.Errorf("%d requests for a hit that is even further back", n)
		}
		h.keys("up")
		h.answer()
		h.want("no more hits for soup")
		h.keys("down")
		h.want("near new soup")
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
				h.want("no more hits for soup")
				h.answer() // too late
				h.want("no more hits for soup")
			})
		})
	}
	inFarRoom(t, 80, 24, 1000, map[uint64]string{400: "soup", 1001: "soup"}, func(t *testing.T, h *farHost) {
		h.search("soup")
		h.keys("up", "esc")
		h.answer()
		if frame := h.frame(); strings.Contains(frame, "far") || strings.Contains(frame, "Esc: close") {
			t.Errorf("the search continues\n%s", frame)
		}
	})
}

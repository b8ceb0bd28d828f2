package screen

import (
	"strings"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// A search moves from one message with all of its words to the next, first in the
// transcript. Before the oldest message of it, the host searches; its hit is loaded with
// everything in between. With no words it is inactive. It is owned by Bubble Tea's event
// loop.
type search struct {
	c *conversation

	words   string // as they were typed; "": inactive
	query   text.Query
	current int  // the last hit's entry; at first, after the last entry
	found   bool // there was a hit
	noMore  bool // there are no more in this direction

	asked  bool       // the host is searching
	before uint64     // for messages older than this ID
	target wire.Event // the host's hit, until it is loaded; ID 0: none
	loaded int        // how many messages were loaded to reach it
	tooFar uint64     // ID of the host's last hit if it was too far back to load; 0: it was not
}

const (
	// loadAtOnce is how many messages are requested at once on the way to the host's hit:
	// the most that a host sends.
	loadAtOnce = 200

	// maxLoaded is how many messages are loaded to reach a hit. One further back is shown
	// alone.
	maxLoaded = 5000
)

// start goes to the newest message with all words.
func (s *search) start(words string) {
	words = text.Clean(words)
	query := text.NewQuery(words)
	if len(query) == 0 {
		s.c.show(kindError, "usage: /search WORDS, then ↑ and ↓ for the next hits, Esc to close")
		return
	}
	*s = search{c: s.c, words: words, query: query, current: len(s.c.transcript.entries)}
	s.step(-1)
}

// stop ends the search.
func (s *search) stop() { *s = search{c: s.c} }

// key moves to the next hit, or ends the search. It reports whether the key was for it.
func (s *search) key(name string) bool {
	switch name {
	case "up", "ctrl+p", "shift+tab":
		s.step(-1)
	case "down", "ctrl+n", "tab":
		s.step(1)
	case "esc", "ctrl+c":
		s.stop()
	case "enter":
		s.stop()
		return s.c.composer.editor.text == ""
	default:
		return false
	}
	return true
}

// step goes to the next older hit (-1) or the next newer one (1).
func (s *search) step(direction int) {
	from := s.current + direction
	switch {
	case s.isAtHost(): // its answer will move the view
		return
	case s.tooFar > 0 && direction > 0: // back to the transcript
		from = 0
	case s.tooFar > 0:
		from = -1
	}
	if i := s.c.transcript.find(s.query, from, direction); i >= 0 {
		s.tooFar = 0
		s.goTo(i)
	} else if direction > 0 || !s.askHost() {
		s.noHit()
	}
}

// hit returns the entry that the search is at; nil: none.
func (s *search) hit() *entry {
	entries := s.c.transcript.entries
	if s.words == "" || !s.found || s.tooFar > 0 || s.current < 0 || s.current >= len(entries) {
		return nil
	}
	return &entries[s.current]
}

func (s *search) goTo(i int) {
	s.current, s.found, s.noMore = i, true, false
	s.c.goToEntry(i)
}

// noHit shows that there are no more hits. A search without any ends.
func (s *search) noHit() {
	s.noMore = true
	if !s.found {
		s.c.flash = "no message with " + s.words
		s.stop()
	}
}

// entriesDropped and entriesPrepended note changes at the start of the transcript.
func (s *search) entriesDropped(n int) { s.current = max(s.current-n, -1) }

func (s *search) entriesPrepended(n int) {
	s.current += n
	s.loaded += n
}

// --- beyond the transcript -----------------------------------------------------------

// isAtHost reports whether the host has yet to answer or to send its hit.
func (s *search) isAtHost() bool { return s.asked || s.target.ID > 0 }

// requestLost notes that no answer will come.
func (s *search) requestLost() {
	s.noMore = s.noMore || s.isAtHost()
	s.asked, s.target = false, wire.Event{}
}

// askHost has the host search before the oldest message of the transcript. It reports
// whether it does.
func (s *search) askHost() bool {
	if s.c.history.foreign > 0 || s.c.lost != nil {
		return false
	}
	if s.before = s.tooFar; s.before == 0 {
		s.before = s.c.oldestID()
	}
	_, err := s.c.room.Do(s.c.m.ctx, wire.Request{Type: wire.TypeSearch, Text: s.words, Before: s.before, Count: 1})
	s.asked = err == nil
	return s.asked
}

// answered handles the host's answer.
func (s *search) answered(e *client.Received) {
	if !s.asked || e.Before != s.before || !strings.HasPrefix(s.words, e.Text) { // of a search that was ended
		return
	}
	s.asked = false
	n := len(e.Events)
	if n == 0 || e.Events[n-1].ID == 0 || e.Before > 0 && e.Events[n-1].ID >= e.Before {
		s.noHit()
		return
	}
	s.target, s.loaded = e.Events[n-1], 0
	if s.tooFar > 0 {
		s.showTooFar()
		return
	}
	s.historyLoaded()
}

// historyLoaded goes to the host's hit if it is in the transcript now, and requests more
// of the history if not.
func (s *search) historyLoaded() {
	first := s.c.transcript.firstID()
	switch {
	case s.target.ID == 0:
	case first > 0 && first <= s.target.ID:
		if i := s.c.transcript.indexOf(s.target.ID); i >= 0 {
			s.target = wire.Event{}
			s.goTo(i)
		} else {
			s.showTooFar()
		}
	case s.loaded >= maxLoaded || !s.c.history.request(loadAtOnce):
		s.showTooFar()
	}
}

// showTooFar shows the host's hit at the end of the transcript, as it is too far back to
// go there.
func (s *search) showTooFar() {
	line := s.target.AppendText(nil, wire.Viewer{Nick: s.c.nick, Dated: true})
	s.c.show(kindNotice, "found further back than chat scrolls:\n"+strings.TrimSuffix(string(line), "\n"))
	s.c.view.toEnd()
	s.tooFar, s.found, s.noMore = s.target.ID, true, false
	s.target = wire.Event{}
}

// status returns the search's part of the status line.
func (s *search) status() string {
	switch {
	case s.words == "":
		return ""
	case s.isAtHost():
		return "searching older messages for " + s.words + "… · Esc: close"
	case s.noMore:
		return "no more hits for " + s.words + " · Esc: close"
	}
	return "↑ ↓ " + s.words + " · Esc: close"
}

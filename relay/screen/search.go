package screen

import (
	"fmt"
	"strings"
	"time"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"

	tea "charm.land/bubbletea/v2"
)

// A search is what is looked for; the zero one is nothing. It walks the messages that are
// held on this side. Before the oldest of them the host looks, and what it finds is
// fetched with all that lies between.
type search struct {
	words string // as they were typed
	query text.Query
	at    int  // the entry found last; at first behind the last one
	found bool // there was one
	none  bool // there is no further one

	asked   bool       // the host looks
	before  uint64     // what is older than this
	target  wire.Event // what it found, until it is held; ID 0: nothing
	fetched int        // how many messages were fetched to get there
	beyond  uint64     // id of what it found last and was too far to fetch; 0: nothing
}

const (
	// fetchAtOnce is how many messages are asked for on the way to what the host found:
	// the most it sends.
	fetchAtOnce = 200

	// maxFetched is how many messages are fetched to get there. What lies further back is
	// only told.
	maxFetched = 5000
)

// find goes to the newest message that has all words; then keys walk on.
func (t *talk) find(m *model, words string) tea.Cmd {
	words = text.Clean(words)
	query := text.NewQuery(words)
	if len(query) == 0 {
		t.tell(m, complaint, "usage: /search WORDS; then ↑ and ↓ walk, Esc ends it")
		return nil
	}
	t.search = search{words: words, query: query, at: len(t.transcript.entries)}
	t.walk(m, -1)
	return nil
}

// key walks the hits, or ends the search. It reports whether the key was for it.
func (s *search) key(t *talk, m *model, name string) bool {
	switch name {
	case "up", "ctrl+p", "shift+tab":
		t.walk(m, -1)
	case "down", "ctrl+n", "tab":
		t.walk(m, 1)
	case "esc", "ctrl+c":
		*s = search{}
	case "enter":
		*s = search{}
		return t.editor.text == ""
	default:
		return false
	}
	return true
}

// walk goes to the next hit in the direction of step.
func (t *talk) walk(m *model, step int) {
	s := &t.search
	from := s.at + step
	switch {
	case s.isAway(): // it takes a moment
		return
	case s.beyond > 0 && step > 0: // back to those that are held
		from = 0
	case s.beyond > 0:
		from = -1
	}
	if i := t.transcript.find(s.query, from, step); i >= 0 {
		s.beyond = 0
		t.goToHit(m, i)
	} else if step > 0 || !t.askToSearch(m) {
		t.noFurther()
	}
}

func (t *talk) goToHit(m *model, i int) {
	t.search.at, t.search.found, t.search.none = i, true, false
	t.view.toEntry(m.look(t.columns(m)), &t.transcript, t.height(m), i)
}

func (t *talk) noFurther() {
	t.search.none = true
	if !t.search.found {
		t.flash = "nothing here says " + t.search.words
		t.search = search{}
	}
}

// --- further back than what is held ------------------------------------------------

// isAway reports whether what is looked for has yet to come from the host.
func (s *search) isAway() bool { return s.asked || s.target.ID > 0 }

// giveUp notes that the host does not answer.
func (s *search) giveUp() {
	s.none = s.none || s.isAway()
	s.asked, s.target = false, wire.Event{}
}

// askToSearch has the host look before what we have. It reports whether it does.
func (t *talk) askToSearch(m *model) bool {
	s := &t.search
	if t.foreign > 0 || t.lost != nil {
		return false
	}
	if s.before = s.beyond; s.before == 0 {
		s.before = t.oldest()
	}
	_, err := t.room.Do(m.ctx, wire.Request{Type: wire.TypeSearch, Text: s.words, Before: s.before, Count: 1})
	s.asked = err == nil
	return s.asked
}

// searched takes the host's answer to that.
func (t *talk) searched(m *model, e *client.Received) {
	s := &t.search
	if !s.asked || e.Before != s.before || !strings.HasPrefix(s.words, e.Text) { // of a search that was ended
		return
	}
	s.asked = false
	n := len(e.Events)
	if n == 0 || e.Events[n-1].ID == 0 || e.Before > 0 && e.Events[n-1].ID >= e.Before {
		t.noFurther()
		return
	}
	s.target, s.fetched = e.Events[n-1], 0
	if s.beyond > 0 {
		t.tellBeyond(m)
		return
	}
	t.fetchHit(m)
}

// fetchHit goes to what the host found, if it is held by now, and asks for more if not.
func (t *talk) fetchHit(m *model) {
	s := &t.search
	first := t.transcript.firstID()
	switch {
	case s.target.ID == 0:
	case first > 0 && first <= s.target.ID:
		if i := t.transcript.indexOf(s.target.ID); i >= 0 {
			s.target = wire.Event{}
			t.goToHit(m, i)
		} else {
			t.tellBeyond(m)
		}
	case s.fetched >= maxFetched || !t.askForOlder(m, fetchAtOnce):
		t.tellBeyond(m)
	}
}

// tellBeyond shows what the host found where it is too far back to go there.
func (t *talk) tellBeyond(m *model) {
	s := &t.search
	line := s.target.AppendText(nil, wire.Viewer{Zone: time.Local, Nick: t.nick, Dated: true})
	t.tell(m, told, "further back than is fetched:\n"+shortened(strings.TrimSuffix(string(line), "\n")))
	t.view.toEnd()
	s.beyond, s.found, s.none = s.target.ID, true, false
	s.target = wire.Event{}
}

// state is what the status line says of the search.
func (s *search) state() string {
	switch {
	case s.isAway():
		return fmt.Sprintf("looking further back for %s… · Esc ends", s.words)
	case s.none:
		return "no further " + s.words + " · Esc ends"
	}
	return "↑ ↓ " + s.words + " · Esc ends"
}

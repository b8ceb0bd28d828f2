package screen

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/screen/theme"
	"chat/relay/text"
	"chat/relay/wire"
)

// A search goes from one message with all of its words to the next, while the words are
// typed in a field. It looks through the transcript first, from the end, a part at a time.
// Before the oldest message of it, the host searches; its hit is loaded with everything in
// between. Without a field it is inactive. It is owned by Bubble Tea's event loop.
type search struct {
	c *conversation

	field *field   // with the words; nil: inactive
	back  viewMark // where the person was

	words string // as they were typed; "": none yet
	query text.Query
	typed time.Time // when they were typed last

	// Messages with all words, by index in the transcript.
	newer   []int // those that came since, oldest first
	older   []int // those that were found, newest first
	at      int   // the current one, counted from the newest; -1: none yet
	unread  int   // entries that are still to be looked through: those before this index
	seeking bool  // the next older one is wanted
	ticking bool  // a searchOn will come

	// At the host.
	asked    bool       // it is searching
	before   uint64     // for messages older than this ID
	target   wire.Event // its hit, until it is loaded; ID 0: none
	loaded   int        // how many messages were loaded to reach it
	reach    int        // 1 + index of its hit that was loaded, until the entries after it are looked through; 0: none
	tooFar   uint64     // ID of its last hit if that was too far back to load; 0: it was not
	beyond   int        // how many hits were too far back
	hostDone bool       // it has no more
}

const (
	// searchedAtOnce and searchedBytes are how many entries, and how much text, are looked through
	// at once, and searchTime how long that may take: no frame waits longer. The clock is read every
	// clockBytes.
	searchedAtOnce = 5000
	searchedBytes  = 1 << 20
	searchTime     = 8 * time.Millisecond
	clockBytes     = 4 << 10

	// searchPause is how long nothing must be typed before the host is asked, and before a
	// search without a hit says so.
	searchPause = 300 * time.Millisecond

	// loadAtOnce is how many messages are requested at once on the way to the host's hit:
	// the most that a host sends.
	loadAtOnce = 200

	// maxLoaded is how many messages are loaded to reach a hit. One further back is shown
	// alone.
	maxLoaded = 5000
)

// searchOn continues a search: it looks through more entries, or asks the host.
type searchOn struct{ of *field }

// searchHints are the hints while the words are typed.
var searchHints = []hint{{nil, "↑", "older"}, {nil, "↓", "newer"}, {nil, "Enter", "stay here"}, {nil, "Esc", "back to where I was"}}

// open opens the field for the words, with those that were typed with the command.
func (s *search) open(words string) tea.Cmd {
	f := newField(s.c.m.ruler, "search")
	f.placeholder, f.hints = "Words to find", searchHints
	f.key, f.changed = s.key, s.setWords
	f.closed = func() { *s = search{c: s.c} }
	s.c.composer.openField(f)
	*s = search{c: s.c, field: f, at: -1, back: s.c.view.mark(&s.c.transcript)}
	cmd := f.set(words)
	s.typed = time.Time{} // the words are complete: there is nothing to wait for
	return cmd
}

// key moves to another hit, or ends the search.
func (s *search) key(name string) (_ tea.Cmd, used bool) {
	switch name {
	case "up", "ctrl+p", "shift+tab":
		s.step(-1)
	case "down", "ctrl+n", "tab":
		s.step(1)
	case "enter":
		s.c.composer.closeField()
		s.c.view.release(&s.c.transcript)
	case "esc", "ctrl+c":
		back := s.back
		s.c.composer.closeField()
		s.c.view.toMark(&s.c.transcript, back)
	default:
		return nil, false
	}
	return nil, true
}

// setWords starts the search over with other words, at the newest message.
func (s *search) setWords(words string) tea.Cmd {
	words = text.Clean(words)
	*s = search{c: s.c, field: s.field, back: s.back, ticking: s.ticking, words: words, query: text.NewQuery(words), at: -1, typed: time.Now()}
	if len(s.query) == 0 {
		s.words = ""
		s.c.view.toMark(&s.c.transcript, s.back)
		return nil
	}
	s.unread, s.seeking = len(s.c.transcript.entries), true
	s.look()
	return nil
}

// next returns a command that continues the search, if there is anything to do.
func (s *search) next() tea.Cmd {
	if s.words == "" || s.ticking || s.unread == 0 && !s.waitsForPause() {
		return nil
	}
	s.ticking = true
	on := searchOn{s.field}
	if s.unread > 0 {
		return func() tea.Msg { return on }
	}
	return tea.Tick(time.Until(s.typed.Add(searchPause)), func(time.Time) tea.Msg { return on })
}

// waitsForPause reports whether the host is to be asked as soon as nothing is typed.
func (s *search) waitsForPause() bool { return s.seeking && !s.isAtHost() }

// goOn continues the search.
func (s *search) goOn(on searchOn) {
	if s.field == nil || on.of != s.field {
		return
	}
	s.ticking = false
	s.look()
	if s.unread == 0 && s.waitsForPause() && time.Since(s.typed) >= searchPause {
		s.goBeyond()
	}
}

// look looks through the next part of the transcript.
func (s *search) look() {
	const perEntry = 64
	began, bytes, clocked := time.Now(), 0, 0
	for n := 0; n < searchedAtOnce && bytes < searchedBytes && s.unread > 0; n++ {
		if bytes-clocked >= clockBytes {
			if clocked = bytes; time.Since(began) >= searchTime {
				break
			}
		}
		s.unread--
		bytes += perEntry + len(s.c.transcript.entries[s.unread].text)
		if s.isHit(s.unread) {
			s.older = append(s.older, s.unread)
			if s.seeking && !s.isAtHost() {
				s.goTo(s.at + 1)
			}
		}
	}
	if s.unread < s.reach {
		s.goToReached()
	}
}

func (s *search) isHit(i int) bool { return s.c.transcript.matches(i, s.query) }

// count returns how many hits there are in the transcript, as far as it was looked through.
func (s *search) count() int { return len(s.newer) + len(s.older) }

// index returns the index in the transcript of the nth newest hit.
func (s *search) index(n int) int {
	if n < len(s.newer) {
		return s.newer[len(s.newer)-1-n]
	}
	return s.older[n-len(s.newer)]
}

// hit returns the entry that the search is at; nil: none.
func (s *search) hit() *entry {
	if s.at < 0 || s.at >= s.count() || s.tooFar > 0 {
		return nil
	}
	return &s.c.transcript.entries[s.index(s.at)]
}

// step goes to the next older hit (-1) or the next newer one (1).
func (s *search) step(direction int) {
	switch {
	case s.words == "" || s.isAtHost(): // its answer will move the view
	case direction > 0 && s.tooFar > 0: // back to the transcript
		s.tooFar, s.beyond, s.hostDone = 0, 0, false
		if s.count() > 0 {
			s.goTo(s.count() - 1)
		}
	case direction > 0 && s.at > 0:
		s.goTo(s.at - 1)
	case direction > 0:
		s.seeking = false
		s.c.flash = "No newer match."
	case s.tooFar == 0 && s.at+1 < s.count():
		s.goTo(s.at + 1)
	case s.tooFar == 0 && s.unread > 0:
		s.seeking = true
	default:
		s.goBeyond()
	}
}

// goTo shows the nth newest hit.
func (s *search) goTo(n int) {
	s.at, s.seeking = n, false
	s.c.goToEntry(s.index(n))
}

// resized keeps the current hit on the screen, whose size has changed.
func (s *search) resized() {
	if s.hit() != nil && !s.c.view.following {
		s.c.goToEntry(s.index(s.at))
	}
}

// goBeyond has the host look for the next older hit, or says that there is none.
func (s *search) goBeyond() {
	if s.seeking = true; !s.hostDone && s.askHost() {
		return
	}
	s.hostDone = s.hostDone || !s.canAsk()
	s.noOlder()
}

// noOlder says that there is no older hit. If there is none at all, the slot says so.
func (s *search) noOlder() {
	if s.seeking = false; s.at >= 0 || s.beyond > 0 {
		s.c.flash = "No older match."
	}
}

// --- changes of the transcript -------------------------------------------------------

// entryAdded notes that there is an entry at the end that is new.
func (s *search) entryAdded() {
	if i := len(s.c.transcript.entries) - 1; s.words != "" && s.isHit(i) {
		s.newer = append(s.newer, i)
		if s.at >= 0 {
			s.at++
		}
	}
}

// entriesDropped notes that the first n entries were dropped.
func (s *search) entriesDropped(n int) {
	shift := func(hits []int) (left []int) {
		for _, i := range hits {
			if i >= n {
				left = append(left, i-n)
			}
		}
		return left
	}
	s.newer, s.older = shift(s.newer), shift(s.older)
	s.unread, s.reach = max(s.unread-n, 0), max(s.reach-n, 0)
	s.at = min(s.at, s.count()-1)
}

// entriesPrepended notes that n entries were put before the others.
func (s *search) entriesPrepended(n int) {
	for i := range s.newer {
		s.newer[i] += n
	}
	for i := range s.older {
		s.older[i] += n
	}
	if s.words != "" {
		s.unread += n
	}
	if s.reach > 0 {
		s.reach += n
	}
	s.loaded += n
}

// --- beyond the transcript -----------------------------------------------------------

// isAtHost reports whether the host's next hit is wanted and not shown yet.
func (s *search) isAtHost() bool { return s.waitsForHost() || s.reach > 0 }

// waitsForHost reports whether the host has yet to answer or to send its hit.
func (s *search) waitsForHost() bool { return s.asked || s.target.ID > 0 }

// requestLost notes that no answer will come.
func (s *search) requestLost() {
	if s.waitsForHost() {
		s.asked, s.target, s.seeking = false, wire.Event{}, false
		s.c.flash = "No answer about older messages."
	}
}

// canAsk reports whether the host may have messages that are older than the transcript.
func (s *search) canAsk() bool {
	hasAll := s.c.lowest == 1 || s.c.history.exhausted && len(s.c.transcript.entries) < maxEntries
	return s.c.history.foreign == 0 && s.c.oldestID() > 1 && !hasAll
}

// askHost has the host search before the oldest message of the transcript. It reports
// whether it does.
func (s *search) askHost() bool {
	if !s.canAsk() || s.c.lost != nil {
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
	if !s.asked || e.Before != s.before || strings.TrimSpace(e.Text) != strings.TrimSpace(s.words) { // of other words
		return
	}
	s.asked = false
	n := len(e.Events)
	if n == 0 || e.Events[n-1].ID == 0 || e.Before > 0 && e.Events[n-1].ID >= e.Before {
		s.hostDone = true
		s.noOlder()
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
			s.goToLoaded(i)
		} else {
			s.showTooFar()
		}
	case s.loaded >= maxLoaded || !s.c.history.request(loadAtOnce):
		s.showTooFar()
	}
}

// goToLoaded goes to a hit of the host's that was loaded. What was loaded with it is
// looked through first, to count it.
func (s *search) goToLoaded(i int) {
	s.target, s.seeking, s.reach = wire.Event{}, false, i+1
	s.look()
}

// goToReached goes to the host's hit after everything since was looked through.
func (s *search) goToReached() {
	i := s.reach - 1
	s.reach = 0
	for n := max(s.at, 0); n < s.count(); n++ {
		if s.index(n) == i {
			s.goTo(n)
			return
		}
	}
	s.c.goToEntry(i) // the host matches more than we do
}

// showTooFar shows the host's hit at the end of the transcript, as it is too far back to
// go there.
func (s *search) showTooFar() {
	line := s.target.AppendText(nil, wire.Viewer{Nick: s.c.nick, Dated: true})
	s.tooFar, s.seeking = s.target.ID, false
	s.beyond++
	s.target = wire.Event{}
	s.c.show(kindNotice, "found further back than chat scrolls:\n"+strings.TrimSuffix(string(line), "\n"))
	s.c.view.toEnd()
}

// slot returns the search's part of the left slot.
func (s *search) slot(r ruler, t *theme.Theme) slot {
	if s.field == nil {
		return nil
	}
	title := slotItem{text: "Search", style: theme.Bold}
	count := s.count() + s.beyond
	number := s.at + 1
	if s.tooFar > 0 {
		number = count
	}
	var state string
	switch {
	case s.words == "":
		return slot{title}
	case s.isAtHost():
		state = "older messages…"
	case number > 0:
		state = fmt.Sprintf("%d of %d", number, count)
		if s.unread > 0 || !s.hostDone && s.canAsk() {
			state += "+"
		}
	case s.seeking || s.unread > 0:
		state = "…"
	case !s.hostDone && s.canAsk():
		state = "no match here"
	default:
		return slot{{text: `No messages match "` + oneLine(r, s.words) + `".`, prose: true}}
	}
	return slot{title, {text: state, style: t.Accent.With(theme.Bold), gap: "  "}}
}

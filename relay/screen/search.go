package screen

import tea "charm.land/bubbletea/v2"

// A search is what is looked for in the transcript; the zero one is none.
type search struct {
	words string
	at    int  // the entry found last
	none  bool // there is no further one
}

// find goes to the newest message that holds words; then keys walk on.
func (t *talk) find(m *model, words string) tea.Cmd {
	if words == "" {
		t.tell(m, complaint, "usage: /search WORD; then ↑ and ↓ walk, Esc ends it")
		return nil
	}
	i := t.transcript.find(words, len(t.transcript.entries)-1, -1)
	if i < 0 {
		t.flash = "nothing here says " + words
		return nil
	}
	t.search = search{words: words, at: i}
	t.view.toEntry(m.look(t.columns(m)), &t.transcript, t.height(m), i)
	return nil
}

// key walks the hits, or ends the search. It reports whether the key was for it.
func (s *search) key(t *talk, m *model, name string) bool {
	step := 0
	switch name {
	case "up", "ctrl+p", "shift+tab":
		step = -1
	case "down", "ctrl+n", "tab":
		step = 1
	case "esc", "ctrl+c":
		*s = search{}
		return true
	case "enter":
		*s = search{}
		return t.editor.text == ""
	default:
		return false
	}
	if i := t.transcript.find(s.words, s.at+step, step); i >= 0 {
		s.at, s.none = i, false
		t.view.toEntry(m.look(t.columns(m)), &t.transcript, t.height(m), i)
	} else if s.none = true; step < 0 {
		t.askForOlder(m)
	}
	return true
}

func (s *search) state() string {
	if s.none {
		return "no further " + s.words + " · Esc ends"
	}
	return "↑ ↓ " + s.words + " · Esc ends"
}

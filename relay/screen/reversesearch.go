package screen

import "strings"

// A reverseSearch is Ctrl-R, as in a shell: it searches the input history, and each letter
// typed narrows the search down. The zero value is inactive.
type reverseSearch struct {
	active bool
	query  string
	noMore bool // nothing further contains it

	// Where the editor was when the search started.
	back   int // texts back from the end of the history
	cursor int
}

// key starts, continues or ends the search. It reports whether it used the key up: a key
// that it does not know ends it, and then acts on the text that was found.
func (s *reverseSearch) key(e *editor, name, typed string) bool {
	if !s.active {
		if name != "ctrl+r" {
			return false
		}
		e.recall(0)
		*s = reverseSearch{active: true, back: len(e.history) - e.recalled, cursor: e.cursor}
		return true
	}
	switch {
	case name == "ctrl+r":
		s.find(e, e.recalled-1, -1)
	case name == "ctrl+s":
		s.find(e, e.recalled+1, 1)
	case name == "backspace", name == "ctrl+h":
		s.query = strings.TrimSuffix(s.query, lastRune(s.query))
		s.find(e, len(e.history)-1, -1)
	case name == "ctrl+g", name == "ctrl+c":
		e.recall(len(e.history) - s.back - e.recalled)
		e.moveTo(min(s.cursor, len(e.text)))
		*s = reverseSearch{}
	case name == "esc":
		*s = reverseSearch{}
	case typed != "":
		s.query += harmless(typed)
		s.find(e, e.recalled, -1)
	default:
		*s = reverseSearch{}
		return false
	}
	return true
}

// find recalls the nearest text that contains the query, from the one at from on, in the
// direction of step (1 or -1).
func (s *reverseSearch) find(e *editor, from, step int) {
	e.drafts[e.recalled] = e.text
	for i := min(from, len(e.history)-1); i >= 0 && i < len(e.history); i += step {
		if at := findFold(e.drafts[i], s.query); len(at) > 0 {
			e.recall(i - e.recalled)
			e.moveTo(at[len(at)-1].from)
			s.noMore = false
			return
		}
	}
	s.noMore = s.query != ""
}

// hint returns the state of the search, and its keys.
func (s *reverseSearch) hint() []string {
	switch {
	case s.query == "":
		return []string{"Search earlier input", "Esc: close"}
	case s.noMore:
		return []string{"No more input with “" + s.query + "”", "Esc: keep this", "Ctrl-G: back"}
	}
	return []string{"Input with “" + s.query + "”", "Ctrl-R: older", "Esc: keep this", "Ctrl-G: back"}
}

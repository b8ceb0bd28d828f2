package screen

import "strings"

// A recollection is Ctrl-R, as in a shell: what is typed is looked for in what was
// written before, and each letter more narrows it down. The zero one is none.
type recollection struct {
	active bool
	words  string
	none   bool // nothing more has them
	back   int  // how far back in the history we were when it began
	cursor int  // where the cursor was
}

// key begins to look, goes on or ends it. It reports whether the key was for it alone:
// other keys than these end it, and do with what was found what they always do.
func (r *recollection) key(e *editor, name, typed string) bool {
	if !r.active {
		if name != "ctrl+r" {
			return false
		}
		e.recallBy(0)
		*r = recollection{active: true, back: len(e.history) - e.recall, cursor: e.at}
		return true
	}
	switch {
	case name == "ctrl+r":
		r.find(e, e.recall-1, -1)
	case name == "ctrl+s":
		r.find(e, e.recall+1, 1)
	case name == "backspace", name == "ctrl+h":
		r.words = strings.TrimSuffix(r.words, lastRune(r.words))
		r.find(e, len(e.history)-1, -1)
	case name == "ctrl+g", name == "ctrl+c":
		e.recallBy(len(e.history) - r.back - e.recall)
		e.moveTo(min(r.cursor, len(e.text)))
		*r = recollection{}
	case name == "esc":
		*r = recollection{}
	case typed != "":
		r.words += harmless(typed)
		r.find(e, e.recall, -1)
	default:
		*r = recollection{}
		return false
	}
	return true
}

// find goes to the nearest text that has the words, in the direction of step (1 or
// -1), the one at from included.
func (r *recollection) find(e *editor, from, step int) {
	e.opened[e.recall] = e.text
	for i := min(from, len(e.history)-1); i >= 0 && i < len(e.history); i += step {
		if at := foldedIn(e.opened[i], r.words); len(at) > 0 {
			e.recallBy(i - e.recall)
			e.moveTo(at[len(at)-1].from)
			r.none = false
			return
		}
	}
	r.none = r.words != ""
}

// hint tells what is looked for, and how that goes on.
func (r *recollection) hint() string {
	switch {
	case r.words == "":
		return "looks for what you wrote · Esc ends"
	case r.none:
		return "you wrote nothing more with “" + r.words + "” · Esc ends, Ctrl-G goes back"
	}
	return "what you wrote with “" + r.words + "” · Ctrl-R: before that · Esc ends, Ctrl-G goes back"
}

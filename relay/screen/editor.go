package screen

import (
	"slices"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

const (
	undoDepth    = 1000 // changes; a word that is typed is one
	historyDepth = 200  // texts that were sent
	killDepth    = 60   // texts that were killed
)

// An editor is the text being written: a small emacs, as shells have it. Its text
// is valid UTF-8 without control characters but tabs and newlines.
//
// The cursor stands between characters as the reader sees them, and moves by them.
// Only where a change joins what is before it with what is behind it (a first half
// of a flag typed before another flag) it stays within the joined character, so
// that what is typed next lands where the person writes.
type editor struct {
	ruler ruler
	text  string
	at    int // the cursor, in bytes of text
	limit int // of text, in bytes

	last   deed     // what the last key did
	killed []string // what yank brings back, the last one last
	yanked int      // which of them stands there, after yanking
	done   []change // to undo, the last one last
	undone []change // to redo, the next one last
	goal   int      // the column that moving up and down keeps to, and 1; 0: where the cursor is

	history []string // what was sent, oldest first
	opened  []string // nil, or the history as it was changed since, and last the draft
	recall  int      // place in opened
}

// A deed is what a key did, as far as the next key joins in it.
type deed uint8

const (
	nothing deed = iota
	typing       // a letter: a word is undone at once
	erasing      // by Backspace or Delete: what goes in one run is undone at once
	killing      // what goes in one run is brought back at once
	yanking      // what is brought back can be turned into what was killed before it
)

// A change is what stood at from, what was put in its place, and where the cursor was.
type change struct {
	from     int
	old, new string
	at       int
}

// join makes one change of c and next, which came behind it, where they touch.
func (c *change) join(next change) bool {
	switch {
	case next.old == "" && next.from == c.from+len(c.new): // typed on
		c.new += next.new
	case next.new == "" && c.new == "" && next.from == c.from: // Delete again
		c.old += next.old
	case next.new == "" && c.new == "" && next.from+len(next.old) == c.from: // Backspace again
		c.old, c.from = next.old+c.old, next.from
	default:
		return false
	}
	return true
}

// replace puts s in the place of text[from:to]. All changes go through it.
func (e *editor) replace(from, to int, s string, d deed) {
	c := change{from, strings.Clone(e.text[from:to]), s, e.at}
	goesOn := d == e.last && (d == typing || d == erasing)
	if !goesOn || !e.done[len(e.done)-1].join(c) {
		e.done = append(e.done, c)
		if len(e.done) > undoDepth {
			e.done = slices.Delete(e.done, 0, 1)
		}
	}
	e.undone, e.last, e.goal = nil, d, 0
	e.text = e.text[:from] + s + e.text[to:]
	e.at = from + len(s)
}

// undo goes one change back.
func (e *editor) undo() {
	if n := len(e.done) - 1; n >= 0 {
		c := e.done[n]
		e.done, e.undone = e.done[:n], append(e.undone, c)
		e.text = e.text[:c.from] + c.old + e.text[c.from+len(c.new):]
		e.moveTo(c.at)
	}
}

// redo goes one change forward again.
func (e *editor) redo() {
	if n := len(e.undone) - 1; n >= 0 {
		c := e.undone[n]
		e.undone, e.done = e.undone[:n], append(e.done, c)
		e.text = e.text[:c.from] + c.new + e.text[c.from+len(c.old):]
		e.moveTo(c.from + len(c.new))
	}
}

func (e *editor) moveTo(at int) { e.at, e.last, e.goal = at, nothing, 0 }

// set replaces the text, as one change.
func (e *editor) set(text string) {
	text = clip(harmless(text), e.limit)
	if text != e.text {
		e.replace(0, len(e.text), text, nothing)
	}
	e.moveTo(len(text))
}

// insert puts s where the cursor is. What is over the limit is not put: it reports
// whether all was.
func (e *editor) insert(s string) bool {
	s = harmless(s)
	fits := clip(s, e.limit-len(e.text))
	if fits == "" {
		return s == ""
	}
	d := nothing
	if fits != "\n" && fits == character(fits) {
		d = typing
	}
	e.replace(e.at, e.at, fits, d)
	if fits == " " { // a word ends with it
		e.last = nothing
	}
	return fits == s
}

// harmless returns s as the text may hold it.
func harmless(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r != '\n' && r != '\t' && unicode.IsControl(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// clip returns as many of the first characters of s as have room in so many bytes.
func clip(s string, room int) string {
	if len(s) <= room {
		return s
	}
	n := 0
	for n+len(character(s[n:])) <= room {
		n += len(character(s[n:]))
	}
	return s[:n]
}

// erase takes text[from:to] away.
func (e *editor) erase(from, to int) {
	if from < to {
		e.replace(from, to, "", erasing)
	}
}

// kill takes text[from:to] away, and has yank bring it back.
func (e *editor) kill(from, to int) {
	if from == to {
		return
	}
	piece := strings.Clone(e.text[from:to])
	switch last := len(e.killed) - 1; {
	case e.last != killing:
		e.killed = append(e.killed, piece)
		e.killed = slices.Delete(e.killed, 0, max(len(e.killed)-killDepth, 0))
	case from < e.at:
		e.killed[last] = piece + e.killed[last]
	default:
		e.killed[last] += piece
	}
	e.replace(from, to, "", killing)
}

// yank brings back what was killed last.
func (e *editor) yank() { e.yankAt(len(e.killed) - 1) }

// yankBefore puts in the place of what was just brought back what was killed before it;
// before the first comes the last.
func (e *editor) yankBefore() {
	if e.last != yanking {
		return
	}
	e.undo()
	e.yankAt((e.yanked + len(e.killed) - 1) % len(e.killed))
}

func (e *editor) yankAt(i int) {
	if i < 0 {
		return
	}
	before := e.text
	e.last = nothing // what is brought back is a change of its own
	if e.insert(e.killed[i]); e.text != before {
		e.last, e.yanked = yanking, i
	}
}

// transpose swaps the characters around the cursor; at the end of a line, the two
// before it.
func (e *editor) transpose() {
	at := e.at
	if at == e.lineEnd() {
		at = e.before(at)
	}
	from, to := e.before(at), e.after(at)
	if from >= e.lineStart() && from < at && at < to {
		e.replace(from, to, e.text[at:to]+e.text[from:at], nothing)
	}
}

// putAway empties the editor. What was in it is the last of the history, and undo
// brings it back too.
func (e *editor) putAway() {
	opened, recall := e.opened, e.recall
	e.opened = nil
	for i, text := range opened { // what was changed or begun, and left
		if i != recall && !slices.Contains(e.history, text) {
			e.keep(text)
		}
	}
	e.keep(e.text)
	e.set("")
}

// sent empties the editor for good. What was in it is the last of the history.
func (e *editor) sent() {
	e.putAway()
	e.done, e.undone = nil, nil
}

// keep puts text into the history, and leaves what is being written as it is.
func (e *editor) keep(text string) {
	n := len(e.history)
	if text == "" || n > 0 && e.history[n-1] == text {
		return
	}
	e.history = append(e.history, text)
	if e.opened != nil {
		e.opened = slices.Insert(e.opened, n, text)
		if e.recall == n { // the draft is behind it
			e.recall++
		}
	}
	if n == historyDepth {
		e.history = slices.Delete(e.history, 0, 1)
		if e.opened != nil {
			e.opened = slices.Delete(e.opened, 0, 1)
			e.recall = max(e.recall-1, 0)
		}
	}
}

// recallBy goes n texts forward in the history, or back; the draft is behind the
// last one. What was changed in a text stays in it until something is sent.
func (e *editor) recallBy(n int) {
	if e.opened == nil {
		e.opened = append(slices.Clone(e.history), e.text)
		e.recall = len(e.history)
	}
	to := min(max(e.recall+n, 0), len(e.history))
	if to == e.recall {
		return
	}
	e.opened[e.recall] = e.text
	e.recall = to
	e.set(e.opened[to])
}

// character cuts the first character off s as the reader sees it, with its marks
// and joiners, whatever the terminal at hand makes of them.
func character(s string) string {
	char, _ := ruler{method: ansi.GraphemeWidth}.first(s)
	return char
}

// floor returns where the character that at is in begins, or at where it is in none.
func (e *editor) floor(at int) int {
	i := strings.LastIndexByte(e.text[:at], '\n') + 1 // characters do not reach over it
	for i < at {
		next := i + len(character(e.text[i:]))
		if next > at {
			break
		}
		i = next
	}
	return i
}

// before returns where the character before at begins, after where the one behind
// it ends.
func (e *editor) before(at int) int {
	if at == 0 {
		return 0
	}
	return e.floor(at - 1)
}

func (e *editor) after(at int) int {
	if at == len(e.text) {
		return at
	}
	i := e.floor(at)
	return i + len(character(e.text[i:]))
}

// ceil returns where the character that at is in ends, or at where it is in none.
func (e *editor) ceil(at int) int {
	if e.floor(at) == at {
		return at
	}
	return e.after(at)
}

// wordBefore and wordAfter return where the word before the cursor begins and the
// one behind it ends.
func (e *editor) wordBefore() int {
	rest := strings.TrimRightFunc(e.text[:e.at], isBreak)
	return e.floor(len(strings.TrimRightFunc(rest, isLetter)))
}

func (e *editor) wordAfter() int {
	rest := strings.TrimLeftFunc(e.text[e.at:], isBreak)
	return e.ceil(len(e.text) - len(strings.TrimLeftFunc(rest, isLetter)))
}

func isWord(r rune) bool { return unicode.In(r, unicode.L, unicode.M, unicode.N) || r == '_' }

// isLetter is isWord, but that what makes an emoji of a sign makes no word of it.
func isLetter(r rune) bool { return isWord(r) && r != vs16 }
func isBreak(r rune) bool  { return !isLetter(r) }

// blankBefore returns where the run of anything but spaces before the cursor begins.
func (e *editor) blankBefore() int {
	rest := strings.TrimRightFunc(e.text[:e.at], unicode.IsSpace)
	return e.floor(len(strings.TrimRightFunc(rest, isInk)))
}

func isInk(r rune) bool { return !unicode.IsSpace(r) }

// lineStart and lineEnd return where the line that the cursor is in begins and ends.
func (e *editor) lineStart() int { return strings.LastIndexByte(e.text[:e.at], '\n') + 1 }

func (e *editor) lineEnd() int {
	if i := strings.IndexByte(e.text[e.at:], '\n'); i >= 0 {
		return e.at + i
	}
	return len(e.text)
}

// killEnd returns up to where Ctrl-K kills: the end of the line, or at the end of
// it, the newline.
func (e *editor) killEnd() int {
	if end := e.lineEnd(); end > e.at {
		return end
	}
	return e.after(e.at)
}

// key does what a key does in every line editor, by the name that Bubble Tea gives
// it. It reports whether it knew it. Ctrl-_ and Ctrl-/ are one key to most
// terminals; those that tell more about keys have several names for either.
func (e *editor) key(name string) bool {
	switch name {
	case "left", "ctrl+b":
		e.moveTo(e.before(e.at))
	case "right", "ctrl+f":
		e.moveTo(e.after(e.at))
	case "ctrl+left", "alt+left", "alt+b":
		e.moveTo(e.wordBefore())
	case "ctrl+right", "alt+right", "alt+f":
		e.moveTo(e.wordAfter())
	case "home", "ctrl+a":
		e.moveTo(e.lineStart())
	case "end", "ctrl+e":
		e.moveTo(e.lineEnd())
	case "ctrl+home", "alt+<", "alt+shift+,", "alt+shift+<":
		e.moveTo(0)
	case "ctrl+end", "alt+>", "alt+shift+.", "alt+shift+>":
		e.moveTo(len(e.text))
	case "backspace", "ctrl+h", "shift+backspace":
		e.erase(e.before(e.at), e.at)
	case "delete", "ctrl+d", "shift+delete":
		e.erase(e.at, e.after(e.at))
	case "ctrl+w":
		e.kill(e.blankBefore(), e.at)
	case "alt+backspace", "ctrl+backspace", "ctrl+alt+h":
		e.kill(e.wordBefore(), e.at)
	case "alt+d", "ctrl+delete", "alt+delete":
		e.kill(e.at, e.wordAfter())
	case "ctrl+u":
		e.kill(e.lineStart(), e.at)
	case "ctrl+k":
		e.kill(e.at, e.killEnd())
	case "ctrl+y":
		e.yank()
	case "alt+y":
		e.yankBefore()
	case "ctrl+t":
		e.transpose()
	case "ctrl+_", "ctrl+/", "ctrl+7", "ctrl+-", "ctrl+shift+-", "ctrl+shift+_":
		e.undo()
	case "alt+_", "alt+/", "alt+shift+-", "alt+shift+_", "ctrl+alt+_", "ctrl+alt+/":
		e.redo()
	case "alt+enter", "shift+enter", "ctrl+enter", "ctrl+j":
		e.insert("\n")
	case "ctrl+p":
		e.recallBy(-1)
	case "ctrl+n":
		e.recallBy(1)
	default:
		return false
	}
	return true
}

// An inputRow is one row of the text.
type inputRow struct {
	text  string // as it is shown
	start int    // where it begins in the editor's text
}

// rows lays the text out in rows of fewer than so many columns: the last one is for
// the cursor behind a full row. It returns where the cursor is.
func (e *editor) rows(columns int) (rows []inputRow, row, column int) {
	found := false
	rows = e.lay(columns, func(at, r, c int) {
		if !found && at >= e.at {
			found, row, column = true, r, c
		}
	})
	return rows, row, column
}

// lay is rows, and tells place of each place where the cursor can stand.
func (e *editor) lay(columns int, place func(at, row, column int)) (rows []inputRow) {
	width := max(columns, 3) - 1 // a wide character fits
	var shown strings.Builder
	start, used := 0, 0
	endRow := func(next int) {
		rows = append(rows, inputRow{shown.String(), start})
		shown.Reset()
		start, used = next, 0
	}
	for i := 0; i < len(e.text); {
		char := character(e.text[i:])
		if char == "\n" {
			place(i, len(rows), used)
			i++
			endRow(i)
			continue
		}
		drawn, n := e.draw(char, used, width)
		if used+n > width {
			endRow(i)
			drawn, n = e.draw(char, 0, width)
		}
		place(i, len(rows), used)
		shown.WriteString(drawn)
		used += n
		i += len(char)
	}
	place(len(e.text), len(rows), used)
	endRow(len(e.text))
	return rows
}

// draw returns how a character is shown behind so many columns of a row of width,
// and how many it takes.
func (e *editor) draw(char string, used, width int) (drawn string, columns int) {
	if char == "\t" {
		columns = min(tabStop-used%tabStop, width)
		return strings.Repeat(" ", columns), columns
	}
	drawn = e.ruler.show(char)
	if columns = e.ruler.width(drawn); columns > width {
		return "\uFFFD", 1
	}
	return drawn, columns
}

// vertical moves the cursor by n rows. It reports whether there was such a row.
func (e *editor) vertical(n, columns int) bool {
	rows, row, column := e.rows(columns)
	row += n
	if row < 0 || row >= len(rows) {
		return false
	}
	if e.goal > 0 { // on the way up or down already, perhaps in a shorter row
		column = e.goal - 1
	}
	at := rows[row].start
	e.lay(columns, func(next, r, c int) {
		if r == row && c <= column {
			at = next
		}
	})
	e.moveTo(at)
	e.goal = column + 1
	return true
}

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

// An editor is the text being written, with the keys that shells have from Emacs. Its text
// is valid UTF-8 without control characters but tabs and newlines. It is owned by Bubble
// Tea's event loop.
//
// The cursor stands between characters as the reader sees them, and moves by them. There
// is one exception: if a change joins the text before it with the text after it (half of a
// flag typed before another flag), the cursor stays within the joined character, so that
// the next letter goes where the person is writing.
type editor struct {
	ruler  ruler
	text   string
	cursor int // in bytes of text
	limit  int // of text, in bytes

	last       editKind // of the last key
	undos      []change // the last one last
	redos      []change // the next one last
	killed     []string // what yank brings back, the last one last
	yanked     int      // which of them was just yanked
	goalColumn int      // that moving up and down keeps to, plus 1; 0: the cursor's

	history  []string // texts that were sent, oldest first
	drafts   []string // nil, or the history as it was edited since the last send, and the text begun
	recalled int      // which of drafts is being edited
}

// An editKind is the effect of a key, as far as the next key can continue it.
type editKind uint8

const (
	otherEdit editKind = iota
	typing             // a character: one undo removes a word
	erasing            // by Backspace or Delete: one undo brings back a run
	killing            // one yank brings back a run
	yanking            // the next key can replace the text by the one killed before it
)

// A change replaces old, which starts at from, by new.
type change struct {
	from     int
	old, new string
	cursor   int // before the change
}

// merge adds next, the change after c, to c if they touch. It reports whether it did.
func (c *change) merge(next change) bool {
	switch {
	case next.old == "" && next.from == c.from+len(c.new): // typed further
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

// replace replaces text[from:to] by s. All changes go through it.
func (e *editor) replace(from, to int, s string, kind editKind) {
	c := change{from, strings.Clone(e.text[from:to]), s, e.cursor}
	continued := kind == e.last && (kind == typing || kind == erasing)
	if !continued || !e.undos[len(e.undos)-1].merge(c) {
		e.undos = append(e.undos, c)
		if len(e.undos) > undoDepth {
			e.undos = slices.Delete(e.undos, 0, 1)
		}
	}
	e.redos, e.last, e.goalColumn = nil, kind, 0
	e.text = e.text[:from] + s + e.text[to:]
	e.cursor = from + len(s)
}

// undo reverts the last change.
func (e *editor) undo() {
	if n := len(e.undos) - 1; n >= 0 {
		c := e.undos[n]
		e.undos, e.redos = e.undos[:n], append(e.redos, c)
		e.text = e.text[:c.from] + c.old + e.text[c.from+len(c.new):]
		e.moveTo(c.cursor)
	}
}

// redo makes the last reverted change again.
func (e *editor) redo() {
	if n := len(e.redos) - 1; n >= 0 {
		c := e.redos[n]
		e.redos, e.undos = e.redos[:n], append(e.undos, c)
		e.text = e.text[:c.from] + c.new + e.text[c.from+len(c.old):]
		e.moveTo(c.from + len(c.new))
	}
}

func (e *editor) moveTo(at int) { e.cursor, e.last, e.goalColumn = at, otherEdit, 0 }

// set replaces the whole text, as one change.
func (e *editor) set(text string) {
	text = clip(harmless(text), e.limit)
	if text != e.text {
		e.replace(0, len(e.text), text, otherEdit)
	}
	e.moveTo(len(text))
}

// insert inserts as much of s at the cursor as fits the limit. It reports whether all did.
func (e *editor) insert(s string) bool {
	s = harmless(s)
	fits := clip(s, e.limit-len(e.text))
	if fits == "" {
		return s == ""
	}
	kind := otherEdit
	if fits != "\n" && fits == character(fits) {
		kind = typing
	}
	e.replace(e.cursor, e.cursor, fits, kind)
	if fits == " " { // it ends a word
		e.last = otherEdit
	}
	return fits == s
}

// harmless returns s as an editor may hold it.
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

// clip returns the first characters of s that fit in room bytes.
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

// erase deletes text[from:to].
func (e *editor) erase(from, to int) {
	if from < to {
		e.replace(from, to, "", erasing)
	}
}

// kill deletes text[from:to] for yank to bring back.
func (e *editor) kill(from, to int) {
	if from == to {
		return
	}
	piece := strings.Clone(e.text[from:to])
	switch last := len(e.killed) - 1; {
	case e.last != killing:
		e.killed = append(e.killed, piece)
		e.killed = slices.Delete(e.killed, 0, max(len(e.killed)-killDepth, 0))
	case from < e.cursor:
		e.killed[last] = piece + e.killed[last]
	default:
		e.killed[last] += piece
	}
	e.replace(from, to, "", killing)
}

// yank inserts the text that was killed last.
func (e *editor) yank() { e.yankAt(len(e.killed) - 1) }

// yankBefore replaces the text that was just yanked by the one killed before it, and the
// first by the last.
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
	e.last = otherEdit // a yank is a change of its own
	if e.insert(e.killed[i]); e.text != before {
		e.last, e.yanked = yanking, i
	}
}

// transpose swaps the characters around the cursor; at the end of a line, the two
// before it.
func (e *editor) transpose() {
	at := e.cursor
	if at == e.lineEnd() {
		at = e.charBefore(at)
	}
	from, to := e.charBefore(at), e.charAfter(at)
	if from >= e.lineStart() && from < at && at < to {
		e.replace(from, to, e.text[at:to]+e.text[from:at], otherEdit)
	}
}

// putAway empties the editor. Its text becomes the last of the history; undo brings it
// back too.
func (e *editor) putAway() {
	drafts, recalled := e.drafts, e.recalled
	e.drafts = nil
	for i, text := range drafts { // edited or begun, and left
		if i != recalled && !slices.Contains(e.history, text) {
			e.addHistory(text)
		}
	}
	e.addHistory(e.text)
	e.set("")
}

// sent empties the editor after its text was sent: only the history brings it back.
func (e *editor) sent() {
	e.putAway()
	e.undos, e.redos = nil, nil
}

// addHistory adds text to the history. The text being written stays as it is.
func (e *editor) addHistory(text string) {
	n := len(e.history)
	if text == "" || n > 0 && e.history[n-1] == text {
		return
	}
	e.history = append(e.history, text)
	if e.drafts != nil {
		e.drafts = slices.Insert(e.drafts, n, text)
		if e.recalled == n { // the text begun comes after it
			e.recalled++
		}
	}
	if n == historyDepth {
		e.history = slices.Delete(e.history, 0, 1)
		if e.drafts != nil {
			e.drafts = slices.Delete(e.drafts, 0, 1)
			e.recalled = max(e.recalled-1, 0)
		}
	}
}

// recall goes n texts forward in the history, or back; after the last one comes the text
// begun. Edits of a recalled text are kept until something is sent.
func (e *editor) recall(n int) {
	if e.drafts == nil {
		e.drafts = append(slices.Clone(e.history), e.text)
		e.recalled = len(e.history)
	}
	to := min(max(e.recalled+n, 0), len(e.history))
	if to == e.recalled {
		return
	}
	e.drafts[e.recalled] = e.text
	e.recalled = to
	e.set(e.drafts[to])
}

// isRecalled reports whether the text is one of the history, as it was sent.
func (e *editor) isRecalled() bool {
	return e.drafts != nil && e.recalled < len(e.history) && e.text == e.history[e.recalled]
}

// character returns the first character of s as the reader sees it, with its marks and
// joiners, whether or not the terminal supports them.
func character(s string) string {
	char, _ := ruler{method: ansi.GraphemeWidth}.first(s)
	return char
}

// charStart returns where the character that contains at starts; at if at is between two.
func (e *editor) charStart(at int) int {
	i := strings.LastIndexByte(e.text[:at], '\n') + 1 // characters do not span lines
	for i < at {
		next := i + len(character(e.text[i:]))
		if next > at {
			break
		}
		i = next
	}
	return i
}

// charBefore returns where the character before at starts, charAfter where the next one
// ends.
func (e *editor) charBefore(at int) int {
	if at == 0 {
		return 0
	}
	return e.charStart(at - 1)
}

func (e *editor) charAfter(at int) int {
	if at == len(e.text) {
		return at
	}
	i := e.charStart(at)
	return i + len(character(e.text[i:]))
}

// charEnd returns where the character that contains at ends; at if at is between two.
func (e *editor) charEnd(at int) int {
	if e.charStart(at) == at {
		return at
	}
	return e.charAfter(at)
}

// wordBefore and wordAfter return where the word before the cursor starts and where the
// one after it ends.
func (e *editor) wordBefore() int {
	rest := strings.TrimRightFunc(e.text[:e.cursor], isBreak)
	return e.charStart(len(strings.TrimRightFunc(rest, isLetter)))
}

func (e *editor) wordAfter() int {
	rest := strings.TrimLeftFunc(e.text[e.cursor:], isBreak)
	return e.charEnd(len(e.text) - len(strings.TrimLeftFunc(rest, isLetter)))
}

func isWord(r rune) bool { return unicode.In(r, unicode.L, unicode.M, unicode.N) || r == '_' }

// isLetter is isWord, except that the selector that makes an emoji of a sign does not make
// it a word.
func isLetter(r rune) bool { return isWord(r) && r != vs16 }
func isBreak(r rune) bool  { return !isLetter(r) }

// blankBefore returns where the run of non-spaces before the cursor starts.
func (e *editor) blankBefore() int {
	rest := strings.TrimRightFunc(e.text[:e.cursor], unicode.IsSpace)
	return e.charStart(len(strings.TrimRightFunc(rest, isNotSpace)))
}

func isNotSpace(r rune) bool { return !unicode.IsSpace(r) }

// lineStart and lineEnd return where the cursor's line starts and ends.
func (e *editor) lineStart() int { return strings.LastIndexByte(e.text[:e.cursor], '\n') + 1 }

func (e *editor) lineEnd() int {
	if i := strings.IndexByte(e.text[e.cursor:], '\n'); i >= 0 {
		return e.cursor + i
	}
	return len(e.text)
}

// killEnd returns where Ctrl-K stops: at the end of the line, or if the cursor is there,
// after the newline.
func (e *editor) killEnd() int {
	if end := e.lineEnd(); end > e.cursor {
		return end
	}
	return e.charAfter(e.cursor)
}

// key handles a key, by the name that Bubble Tea gives it, as every line editor does. It
// reports whether the editor knows the key. Ctrl-_ and Ctrl-/ are the same key to most
// terminals; those that report keys in more detail have several names for each.
func (e *editor) key(name string) bool {
	switch name {
	case "left", "ctrl+b":
		e.moveTo(e.charBefore(e.cursor))
	case "right", "ctrl+f":
		e.moveTo(e.charAfter(e.cursor))
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
		e.erase(e.charBefore(e.cursor), e.cursor)
	case "delete", "ctrl+d", "shift+delete":
		e.erase(e.cursor, e.charAfter(e.cursor))
	case "ctrl+w":
		e.kill(e.blankBefore(), e.cursor)
	case "alt+backspace", "ctrl+backspace", "ctrl+alt+h":
		e.kill(e.wordBefore(), e.cursor)
	case "alt+d", "ctrl+delete", "alt+delete":
		e.kill(e.cursor, e.wordAfter())
	case "ctrl+u":
		e.kill(e.lineStart(), e.cursor)
	case "ctrl+k":
		e.kill(e.cursor, e.killEnd())
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
		e.recall(-1)
	case "ctrl+n":
		e.recall(1)
	default:
		return false
	}
	return true
}

// An inputRow is one row of the text.
type inputRow struct {
	text  string // as it is shown
	start int    // where it starts in the editor's text
}

// rows lays the text out in rows of fewer than columns columns: the last column is for the
// cursor after a full row. It returns where the cursor is.
func (e *editor) rows(columns int) (rows []inputRow, row, column int) {
	found := false
	rows = e.layOut(columns, func(at, r, c int) {
		if !found && at >= e.cursor {
			found, row, column = true, r, c
		}
	})
	return rows, row, column
}

// layOut is rows, and calls place for each place that the cursor can be in.
func (e *editor) layOut(columns int, place func(at, row, column int)) (rows []inputRow) {
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

// draw returns how a character is shown in a row of width columns, used of which are taken,
// and its own width.
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

// moveRow moves the cursor by n rows. It reports whether there is such a row.
func (e *editor) moveRow(n, columns int) bool {
	rows, row, column := e.rows(columns)
	row += n
	if row < 0 || row >= len(rows) {
		return false
	}
	if e.goalColumn > 0 { // moving up or down already, perhaps over a shorter row
		column = e.goalColumn - 1
	}
	at := rows[row].start
	e.layOut(columns, func(next, r, c int) {
		if r == row && c <= column {
			at = next
		}
	})
	e.moveTo(at)
	e.goalColumn = column + 1
	return true
}

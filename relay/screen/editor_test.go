package screen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"chat/relay/wire"
)

var rulers = map[string]ruler{"clusters": {method: ansi.GraphemeWidth}, "runes": {method: ansi.WcWidth}}

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func newEditor(text string) *editor {
	return &editor{ruler: rulers["clusters"], text: text, cursor: len(text), limit: wire.MessageBytes}
}

// edit presses the keys named in brackets, and types everything else letter by letter:
// "ab[left]c" leaves "acb".
func edit(e *editor, script string) *editor {
	for script != "" {
		if script[0] == '[' {
			name, rest, _ := strings.Cut(script[1:], "]")
			if !e.key(name) {
				panic("the editor does not know the key " + name)
			}
			script = rest
			continue
		}
		char := character(script)
		e.insert(char)
		script = script[len(char):]
	}
	return e
}

// state shows the text with a bar where the cursor is.
func state(e *editor) string { return e.text[:e.cursor] + "|" + e.text[e.cursor:] }

func TestEditorKeys(t *testing.T) {
	const (
		family = "👩‍👩‍👧" // five runes
		flags  = "🇩🇪🇫🇷"
	)
	for _, test := range []struct{ script, want string }{
		// moves
		{"abc[left]x", "abx|c"},
		{"abc[ctrl+b][ctrl+b][ctrl+f]x", "abx|c"},
		{"one two[ctrl+a]x", "x|one two"},
		{"one two[ctrl+a][ctrl+e]x", "one twox|"},
		{"one[ctrl+j]two[ctrl+a]x", "one\nx|two"},
		{"one[alt+enter]two[left][left][left][left][ctrl+a][home]x", "x|one\ntwo"},
		{"one[ctrl+j]two[ctrl+home][end]x", "onex|\ntwo"},
		{"one[ctrl+j]two[alt+<]x[alt+>]y", "xone\ntwoy|"},
		{"one, two[alt+b]x", "one, x|two"},
		{"one, two[alt+b][alt+b]x", "x|one, two"},
		{"one, two[ctrl+a][alt+f]x", "onex|, two"},
		{"one, two[ctrl+a][alt+f][alt+f]x", "one, twox|"},
		{"[left][right][alt+b][alt+f]x", "x|"},

		// no character is split
		{"a" + family + "b[left][left]x", "ax|" + family + "b"},
		{"a" + family + "[backspace]", "a|"},
		{flags + "[left][backspace]", "|🇫🇷"},
		{flags + "[left][delete]", "🇩🇪|"},
		{"e\u0301e\u0301[left][backspace]", "|e\u0301"},
		{"❤️a[alt+b]x", "❤️x|a"},
		{"a❤️[alt+b]x", "x|a❤️"},
		{"a ❤️[alt+b][alt+b]x", "x|a ❤️"},
		{"1️⃣ a[ctrl+w]", "1️⃣ |"},
		{"一\u3000二[ctrl+w]", "一\u3000|"},
		{"a\u00a0b[ctrl+w]", "a\u00a0|"},

		// kill and yank
		{"one two  [ctrl+w]", "one |"},
		{"one, two.[alt+backspace]", "one, |"},
		{"one, two.[ctrl+w][ctrl+w]", "|"},
		{"one, two.[ctrl+w][ctrl+w][ctrl+y]", "one, two.|"},
		{"one two[ctrl+w][left][ctrl+w][ctrl+y]", "one| "},
		{"one two[ctrl+a][alt+d][alt+d]", "|"},
		{"one two[ctrl+a][alt+d][alt+d][ctrl+y]!", "one two!|"},
		{"one two[alt+b][ctrl+u]", "|two"},
		{"one two[alt+b][ctrl+u][ctrl+e][ctrl+y]", "twoone |"},
		{"one two[alt+b][ctrl+k]", "one |"},
		{"one[ctrl+j]two[ctrl+u]", "one\n|"},
		{"one[ctrl+j]two[ctrl+home][ctrl+k][ctrl+k]", "|two"},
		{"one[ctrl+j]two[ctrl+home][ctrl+k][ctrl+k][ctrl+y]", "one\n|two"},
		{"ab[ctrl+d][left][ctrl+d]", "a|"},
		{"ab[ctrl+h]", "a|"},
		{"[backspace][delete][ctrl+w][ctrl+u][ctrl+k][alt+d][ctrl+y][alt+y]", "|"},
		{"one[ctrl+w]two[ctrl+w]six[ctrl+w][ctrl+y]", "six|"},
		{"one[ctrl+w]two[ctrl+w]six[ctrl+w][ctrl+y][alt+y]", "two|"},
		{"one[ctrl+w]two[ctrl+w]six[ctrl+w][ctrl+y][alt+y][alt+y]", "one|"},
		{"one[ctrl+w]two[ctrl+w]six[ctrl+w][ctrl+y][alt+y][alt+y][alt+y]", "six|"},
		{"one[ctrl+w]two[ctrl+w]six[ctrl+w][ctrl+y][alt+y][ctrl+y]", "twosix|"},
		{"one[ctrl+w]two[ctrl+w]<>[left][ctrl+y][alt+y]x", "<onex|>"},
		{"one[ctrl+w]two[ctrl+w]a[ctrl+y][alt+y][ctrl+_]", "a|"},
		{"one[ctrl+w]two[ctrl+w][ctrl+y]x[alt+y]", "twox|"},

		// transposing
		{"ab[ctrl+t]", "ba|"},
		{"abc[left][ctrl+t]", "acb|"},
		{"a[ctrl+t]", "a|"},
		{"[ctrl+t]", "|"},
		{"ab[ctrl+a][ctrl+t]", "|ab"},
		{"x[ctrl+j]a[ctrl+t]", "x\na|"},
		{"a" + family + "[ctrl+t]", family + "a|"},

		// undo
		{"one two three[ctrl+_]", "one two |"},
		{"one two three[ctrl+/][ctrl+7]", "one |"},
		{"one two three[ctrl+_][ctrl+_][ctrl+_][ctrl+_]", "|"},
		{"one two[ctrl+_][alt+/]", "one two|"},
		{"one two[ctrl+_][ctrl+_][ctrl+alt+_][alt+_]", "one two|"},
		{"one[ctrl+_]x[alt+/]", "x|"},
		{"one[backspace][backspace][ctrl+_]", "one|"},
		{"one[left][left][delete][delete][ctrl+_]", "o|ne"},
		{"one two[left][ctrl+w][ctrl+_]", "one tw|o"},
		{"one[ctrl+w][ctrl+y]x[ctrl+_]", "one|"},
		{"one[left]x[ctrl+_]", "on|e"},
	} {
		if got := state(edit(newEditor(""), test.script)); got != test.want {
			t.Errorf("%s: %q, want %q", test.script, got, test.want)
		}
	}
}

// Letters typed inside of a character that they become part of stay in order.
func TestEditorTypingIntoACharacter(t *testing.T) {
	for _, test := range []struct{ text, typed string }{
		{"🇫🇷", "🇩🇪"},
		{"👧", "👩\u200d👩\u200d"},
		{"\u0937", "\u0915\u094d\u0924"}, // a conjunct of Devanagari
	} {
		e := newEditor(test.text)
		e.key("ctrl+a")
		for _, r := range test.typed {
			e.insert(string(r))
		}
		if want := test.typed + test.text; e.text != want {
			t.Errorf("typed %+q before %+q: %+q", test.typed, test.text, e.text)
		}
	}
}

func TestEditorLimit(t *testing.T) {
	e := &editor{limit: 10}
	if !e.insert("12345") || e.insert("é34567") || e.text != "12345é345"[:10] {
		t.Errorf("a text of 10 bytes is %q", e.text)
	}
	if e.insert("x") {
		t.Error("more than the limit was inserted")
	}
	e.undo()
	if e.text != "12345" {
		t.Errorf("undo leaves %q", e.text)
	}
	if e.insert("12👩‍👩‍👧"); e.text != "1234512" {
		t.Errorf("half a character was inserted: %q", e.text)
	}
	if e.set("12345678901"); e.text != "1234567890" {
		t.Errorf("set to %q", e.text)
	}
}

// The kill ring is bounded, and a yank that does not fit changes nothing.
func TestKillRing(t *testing.T) {
	e := newEditor("")
	for n := range 3 * killDepth {
		edit(e, fmt.Sprintf("%d[ctrl+w]", n))
	}
	if len(e.killed) != killDepth {
		t.Errorf("%d texts in the kill ring, want %d", len(e.killed), killDepth)
	}
	edit(e, "[ctrl+y]")
	for range killDepth - 1 {
		edit(e, "[alt+y]")
	}
	if want := fmt.Sprint(2 * killDepth); e.text != want {
		t.Errorf("the oldest is %q, want %q", e.text, want)
	}
	e = &editor{limit: 4}
	if edit(e, "one[ctrl+w]two[ctrl+w]full[ctrl+y][alt+y]"); e.text != "full" {
		t.Errorf("a full text became %q", e.text)
	}
}

func TestEditorReplacesControls(t *testing.T) {
	e := newEditor("")
	e.insert("a\r\nb\rc\x1b[2J\u009b\xff\td")
	if want := "a\nb\nc\uFFFD[2J\uFFFD\uFFFD\td"; e.text != want {
		t.Errorf("%q, want %q", e.text, want)
	}
}

func TestEditorHistory(t *testing.T) {
	e := newEditor("")
	send := func(text string) {
		e.insert(text)
		e.sent()
	}
	expect := func(want ...string) {
		t.Helper()
		for _, text := range want {
			e.key("ctrl+p")
			if e.text != text {
				t.Errorf("back in the history is %q, want %q", e.text, text)
			}
		}
	}
	send("one")
	send("two")
	send("two")
	e.insert("draft")
	expect("two", "one", "one")
	edit(e, "[ctrl+n][ctrl+n][ctrl+n]")
	if e.text != "draft" {
		t.Errorf("the draft is %q", e.text)
	}

	// Edited texts, rejected ones and the draft are not lost.
	edit(e, "[ctrl+p][ctrl+p]![ctrl+n]")
	e.addHistory("rejected")
	expect("one!")
	edit(e, "[ctrl+n][ctrl+n]")
	if e.text != "rejected" {
		t.Errorf("the rejected text is %q", e.text)
	}
	edit(e, "[ctrl+n]")
	if e.text != "draft" {
		t.Errorf("the draft is %q", e.text)
	}
	expect("rejected", "two")
	send("?")
	expect("two?", "draft", "one!", "rejected", "two", "one")

	edit(e, "[ctrl+n][ctrl+n][ctrl+n][ctrl+n][ctrl+n][ctrl+n]half")
	e.putAway()
	if e.text != "" {
		t.Errorf("after putAway the text is %q", e.text)
	}
	expect("half")
	edit(e, "[ctrl+n][ctrl+_][ctrl+_][ctrl+_]")
	if e.text != "half" {
		t.Errorf("after undo the text is %q", e.text)
	}

	for i := range 2 * historyDepth {
		send(fmt.Sprint(i))
	}
	if len(e.history) != historyDepth || e.history[0] != fmt.Sprint(historyDepth) {
		t.Errorf("%d texts in the history, the first %q", len(e.history), e.history[0])
	}
}

// A text added to the history while another is recalled does not change the one recalled.
func TestAddHistoryWhileRecalling(t *testing.T) {
	e := newEditor("")
	for i := range historyDepth {
		e.addHistory(fmt.Sprint(i))
	}
	edit(e, "draft[ctrl+p][ctrl+p]")
	at := e.text
	e.addHistory("rejected")
	e.addHistory("rejected too")
	edit(e, "[ctrl+p][ctrl+n]")
	if e.text != at {
		t.Errorf("%q became %q", at, e.text)
	}
	edit(e, "[ctrl+n][ctrl+n][ctrl+n][ctrl+n]")
	if e.text != "draft" {
		t.Errorf("the draft became %q", e.text)
	}
}

func TestEditorRows(t *testing.T) {
	for _, test := range []struct {
		text    string
		columns int
		rows    []string
		places  string // where the cursor is at each character, row.column
	}{
		{"", 10, []string{""}, "0.0"},
		{"abcd", 5, []string{"abcd"}, "0.0 0.1 0.2 0.3 0.4"},
		{"abcde", 5, []string{"abcd", "e"}, "0.0 0.1 0.2 0.3 1.0 1.1"},
		{"abcd\ne", 5, []string{"abcd", "e"}, "0.0 0.1 0.2 0.3 0.4 1.0 1.1"},
		{"ab\n\n", 5, []string{"ab", "", ""}, "0.0 0.1 0.2 1.0 2.0"},
		{"a漢漢b", 5, []string{"a漢", "漢b"}, "0.0 0.1 1.0 1.2 1.3"},
		{"漢漢", 1, []string{"漢", "漢"}, "0.0 1.0 1.2"},
		{"\tx", 20, []string{"        x"}, "0.0 0.8 0.9"},
		{"abc\td", 6, []string{"abc", "     ", "d"}, "0.0 0.1 0.2 1.0 2.0 2.1"},
		{"👩‍👩‍👧b", 9, []string{"👩‍👩‍👧b"}, "0.0 0.2 0.3"},
	} {
		e := newEditor(test.text)
		var shown, places []string
		for at := 0; ; at = e.charAfter(at) {
			e.cursor = at
			rows, row, column := e.rows(test.columns)
			shown = nil
			for _, r := range rows {
				shown = append(shown, r.text)
			}
			places = append(places, fmt.Sprintf("%d.%d", row, column))
			if at == len(test.text) {
				break
			}
		}
		if !slices.Equal(shown, test.rows) || strings.Join(places, " ") != test.places {
			t.Errorf("%q in %d columns: %q %v", test.text, test.columns, shown, places)
		}
	}
}

func TestEditorVertical(t *testing.T) {
	e := newEditor("long line\nab\nanother one")
	e.cursor = 8
	for _, want := range []string{"long line\nab|\nanother one", "long line\nab\nanother |one"} {
		if !e.moveRow(1, 40) || state(e) != want {
			t.Errorf("down: %q, want %q", state(e), want)
		}
	}
	if e.moveRow(1, 40) {
		t.Error("there is a row below the last one")
	}
	e.key("right")
	for _, want := range []string{"long line\nab|\nanother one", "long line|\nab\nanother one"} {
		if ok := e.moveRow(-1, 40); !ok || state(e) != want {
			t.Errorf("up: %q, want %q", state(e), want)
		}
	}
	if e.moveRow(-1, 40) {
		t.Error("there is a row above the first one")
	}
}

// checkEditor checks the invariants of an editor.
func checkEditor(t *testing.T, e *editor, columns int) {
	t.Helper()
	switch {
	case e.cursor < 0 || e.cursor > len(e.text) || e.cursor < len(e.text) && !utf8.RuneStart(e.text[e.cursor]):
		t.Fatalf("the cursor is at %d of %q", e.cursor, e.text)
	case !utf8.ValidString(e.text):
		t.Fatalf("%q is not UTF-8", e.text)
	case len(e.text) > e.limit:
		t.Fatalf("%d bytes are over the limit of %d", len(e.text), e.limit)
	}
	rows, row, column := e.rows(columns)
	if row < 0 || row >= len(rows) || column < 0 || column >= columns {
		t.Fatalf("the cursor is at %d, %d of %d rows of %d columns", row, column, len(rows), columns)
	}
	var joined strings.Builder
	for i, r := range rows {
		end := len(e.text)
		if i+1 < len(rows) {
			end = rows[i+1].start
		}
		joined.WriteString(e.text[r.start:end])
		if w := e.ruler.width(r.text); w >= columns {
			t.Fatalf("row %d of %q takes %d columns of %d", i, e.text, w, columns)
		}
		if plain := strings.TrimSuffix(e.text[r.start:end], "\n"); isPlain(plain) && r.text != plain {
			t.Fatalf("row %d shows %q for %q", i, r.text, plain)
		}
	}
	if joined.String() != e.text {
		t.Fatalf("the rows hold %q of %q", joined.String(), e.text)
	}
}

// isMove reports whether a key only moves the cursor.
func isMove(name string) bool {
	return slices.Contains([]string{"left", "right", "alt+b", "alt+f", "ctrl+a", "ctrl+e", "ctrl+home", "ctrl+end"}, name)
}

var editorKeys = []string{
	"left", "right", "left", "right", "alt+b", "alt+f", "ctrl+a", "ctrl+e", "ctrl+home", "ctrl+end", "backspace", "delete", "ctrl+w",
	"alt+backspace", "alt+d", "ctrl+u", "ctrl+k", "ctrl+y", "ctrl+t", "ctrl+_", "ctrl+_", "alt+_", "ctrl+j", "ctrl+p", "ctrl+n",
}

var editorInserts = []string{
	"a", "b", "c", " ", "x", "y", "e", "\u0301", "\u0308", "é", "漢", "字", "👍", "👍🏽", "👩", "\u200d", "👧", "👩‍👩‍👧", "🇩", "🇪", "🇩🇪", "❤️", "\ufe0f",
	"1️⃣", "한", "ᄀ", "ᅡ", "ᆨ", "क", "्", "ष", "ا", "ب", "\u0600", "\t", "\r\n", "\n", "\x1b", "\xf0\x9f", "\u00ad", "\u202e", "\u3000", "\u00a0",
	"a longer piece, pasted\nof two lines 漢字", "_", ".", ",", "https://example.org/",
}

// randomStep does step number n, and returns its name.
func (e *editor) randomStep(n int, columns int) string {
	switch n %= len(editorKeys) + len(editorInserts) + 2; {
	case n < len(editorKeys):
		e.key(editorKeys[n])
		return editorKeys[n]
	case n < len(editorKeys)+2:
		e.moveRow(2*(n-len(editorKeys))-1, columns)
		return "vertical"
	default:
		s := editorInserts[n-len(editorKeys)-2]
		e.insert(s)
		return s
	}
}

func TestEditorRandomly(t *testing.T) {
	t.Parallel()
	for name, r := range rulers {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(12) {
				random := newRandom(seed)
				e := &editor{ruler: r, limit: []int{40, 300, wire.MessageBytes}[seed%3]}
				e.insert("the first text")
				e.sent()
				e.insert("begun")
				first := e.text
				e.undos = nil
				columns := 3 + random.IntN(40)
				for range 500 {
					did := e.randomStep(random.Int(), columns)
					checkEditor(t, e, columns)
					if isMove(did) && e.charStart(e.cursor) != e.cursor {
						t.Fatalf("%s went into a character: %+q", did, state(e))
					}
				}
				checkUndo(t, e, first)
			}
		})
	}
}

// checkUndo undoes everything, and redoes it.
func checkUndo(t *testing.T, e *editor, first string) {
	t.Helper()
	for len(e.redos) > 0 {
		e.redo()
	}
	last := e.text
	n := len(e.undos)
	for range n {
		e.undo()
		checkEditor(t, e, 20)
	}
	if e.text != first {
		t.Fatalf("after undoing everything the text is %q, want %q", e.text, first)
	}
	for range n {
		e.redo()
	}
	if e.text != last {
		t.Fatalf("after redoing everything the text is %q, want %q", e.text, last)
	}
}

// Every text that leaves the editor is in the history.
func TestEditorLosesNothing(t *testing.T) {
	for seed := range uint64(200) {
		random := newRandom(seed)
		e := newEditor("")
		var begun []string
		for i := range 30 {
			text := fmt.Sprintf("text %d", i)
			e.insert(text)
			begun = append(begun, text)
			switch random.IntN(4) {
			case 0:
				e.sent()
			case 1:
				e.putAway()
			case 2:
				e.addHistory(fmt.Sprintf("rejected %d", i))
			}
			for range random.IntN(4) {
				e.recall(random.IntN(5) - 2)
			}
		}
		e.sent()
		all := strings.Join(e.history, "\n")
		for _, text := range begun {
			if !strings.Contains(all, text) {
				t.Fatalf("seed %d: %q is gone; the history is %q", seed, text, e.history)
			}
		}
	}
}

// A typed word is one change, and so is a run of Backspace.
func TestEditorUndoReachesFar(t *testing.T) {
	t.Parallel()
	e := newEditor("")
	e.limit = 2 * undoDepth * len("words ")
	for len(e.text)+6 <= e.limit {
		edit(e, "words ")
	}
	for e.text != "" {
		e.key("backspace")
	}
	e.undo()
	if len(e.text)+6 <= e.limit {
		t.Errorf("one undo brings back %d bytes", len(e.text))
	}
	if len(e.undos) > undoDepth {
		t.Errorf("%d changes can be undone", len(e.undos))
	}
}

func FuzzEditor(f *testing.F) {
	f.Add([]byte("\x00\x01\x02"), "text", uint8(10))
	f.Add([]byte{40, 41, 3, 18, 19, 20, 30, 31, 20, 19}, "e\u0301 👩‍👩‍👧 🇩🇪", uint8(3))
	f.Fuzz(func(t *testing.T, steps []byte, text string, columns uint8) {
		for _, r := range rulers {
			e := &editor{ruler: r, limit: 400}
			width := max(int(columns), 3)
			for i, step := range steps[:min(len(steps), 500)] {
				if i%8 == 7 {
					e.insert(text)
				}
				e.randomStep(int(step), width)
				checkEditor(t, e, width)
			}
			checkUndo(t, e, "")
		}
	})
}

func BenchmarkEditorRows(b *testing.B) {
	for name, text := range map[string]string{"ascii": "word ", "han": "漢字", "emoji": "👩‍👩‍👧"} {
		b.Run(name, func(b *testing.B) {
			e := newEditor(strings.Repeat(text, wire.MessageBytes/len(text)))
			for b.Loop() {
				e.rows(80)
			}
		})
	}
}

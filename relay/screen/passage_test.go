package screen

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/x/ansi"

	"chat/relay/screen/syntax"
	"chat/relay/screen/theme"
	"chat/relay/text"
)

// What the terminal cannot draw is shown as it was typed.
func TestMarksByTerminal(t *testing.T) {
	e := entryFrom("alice", "run `go test`, **now**, _please_:\n```sh\n_go_ test\n```\nok")
	for _, test := range []struct {
		name     string
		theme    *theme.Theme
		noItalic bool
		printed  bool
		want     string
	}{
		{"colors", testTheme, false, false, "run go test, now, please:\n_go_ test\nok"},
		{"no italic letters", testTheme, true, false, "run go test, now, _please_:\n_go_ test\nok"},
		{"16 colors", theme16, false, false, "run `go test`, now, please:\n```sh\n_go_ test\n```\nok"},
		{"no colors", mono, false, false, "run `go test`, now, please:\n```sh\n_go_ test\n```\nok"},
		{"after the screen", testTheme, false, true, e.text},
	} {
		p := testPainter(ansi.GraphemeWidth, 80)
		p.theme, p.copying, p.noItalic, p.printed = test.theme, true, test.noItalic, test.printed
		if got := bareRows(p.body(&e)); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", test.name, got, test.want)
		}
	}
}

func TestMarkStyles(t *testing.T) {
	e := entryFrom("alice", "`a` **b** _c_ https://x.y/`d`\n`https://x.y/`, bob")
	e.highlight = true
	p := testPainter(ansi.GraphemeWidth, 80)
	p.search = "b"
	row := strings.Join(p.body(&e), "\n")
	ground, link := string(testTheme.Code), string(testTheme.Accent.With(theme.Underline))
	for _, want := range []string{
		"\x1b[" + ground + "ma\x1b[m \x1b[1;1;" + string(testTheme.Hit) + "mb\x1b[m \x1b[3mc\x1b[m ",
		"https://x.y/\x1b[m\x1b]8;;\x1b\\`d`\n",
		"\x1b[" + ground + ";" + link + "mhttps://x.y/\x1b[m",
		string(testTheme.Amber) + ";1mbob\x1b[m",
	} {
		if !strings.Contains(row+"\n", want) {
			t.Errorf("%q is not in %q", want, row)
		}
	}
	e.serial, p.current = 7, 7
	if row := strings.Join(p.body(&e), "\n"); strings.Contains(row, ground) || !strings.Contains(row, "a \x1b[1;1;4;") {
		t.Errorf("the current hit has another ground than its row, or no marks: %q", row)
	}
}

// A block is as wide as its longest row, has a column on each side, and its language at the
// end of the first row, if there is room.
func TestBlocks(t *testing.T) {
	for _, test := range []struct {
		name, text string
		columns    int // of the texts
		want       string
	}{
		{"with its language", "a:\n```go\nif x {\n\treturn true\n}\n```\nb", 30, "a:\n[ if x {       go ]\n[     return true ]\n[ }               ]\nb"},
		{"a long first row", "```go\nif a == b {\n}", 30, "[ if a == b { go ]\n[ }              ]"},
		{"no room for it", "```go\n" + strings.Repeat("x", 18), 20, "[ " + strings.Repeat("x", 18) + " ]"},
		{"wrapped by columns", "```\nab cd ef gh ij\n\n```", 8, "[ ab cd  ]\n[ ef gh  ]\n[ ij     ]\n[        ]"},
		{"wide characters", "```\n漢字漢字\n```", 7, "[ 漢字 ]\n[ 漢字 ]"},
		{"two blocks", "```\na\n```\n```\nb\n```", 30, "[ a ]\n[ b ]"},
		{"rows between", "```\na\n```\n\n\nb\n```\nc", 30, "[ a ]\n\n\nb\n[ c ]"},
		{"an unknown language", "```klingon\nQapla'\n```", 30, "[ Qapla' klingon ]"},
		{"tabs", "```\n\ta\tb\n```", 30, "[     a   b ]"},
	} {
		p := testPainter(ansi.GraphemeWidth, test.columns)
		for p.layout().length < test.columns {
			p.columns++
		}
		e := entryFrom("alice", test.text)
		var rows []string
		for _, row := range p.body(&e) {
			if strings.HasPrefix(row, "\x1b["+string(testTheme.Code)) {
				row = "[" + bare(row) + "]"
			}
			rows = append(rows, bare(row))
		}
		if got := strings.Join(rows, "\n"); got != test.want {
			t.Errorf("%s:\n%s\nwant:\n%s", test.name, got, test.want)
		}
	}
}

// The block of an action or of a private message starts below who sends it.
func TestBlockAfterName(t *testing.T) {
	for kind, want := range map[kind]string{kindAction: "alice\n code", kindPrivate: "you\n code", kindMessage: " code"} {
		e := entryFrom("alice", "```\ncode\n```")
		e.kind = kind
		if got := bareRows(testPainter(ansi.GraphemeWidth, 40).body(&e)); got != want {
			t.Errorf("%d: %q, want %q", kind, got, want)
		}
	}
}

// Code has no colors until they are found, in the background, and nothing waits for them.
func TestCodeColors(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	p := testPainter(ansi.GraphemeWidth, 80)
	p.colors = newCodeColors()
	first, second := entryFrom("alice", "```go\nreturn 1 // https://x.y/\n```"), entryFrom("alice", "```sh\necho 2\n```")
	colored := func(e *entry) bool { return strings.Contains(p.body(e)[0], string(testTheme.Number)) }
	if colored(&first) || colored(&second) {
		t.Error("code has colors at once")
	}
	found := findTokens(p.colors, done)
	if colored(&first) {
		t.Error("code has colors that were not added")
	}
	p.colors.add(found, done)
	if !colored(&first) || colored(&second) {
		t.Error("the first block has no colors, or the second does")
	}
	link := string(testTheme.Code.With(testTheme.Comment).With(testTheme.Accent).With(theme.Underline))
	if row := p.body(&first)[0]; !strings.Contains(row, link+"mhttps://x.y/") {
		t.Errorf("the link in %q is not over the comment", row)
	}
	p.colors.add(findTokens(p.colors, done), done)
	if !colored(&second) {
		t.Error("the second block has no colors")
	}
	for _, code := range []string{"```klingon\n1\n```", "```go\n" + strings.Repeat("1 ", syntax.MaxBytes/2+1) + "\n```", "```\n1\n```"} {
		if e := entryFrom("alice", code); colored(&e) || p.colors.asked {
			t.Errorf("colors of %.20q are asked for", code)
		}
	}
}

// findTokens does the next job, again if the machine is too busy to do it in time.
func findTokens(c *codeColors, done <-chan struct{}) (found codeColored) {
	for found = c.find(done, 0)().(codeColored); found.tokens == nil; found = c.find(done, 0)().(codeColored) {
		c.jobs <- found.codeJob
	}
	return found
}

// A block that took long makes the next one wait, and leaving ends the wait.
func TestCodeColorsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		colors, done, began := newCodeColors(), make(chan struct{}), time.Now()
		next := colors.add(codeColored{codeJob: codeJob{"1", "klingon"}, took: time.Second}, done)
		go func() {
			time.Sleep(20 * time.Second)
			close(done)
		}()
		colors.jobs <- codeJob{"2", "klingon"}
		if msg, ok := next().(codeColored); !ok || msg.tokens != nil || time.Since(began) != colorPause*time.Second {
			t.Errorf("got %v after %v, want it after %v", msg, time.Since(began), colorPause*time.Second)
		}
		if msg := colors.find(done, time.Hour)(); msg != nil || time.Since(began) != 20*time.Second {
			t.Errorf("got %v after %v", msg, time.Since(began))
		}
	})
}

func TestCodeColorsAreBounded(t *testing.T) {
	colors := newCodeColors()
	for i := range 2000 {
		colors.add(codeColored{codeJob: codeJob{strings.Repeat("x", syntax.MaxBytes-i), "go"}, tokens: make([]syntax.Token, 1)}, nil)
		total := 0
		for job := range colors.found {
			total += len(job.code)
		}
		if total > maxColors || len(colors.found) == 0 {
			t.Fatalf("%d blocks of %d bytes are kept", len(colors.found), total)
		}
	}
}

// Words are found where they are shown, whatever was typed around them.
func TestUnmarked(t *testing.T) {
	for typed, want := range map[string]string{
		"_alice_ **bob** `carol`": "alice bob carol",
		"```go\nx\n```\n_y_":      "x\ny",
		"snake_case":              "snake_case",
	} {
		if got := unmarked(typed); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	var tr transcript
	tr.add(entryFrom("alice", "the _soup_ is ready"))
	if !tr.matches(0, text.NewQuery("soup")) {
		t.Error("a marked word is not found")
	}
}

var sgr = regexp.MustCompile("\x1b\\[([0-9;]*)m|\x1b\\]8;[^;]*;([^\x1b]*)\x1b\\\\")

// checkBalance checks that all styles and links of a row end in it.
func checkBalance(t *testing.T, row string) {
	t.Helper()
	styled, linked := false, false
	for _, m := range sgr.FindAllStringSubmatch(row, -1) {
		if strings.HasPrefix(m[0], "\x1b[") {
			styled = m[1] != ""
		} else {
			linked = m[2] != ""
		}
	}
	if styled || linked {
		t.Fatalf("row %q leaves a style or a link open", row)
	}
}

// FuzzMarks checks that nothing in a message styles what is outside of its rows, and that no
// letter of it is lost.
func FuzzMarks(f *testing.F) {
	eachHostile(func(s string) {
		f.Add("_"+s+"_ **"+s+"** `"+s+"`\n```go\n"+s+"\n```\n"+s, uint8(40), uint8(0))
	})
	b, err := os.ReadFile("testdata/marks.json")
	if err != nil {
		f.Fatal(err)
	}
	var cases []markedText
	if err := json.Unmarshal(b, &cases); err != nil {
		f.Fatal(err)
	}
	for i, c := range cases {
		f.Add(c.Text, uint8(i), uint8(i))
	}
	f.Fuzz(func(t *testing.T, s string, columns, k uint8) {
		if len(s) > 4<<10 {
			return
		}
		e := entryFrom("alice", text.CleanLines(s))
		e.kind, e.highlight, e.serial = []kind{kindMessage, kindAction, kindPrivate}[k%3], k%2 == 0, 7
		for _, method := range methods {
			p := testPainter(method, int(columns))
			p.theme = []*theme.Theme{testTheme, theme16, mono}[k/4%3]
			p.noItalic, p.copying, p.search = k&0x10 != 0, k&0x20 != 0, "a"
			if p.colors = newCodeColors(); k&0x40 != 0 {
				p.current = 7
			}
			p.body(&e)
			select {
			case job := <-p.colors.jobs:
				tokens, err := syntax.Tokens(job.code, job.language)
				if p.colors.found[job] = tokens; err != nil {
					t.Log(err)
				}
			default:
			}
			checkRows(t, p, &e)
			for _, row := range rowsOf(p, &e) {
				checkBalance(t, row)
			}
			checkLetters(t, p, &e)
		}
	})
}

// checkLetters checks that an entry's passage has all of its text but signs and fences.
func checkLetters(t *testing.T, p *painter, e *entry) {
	t.Helper()
	shown := p.ruler.show(untabbed(e.text))
	passage := p.passage(e, shown)
	left := shown
	for _, r := range passage.text {
		i := strings.IndexRune(left, r)
		if i < 0 {
			t.Fatalf("%q is not a part of %q", passage.text, shown)
		}
		left = left[i:][len(string(r)):]
	}
	letters := strings.NewReplacer("`", "", "*", "", "_", "")
	if len(blocksIn(shown)) == 0 && letters.Replace(passage.text) != letters.Replace(shown) {
		t.Fatalf("%q has other letters than %q", passage.text, shown)
	}
	if p.copying && p.columns > 3 { // wrapping drops spaces only
		rows := bareRows(p.body(e))
		squeeze := strings.NewReplacer(" ", "", "\n", "")
		if !strings.HasSuffix(squeeze.Replace(rows), squeeze.Replace(passage.text)) {
			t.Fatalf("rows %q have other letters than %q", rows, passage.text)
		}
	}
}

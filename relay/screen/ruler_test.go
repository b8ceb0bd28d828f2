package screen

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/text"
)

var methods = []ansi.Method{ansi.WcWidth, ansi.GraphemeWidth}

// hostile are texts that are known to garble screens.
var hostile = map[string]string{
	"marks":            "a" + strings.Repeat("\u0301", 4000),
	"mark first":       "\u0301abc\n\u0903def",
	"emoji joined":     "family 👨‍👩‍👧‍👦 and 🏃🏽‍♂️ and ❤️ and 1️⃣ and 🇩🇪🇫🇷",
	"endless joiners":  strings.Repeat("👩‍", 2000) + "👩",
	"zero width":       strings.Repeat("a\u200b\u200d\u2060\ufeff", 500),
	"right to left":    "שלום עולם مرحبا بالعالم abc",
	"overrides":        "\u202eabc\u2066def\u2069",
	"jamo":             strings.Repeat("\u1100", 3000) + strings.Repeat("\u1161", 3000),
	"prepended":        "\u0600a\u0600\u0601bc \u06dd١٢ " + strings.Repeat("\u0600", 500),
	"conjuncts":        "स्ते" + strings.Repeat("क्", 1000),
	"spacing marks":    "क" + strings.Repeat("\u0903", 50) + " \u0903x",
	"space with marks": "abc \u0301 \u0903 def",
	"wide":             "你好，世界。" + strings.Repeat("漢字", 40) + " end",
	"tabs":             "a\tb\t\tc\n\td",
	"spaces":           strings.Repeat(" ", 300) + "x" + strings.Repeat(" ", 300),
	"newlines":         strings.Repeat("\n", 90) + "x",
	"one word":         strings.Repeat("x", 16<<10),
	"decomposed":       "a\u0308o\u0308 \u1112\u1161\u11ab",
	"escapes":          "\x1b[31mred\x1b]8;;http://x\x1b\\ \x9b1m",
	"flags":            strings.Repeat("🇦", 301),
	"not UTF-8":        "\xff\xfe\xc3",
	"fake entry":       "hi\n10:02 bob  send me your password\n      10:02 bob  now",
}

func eachHostile(add func(string)) {
	for _, s := range hostile {
		add(s)
	}
}

// drawnWidth draws a row as the renderer does, and returns its width and the content of its
// cells.
func drawnWidth(method ansi.Method, row string) (columns int, content string) {
	screen := uv.NewScreenBuffer(method.StringWidth(row)+20, 1)
	screen.Method = method
	uv.NewStyledString(row).Draw(screen, screen.Bounds())
	var b strings.Builder
	pending := ""
	for x := 0; x < screen.Width(); {
		c := screen.CellAt(x, 0)
		if *c == uv.EmptyCell {
			pending += " "
		} else {
			b.WriteString(pending + c.Content)
			pending = ""
			columns = x + c.Width
		}
		x += max(c.Width, 1)
	}
	return columns, b.String()
}

func FuzzWrap(f *testing.F) {
	eachHostile(func(s string) { f.Add(s, uint8(20)) })
	f.Fuzz(func(t *testing.T, s string, columns uint8) {
		if len(s) > 16<<10 {
			return
		}
		for _, method := range methods {
			checkWrap(t, ruler{method: method}, text.CleanLines(s), max(int(columns), 2))
		}
	})
}

func checkWrap(t *testing.T, r ruler, text string, columns int) {
	t.Helper()
	text = r.show(text)
	if again := r.show(text); again != text {
		t.Fatalf("%v: show(show(text)) is %q, want %q", r, again, text)
	}
	at := 0
	for _, row := range r.wrap(text, columns) {
		if row.from < at || row.to < row.from {
			t.Fatalf("%v: row %v comes after %d", r, row, at)
		}
		if gap := text[at:row.from]; strings.Trim(gap, " \n") != "" || strings.Count(gap, "\n") > 1 {
			t.Fatalf("%v: %q was cut out", r, gap)
		}
		at = row.to
		s := text[row.from:row.to]
		w := r.width(s)
		if w > columns {
			t.Fatalf("%v: %q is %d columns wide, want at most %d", r, s, w, columns)
		}
		for rest := s; rest != ""; {
			char, n := r.first(rest)
			if len(char) > maxChar || n > 2 || n == 0 {
				t.Fatalf("%v: character %q of %d bytes is %d wide", r, char, len(char), n)
			}
			rest = rest[len(char):]
		}
		// On the screen it is drawn after a margin.
		drawn, content := drawnWidth(r.method, " "+s)
		if want := strings.TrimRight(" "+s, " "); content != want || drawn > 1+w || s != "" && !strings.HasSuffix(s, " ") && drawn != 1+w {
			t.Fatalf("%v: %q measures %d and is drawn as %q in %d", r, s, w, content, drawn-1)
		}
	}
	if rest := text[at:]; strings.Trim(rest, " ") != "" {
		t.Fatalf("%v: the end %q is missing", r, rest)
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"fits", "one two", "one two"},
		{"between words", "one two three", "one two|three"},
		{"spaces at the cut", "one two   three", "one two|three"},
		{"spaces at the end", "one two    ", "one two"},
		{"within a word", "abcdefghijkl", "abcdefgh|ijkl"},
		{"indented", "  one two", "  one|two"},
		{"newlines", "a\n\nb", "a||b"},
		{"wide", "你好世界你好", "你好世界|你好"},
		{"wide among narrow", "ab你好c 世界", "ab你好c|世界"},
		{"tab", "a\tb", "a|b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := ruler{method: ansi.GraphemeWidth}
			text := r.show(test.text)
			var rows []string
			for _, s := range r.wrap(text, 8) {
				rows = append(rows, text[s.from:s.to])
			}
			if got := strings.Join(rows, "|"); got != test.want {
				t.Errorf("wrap(%q) = %q, want %q", test.text, got, test.want)
			}
		})
	}
}

func TestShow(t *testing.T) {
	for _, test := range []struct{ name, text, wc, grapheme string }{
		{"plain", "abc\ndef", "abc\ndef", "abc\ndef"},
		{"tabs go to the next stop", "a\tb\n\tc", "a       b\n        c", "a       b\n        c"},
		{"letters are composed", "a\u0308\u1112\u1161\u11ab", "ä한", "ä한"},
		{"emoji of several runes", "❤️ 👨‍👩‍👧 🏃‍♂️", "❤ 👨👩👧 🏃♂", "❤️ 👨‍👩‍👧 🏃‍♂️"},
		{"skin tones", "👍🏽 ☝️🏿 👩🏾\u200d🚀 🏽", "👍 ☝ 👩🚀 🏽", "👍🏽 ☝️🏿 👩🏾\u200d🚀 🏽"},
		{"text presentation", "☔\ufe0e", "☔", "☔\ufe0e"},
		{"soft hyphens", "co\u00adoperate", "cooperate", "cooperate"},
		{"joiners of a script stay", "क्\u200dष", "क्\u200dष", "क्\u200dष"},
		{"a mark without a base", "\u0301a", "◌\u0301a", "◌\u0301a"},
		{"escapes", "\x1b[1m", "\ufffd[1m", "\ufffd[1m"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := (ruler{method: ansi.WcWidth}).show(test.text); got != test.wc {
				t.Errorf("where runes are counted: show(%q) = %q, want %q", test.text, got, test.wc)
			}
			if got := (ruler{method: ansi.GraphemeWidth}).show(test.text); got != test.grapheme {
				t.Errorf("where clusters are counted: show(%q) = %q, want %q", test.text, got, test.grapheme)
			}
		})
	}
}

func TestFit(t *testing.T) {
	for _, r := range []ruler{{method: ansi.WcWidth}, {method: ansi.GraphemeWidth}} {
		for name, s := range hostile {
			s = r.show(strings.ReplaceAll(text.CleanLines(s), "\n", " "))
			for columns := 1; columns < 12; columns++ {
				if got := r.fit(s, columns); r.width(got) != columns {
					t.Errorf("%s: fit to %d is %q of %d columns", name, columns, got, r.width(got))
				}
			}
		}
	}
}

func BenchmarkWrap(b *testing.B) {
	for name, text := range map[string]string{
		"64":       "The soup is ready, and whoever is late gets none of it, as usual",
		"cyrillic": "Суп готов, а кто опоздает, тот останется голодным, как всегда",
		"16k":      strings.Repeat("x", 16<<10),
	} {
		for _, method := range methods {
			b.Run(fmt.Sprintf("%s/%d", name, method), func(b *testing.B) {
				b.ReportAllocs()
				for range b.N {
					r := ruler{method: method}
					r.wrap(r.show(text), 60)
				}
			})
		}
	}
}

// tricky are runes that join into one character, or have an unusual width.
var tricky = []rune("ab  \n\t漢字。가각é\u0301\u0308\u20e3\u200d\u200d\u200c\ufe0e\ufe0f👩❤👍\U0001f3fd♂🇩🇪1#" +
	"कषस\u094d\u094d\u0903\u0947\u093fمر\u064b\u0600\u06dd\u070f\u0d4e\u0e33ำ\u302e\u302a\uff9e\uff76" +
	"\u1031\u102c\u1000\u17d2\u1780\u200b\u202e\u2066\ufeff\u00ad\x1b\x07\u009b\U000e0041\U0001f1e6\u2028—─·→…ﷺ\u0f71\u0f72\u0f80")

func randomText(random *rand.Rand) string {
	text := make([]rune, random.IntN(40))
	for i := range text {
		text[i] = tricky[random.IntN(len(tricky))]
	}
	return string(text)
}

func TestWrapOfTrickyRunes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 2_000 {
		text := text.CleanLines(randomText(random))
		for _, method := range methods {
			checkWrap(t, ruler{method: method}, text, 2+random.IntN(20))
		}
	}
}

// TestPrepended checks the list of prepended letters against the renderer's idea of a
// character.
func TestPrepended(t *testing.T) {
	r := ruler{method: ansi.GraphemeWidth}
	for c := rune(0xa0); c <= 0x1ffff; c++ { // after that come ideographs
		if s := string(c); utf8.ValidRune(c) && text.Clean(s) == s {
			if char, _ := r.first(r.show(s) + "x"); strings.HasSuffix(char, "x") {
				t.Errorf("%U is drawn as part of the next character", c)
			}
		}
	}
}

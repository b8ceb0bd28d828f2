package text

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFoldBlanks(t *testing.T) {
	many := func(blank string, n int) string { return strings.Repeat(blank, n) }
	for _, test := range []struct{ name, line, want string }{
		{"empty", "", ""},
		{"words", "soup is ready", "soup is ready"},
		{"a table", "soup        3", "soup        3"},
		{"two tabs", "soup\t\t3", "soup\t\t3"},
		{"code", many(" ", 24) + "return nil", many(" ", 24) + "return nil"},
		{"code with tabs", "\t\t\treturn nil", "\t\t\treturn nil"},
		{"nine", "a" + many(" ", 9) + "b", "a ␣×9 b"},
		{"forged", "ok" + many(" ", 67) + "* alice was banned by bob" + many(" ", 55) + "13:51 <alice> hi", "ok ␣×67 * alice was banned by bob ␣×55 13:51 <alice> hi"},
		{"an indent that wraps", many(" ", 65) + "* alice left", " ␣×65 * alice left"},
		{"tabs that wrap", "\t\t\t\t* alice left", " ␣×4 * alice left"},
		{"tabs inside", "ok\t\t\t* alice left", "ok ␣×3 * alice left"},
		{"no-break spaces", "ok" + many("\u00a0", 60) + "* left", "ok ␣×60 * left"},
		{"ideographic spaces", "ok" + many("\u3000", 9) + "* left", "ok ␣×9 * left"},
		{"braille blanks", "ok" + many("\u2800", 60) + "* left", "ok ␣×60 * left"},
		{"em, thin and figure spaces", "ok" + many("\u2003\u2009\u2007", 20) + "* left", "ok ␣×60 * left"},
		{"Hangul fillers", "ok" + many("\u3164", 60) + "* left", "ok ␣×60 * left"},
		{"null noteheads", "ok" + many("\U0001d159", 60) + "* left", "ok ␣×60 * left"},
		{"a mixture", "ok" + many(" \u00a0\t", 20) + "* left", "ok ␣×60 * left"},
		{"marks on blanks", "ok" + many(" \u0301", 60) + "* left", "ok ␣×60 * left"},
		{"at the end", "ok" + many(" ", 80), "ok ␣×80 "},
		{"only blanks", many(" ", 80), " ␣×80 "},
		{"other scripts", "héllo  wörld 你好", "héllo  wörld 你好"},
		{"Ogham", many("\u1680", 10), many("\u1680", 10)},
		{"quotes", `"a"` + many(" ", 8) + `\b`, `"a"` + many(" ", 8) + `\b`},
	} {
		if got := FoldBlanks(test.line); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// No run of blanks is left that can fill a row, and everything else stays.
func FuzzFoldBlanks(f *testing.F) {
	f.Add("ok" + strings.Repeat(" ", 70) + "* alice left")
	f.Add("\t\u00a0\u3000\u2800x")
	f.Fuzz(func(t *testing.T, line string) {
		line = Clean(line)
		folded := FoldBlanks(line)
		for i := 0; i < len(folded); {
			end, blanks, columns := blankRun(folded[i:])
			if blanks > 0 && (i > 0 && (blanks > maxBlanks || columns > maxBlankColumns) || columns > maxIndent) {
				t.Fatalf("%q has %d blanks at %d", folded, blanks, i)
			}
			i += end
		}
		strip := func(s string) string {
			return strings.Map(func(r rune) rune {
				if isBlank(r) {
					return -1
				}
				return r
			}, s)
		}
		if folded != line && !strings.Contains(folded, "␣×") || strip(line) == line && folded != line {
			t.Fatalf("%q became %q", line, folded)
		}
	})
}

// A line in which FoldBlanks looks for no run has none.
func TestMayHaveRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{" ", "   ", "\t", "a", "bcdefg", "\u00a0", "\u3000", "é", "\u2800"}), 0, 40).Draw(t, "line"), "")
		if mayHaveRun(line) {
			return
		}
		for i := 0; i < len(line); {
			end, blanks, columns := blankRun(line[i:])
			if blanks > maxBlanks || columns > maxBlankColumns {
				t.Fatalf("%q has a run of %d blanks", line, blanks)
			}
			i += end
		}
	})
}

// A title is one piece: blanks of any kind cannot move a part of it into another column or row.
func TestTitle(t *testing.T) {
	for _, test := range []struct{ title, want string }{
		{"the kitchen", "the kitchen"},
		{"  the \t kitchen\u00a0 ", "the kitchen"},
		{"kitchen" + strings.Repeat("\u2800", 40) + "10.0.0.1:24280", "kitchen 10.0.0.1:24280"},
		{"kitchen" + strings.Repeat("\u3164 ", 20) + "10.0.0.1:24280", "kitchen 10.0.0.1:24280"},
		{"\u2800kitchen\u2800\u2800", "kitchen"},
		{"\u2800\u2800", ""},
		{"a\u2800b", "a\u2800b"},
		{"書斎\u3000二", "書斎 二"},
	} {
		if got := Title(test.title); got != test.want {
			t.Errorf("Title(%q) = %q, want %q", test.title, got, test.want)
		}
		if again := Title(test.want); again != test.want {
			t.Errorf("Title(%q) = %q", test.want, again)
		}
	}
}

package plain

import (
	"io"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// rowsOf returns the rows of a line on a terminal with so many columns.
func rowsOf(line string, columns int) []string {
	var out strings.Builder
	rows := &Rows{To: &out, Width: func() int { return columns }}
	io.WriteString(rows, line+"\n")
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		name, line string
		columns    int
		want       string
	}{
		{"short", "10:02 <bob> soup", 80, "10:02 <bob> soup"},
		{"as long as the row", "10:02 <bob> soup", 17, "10:02 <bob> soup"},
		{"between words", "10:02 <bob> soup is ready", 21, "10:02 <bob> soup is \n      ready"},
		{"a long word", "10:02 <bob> aaaaaaaaaaaaaaaaaaaaaaaaaaaa", 21, "10:02 <bob> \n      aaaaaaaaaaaaaa\n      aaaaaaaaaaaaaa"},
		{"forged by blanks", "10:02 <eve> ok" + strings.Repeat(" ", 26) + "* alice left", 41, "10:02 <eve> ok" + strings.Repeat(" ", 26) + "\n      * alice left"},
		{"forged by words", "10:02 <eve> " + strings.Repeat("word ", 6) + "* alice left", 42, "10:02 <eve> " + strings.Repeat("word ", 5) + "word\n      * alice left"},
		{"wide characters", "10:02 <eve> 你好你好你好你好", 20, "10:02 <eve> \n      你好你好你好\n      你好"},
		{"a tab", "a\tb", 80, "a       b"},
		{"tabs that wrap", "abc\t\t\tx", 20, "abc             \n      x"},
		{"narrow", "10:02 <bob> soup", 9, "10:02 \n  <bob> \n  soup"},
		{"a width of one", "10:02 <bob> soup", 1, "10:02 <bob> soup"},
		{"unknown", "10:02 <bob> soup", 0, "10:02 <bob> soup"},
		{"empty", "", 80, ""},
	} {
		if got := strings.Join(rowsOf(test.line, test.columns), "\n"); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

// Whatever a member sends, no row but the first begins at the left, and none is too long for the
// terminal to wrap it again.
func FuzzWrap(f *testing.F) {
	f.Add("10:02 <eve> ok "+strings.Repeat("\u3000", 40)+"* alice left", 80)
	f.Add("e\u0301\u0301\u0301 👩‍👩‍👧‍👦 👍🏽 \t 你好 ำ", 12)
	f.Fuzz(func(t *testing.T, line string, columns int) {
		if strings.ContainsAny(line, "\n\x1b") || columns < 6 || columns > 1000 {
			return
		}
		for _, c := range line {
			if c < ' ' && c != '\t' || c >= 0x7f && c < 0xa0 || c == 0xfffd {
				return // Clean replaces them
			}
		}
		rows := rowsOf(line, columns)
		for i, row := range rows {
			if i > 0 && !strings.HasPrefix(row, " ") {
				t.Errorf("row %d of %q begins at the left", i, rows)
			}
			if w := max(ansi.StringWidth(row), ansi.StringWidthWc(row)); w >= columns {
				t.Errorf("row %d of %q has %d of %d columns", i, rows, w, columns)
			}
		}
	})
}

// Lines that are written in parts are wrapped as whole ones, and a new width applies from the
// next line on.
func TestRowsInParts(t *testing.T) {
	var out strings.Builder
	columns := 12
	rows := &Rows{To: &out, Width: func() int { return columns }}
	for _, part := range []string{"aaa bbb", " ccc", " ddd\naaa", "", " bbb ccc\n"} {
		if n, err := io.WriteString(rows, part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
		columns = 80
	}
	if want := "aaa bbb ccc ddd\naaa bbb ccc\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

package screen

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/screen/theme"
	"chat/relay/text"
)

// soupTime is the time of the entries in these tests.
var soupTime = time.Date(2026, 11, 25, 10, 2, 0, 0, time.UTC)

func testPainter(method ansi.Method, columns int) *painter {
	nicks := newNickColors(testTheme, func(string) bool { return false })
	return &painter{ruler: ruler{method: method}, columns: columns, nick: "bob", zone: time.UTC, year: 2026, theme: testTheme, nicks: &nicks}
}

var testTheme = theme.For(rgb(0x1e1e2e), rgb(0xd8dee9), colorprofile.TrueColor)

// rowsOf draws an entry as if it was the only one.
func rowsOf(p *painter, e *entry) (rows []string) {
	s := &setting{}
	if p.hasNickRow(e, s) {
		rows = append(rows, p.nickRow(e, s))
	}
	for n, body := range p.body(e) {
		rows = append(rows, p.row(e, s, n, body))
	}
	return rows
}

func entryFrom(nick, text string) entry {
	return entry{at: soupTime.UnixMilli(), from: nick, text: text}
}

// ours are the only escape sequences that a row may have: styles and web links.
var ours = regexp.MustCompile("\x1b\\[[0-9;]*m|\x1b\\]8;(id=[0-9a-f.]+)?;((?i:https?)://[!-~]*)?\x1b\\\\")

func bare(row string) string { return ours.ReplaceAllString(row, "") }

func bareRows(rows []string) string {
	for i := range rows {
		rows[i] = strings.TrimRight(bare(rows[i]), " ")
	}
	return strings.Join(rows, "\n")
}

func TestRows(t *testing.T) {
	at := soupTime.UnixMilli()
	for _, test := range []struct {
		name    string
		entry   entry
		columns int
		want    string
	}{
		{"a message", entryFrom("alice", "soup is ready"), 60, " 10:02  alice   soup is ready"},
		{"over several rows", entryFrom("alice", "soup is ready for all who are there at half past noon"), 60, " 10:02  alice   soup is ready for all who are there at half\n                past noon"},
		{"several lines", entryFrom("alice", "a\n\nb"), 60, " 10:02  alice   a\n\n                b"},
		{"without a column for the time", entryFrom("alice", "soup is ready for all of you"), 36, "  alice   soup is ready for all of\n          you"},
		{"without one for the nick", entryFrom("alice", "soup is ready for all"), 20, " alice\n   soup is ready for\n   all"},
		{"narrow", entryFrom("alice", "soup"), 5, " alic\n   so\n   up"},
		{"very narrow", entryFrom("alice", "soup"), 4, " ali\n  so\n  up"},
		{"an action", entry{at: at, kind: kindAction, from: "alice", text: "waves"}, 60, " 10:02      *   alice waves"},
		{"an action, narrow", entry{at: at, kind: kindAction, from: "alice", text: "waves"}, 20, " * alice waves"},
		{"private", entry{at: at, kind: kindPrivate, from: "alice", text: "hi"}, 60, "▌10:02  alice → you  hi"},
		{"private from us", entry{at: at, kind: kindPrivate, own: true, from: "bob", to: "alice", text: "hi"}, 60, "▌10:02    bob → alice  hi"},
		{"private, narrow", entry{at: at, kind: kindPrivate, from: "alice", text: "hi"}, 20, "▌alice\n▌→ you  hi"},
		{"a mention", entry{at: at, from: "alice", text: "bob: one two three four five six seven eight nine", highlight: true}, 60, "▌10:02  alice   bob: one two three four five six seven eight\n▌               nine"},
		{"a notice", entry{at: at, kind: kindNotice, text: "hello"}, 60, " 10:02      ·   hello"},
		{"an error", entry{at: at, kind: kindError, text: "no"}, 60, " 10:02      !   no"},
		{"an upload", entry{at: at, kind: kindAction, from: "alice", text: "sent soup.png (668 kB): http://10.0.0.1/files/x", file: &postedFile{3, "soup.png", 668_000}}, 60, " 10:02      *   alice sent  ▣ soup.png  668 kB · /get 3"},
		{"the nick of a hostile host", entryFrom(strings.Repeat("x", 4000), "hi"), 80, " 10:02 xxxxx…   hi"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := bareRows(rowsOf(testPainter(ansi.GraphemeWidth, test.columns), &test.entry)); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func FuzzRows(f *testing.F) {
	eachHostile(func(s string) { f.Add(s, "alice", "e", uint8(40), uint8(0)) })
	f.Add("see (https://a.b/c_(d)), bob: HTTP://x.y/ä;ö", "Zoë", "a.b", uint8(12), uint8(0))
	f.Fuzz(func(t *testing.T, s, nick, search string, columns, k uint8) {
		nick, err := text.NormalizeNick(nick)
		if err != nil || len(s) > 16<<10 || len(search) > 100 {
			return
		}
		e := entryFrom(nick, text.CleanLines(s))
		e.kind, e.highlight, e.to = kind(k%(uint8(kindError)+1)), k%2 == 0, nick
		for _, method := range methods {
			l := testPainter(method, int(columns))
			l.nick, l.search, l.widest = nick, text.Clean(search), text.Columns(nick)
			e.serial, l.current, l.copying = 1, uint32(k>>6&1), k>>7 == 1
			checkRows(t, l, &e)
		}
	})
}

func checkRows(t *testing.T, l *painter, e *entry) {
	t.Helper()
	s := &setting{}
	for n, body := range l.body(e) {
		s.top = n%2 == 1
		row := l.row(e, s, n, body)
		checkRow(t, l, row)
		// Whatever the text is, it changes nothing left of it.
		left, ours := l.ruler.cut(bare(row), l.layout().text), bare(l.row(e, s, n, "x"))
		if !strings.HasPrefix(ours, left) {
			t.Fatalf("row %q has %q left of its text, want the start of %q", row, left, ours)
		}
	}
	if l.hasNickRow(e, s) {
		checkRow(t, l, l.nickRow(e, s))
	}
}

// A paintedRow is a row with all that checkRow depends on.
type paintedRow struct {
	ruler   ruler
	columns int
	row     string
}

// paintedRows are rows that were checked: many texts have the same ones.
var paintedRows struct {
	mu   sync.Mutex
	rows map[paintedRow]bool // guarded by mu
}

// isNewRow reports whether a row was not checked before, and notes that it is checked now.
func isNewRow(row paintedRow) bool {
	const most = 10_000
	p := &paintedRows
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rows[row] {
		return false
	}
	if p.rows == nil || len(p.rows) == most {
		p.rows = make(map[paintedRow]bool)
	}
	p.rows[row] = true
	return true
}

// checkRow checks that the terminal draws a row as the painter measured it.
func checkRow(t *testing.T, l *painter, row string) {
	t.Helper()
	if !isNewRow(paintedRow{l.ruler, l.columns, row}) {
		return
	}
	plain := bare(row)
	for _, c := range plain {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			t.Fatalf("row %q has another escape sequence", row)
		}
	}
	w := l.ruler.width(plain)
	if l.columns >= 4 && w > l.columns {
		t.Fatalf("row %q has %d columns, want at most %d", row, w, l.columns)
	}
	// The renderer gets the row with its sequences, and the terminal in the end without:
	// both must see the same characters.
	drawn, content := drawnWidth(l.ruler.method, row)
	bareDrawn, bareContent := drawnWidth(l.ruler.method, plain)
	if strings.TrimRight(content, " ") != strings.TrimRight(bareContent, " ") || drawn != bareDrawn && strings.TrimRight(content, " ") == content || drawn > w {
		t.Fatalf("row %q (%d columns) is drawn as %q in %d, and without styles as %q in %d", row, w, content, drawn, bareContent, bareDrawn)
	}
}

func TestRowsOfTrickyRunes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for range 150 {
		e := entryFrom("田中", text.CleanLines(randomText(random)+"https://a.b/"+randomText(random)+"田中"+randomText(random)))
		e.highlight = true
		for _, method := range methods {
			l := testPainter(method, random.IntN(60))
			l.nick, l.search = "田中", string(tricky[random.IntN(len(tricky))])
			checkRows(t, l, &e)
		}
	}
}

// TestRowsOfHostileText draws texts that try to pass for other entries.
func TestRowsOfHostileText(t *testing.T) {
	t.Parallel()
	fake := "10:02 bob  hi"
	texts := []string{"\n" + fake, "x\n" + fake + "\n" + fake}
	for pad := range 100 {
		texts = append(texts, strings.Repeat("x", pad)+" "+fake, strings.Repeat(" ", pad)+fake, strings.Repeat("\u3000", pad)+fake)
	}
	for columns := 3; columns < 90; columns += 7 {
		p := testPainter(ansi.GraphemeWidth, columns)
		for _, message := range texts {
			e := entryFrom("alice", text.CleanLines(message))
			checkRows(t, p, &e)
		}
	}
}

func TestLinks(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"see https://a.b/c.", "https://a.b/c"},
		{"(https://a.b/c_(d))", "https://a.b/c_(d)"},
		{"<http://a.b>, HTTPS://C.D/?", "http://a.b|HTTPS://C.D/"},
		{"看https://a.b/c，好", "https://a.b/c"},
		{"[x](https://a.b/)", "https://a.b/"},
		{"javascript://a file:///etc/passwd xhttp://a ://", ""},
		{"http:// https://... https://)", ""},
		{"ftp://http://a.b", "http://a.b"},
	} {
		var got []string
		for _, s := range linksIn(test.text) {
			got = append(got, test.text[s.from:s.to])
		}
		if strings.Join(got, "|") != test.want {
			t.Errorf("links in %q: %q, want %q", test.text, got, test.want)
		}
	}
}

func TestLinkOverRows(t *testing.T) {
	e := entryFrom("alice", "https://example.org/ä;b/"+strings.Repeat("x", 60))
	e.serial = 0x2a
	const open = "\x1b]8;id=2a.0;https://example.org/%C3%A4%3Bb/"
	rows := rowsOf(testPainter(ansi.GraphemeWidth, 60), &e)
	if len(rows) != 2 || strings.Count(rows[0], open) != 1 || strings.Count(rows[1], open) != 1 {
		t.Errorf("rows are %q, want %q in both", rows, open)
	}
	e.text = "https://example.org/" + strings.Repeat("ä", maxLink/4)
	if row := rowsOf(testPainter(ansi.GraphemeWidth, 60), &e)[0]; strings.Contains(row, "\x1b]8") {
		t.Errorf("a link of more than %d bytes was made: %q", maxLink, row)
	}
}

// The themes of a terminal with 16 colors, and of one without any.
var (
	theme16 = &theme.Theme{Dim: "2", Hairline: "2", Accent: "1", Amber: "33", Violet: "35", Red: "31"}
	mono    = &theme.Theme{Dim: "2", Hairline: "2", Accent: "1", Mono: true}
)

func TestHighlights(t *testing.T) {
	e := entryFrom("alice", "soup, Bob: see http://bob.org/soup, bobby")
	e.highlight, e.serial = true, 7
	for _, test := range []struct {
		name    string
		theme   *theme.Theme
		current uint32
		want    []string
	}{
		{"colors", testTheme, 0, []string{
			"\x1b[" + string(testTheme.Mention) + "m\x1b[38;2;245;184;61;1m▌\x1b[m", "\x1b[1;" + string(testTheme.Hit) + "msoup\x1b[m", "\x1b[38;2;245;184;61;1mBob\x1b[m",
			"\x1b[38;2;130;180;255;4mhttp://\x1b[m", "\x1b[38;2;130;180;255;4;38;2;245;184;61;1mbob\x1b[m", "\x1b[38;2;130;180;255;4;1;" + string(testTheme.Hit) + "msoup\x1b[m", ", bobby",
		}},
		{"the current hit", testTheme, 7, []string{
			"\x1b[" + string(testTheme.Selected) + "m\x1b[38;2;130;180;255;1m▌\x1b[m", "\x1b[1;4;" + string(testTheme.Hit) + "msoup\x1b[m", "\x1b[1mBob\x1b[m", "\x1b[4mhttp://\x1b[m",
		}},
		{"16 colors", theme16, 0, []string{"\x1b[33;1m▌\x1b[m", "\x1b[1;4msoup\x1b[m", "\x1b[33;1mBob\x1b[m", "\x1b[1;4mhttp://\x1b[m"}},
		{"the current hit in 16", theme16, 7, []string{"\x1b[1;1m▌\x1b[m", "\x1b[1;1;4msoup\x1b[m", "\x1b[1;4mhttp://\x1b[m", "\x1b[1m, bobby\x1b[m"}},
		{"no colors", mono, 0, []string{"\x1b[1m┃\x1b[m", "\x1b[1;4msoup\x1b[m", "\x1b[1;7mBob\x1b[m"}},
		{"the current hit without colors", mono, 7, []string{"\x1b[1;1m┃\x1b[m", "\x1b[1;1;7msoup\x1b[m"}},
	} {
		l := testPainter(ansi.GraphemeWidth, 200)
		l.search, l.theme, l.current = "SOUP", test.theme, test.current
		row := rowsOf(l, &e)[0]
		for _, want := range test.want {
			if !strings.Contains(row, want) {
				t.Errorf("%s: %q is not in %q", test.name, want, row)
			}
		}
	}
}

// A ground reaches from edge to edge, under everything in the row. Other rows have no
// spaces at their end.
func TestGrounds(t *testing.T) {
	for _, columns := range []int{8, 40, 80, 160} {
		for _, test := range []struct {
			entry  entry
			ground theme.Style
		}{
			{entryFrom("alice", "see https://a.b/ and\nthe rest"), ""},
			{entry{from: "alice", text: "bob: see https://a.b/ and\n\nthe rest", highlight: true}, testTheme.Mention},
			{entry{from: "alice", text: "see https://a.b/ and\n\nthe rest", kind: kindPrivate, highlight: true}, testTheme.Private},
		} {
			l := testPainter(ansi.GraphemeWidth, columns)
			for _, row := range rowsOf(l, &test.entry) {
				plain := bare(row)
				if test.ground == "" {
					if strings.HasSuffix(plain, " ") || strings.Contains(row, "\x1b[48") {
						t.Errorf("the row %q has a ground or spaces at its end", row)
					}
					continue
				}
				if l.ruler.width(plain) != columns || !strings.HasPrefix(row, "\x1b["+string(test.ground)+"m") {
					t.Errorf("the row %q has no ground of %d columns", row, columns)
				}
				for _, after := range strings.Split(row, "\x1b[m")[1:] {
					if after != "" && !strings.HasPrefix(after, "\x1b["+string(test.ground)+"m") {
						t.Errorf("the row %q has no ground before %q", row, after)
					}
				}
			}
		}
	}
}

// BenchmarkRowsOfLongText draws texts that try to be slow. A byte of a long one takes about as long as
// one of a short one.
func BenchmarkRowsOfLongText(b *testing.B) {
	for _, unit := range []string{
		"a", " ", "\t", "\n", "漢", "https://", "http://x ", "http://x/" + strings.Repeat(")", 1000), "bob ", "://",
		"👩\u200d", "a\u0301", "\u1100", "क्",
		"`a ", "**a ", "_a ", "_a_ ", "`a` **b** _c_ ", "```\n", "```go\na\n", "```\na\n```\n", "_https://x.y ",
	} {
		for _, length := range []int{maxShown / 16, maxShown} {
			b.Run(fmt.Sprintf("%.20q/%d", unit, length), func(b *testing.B) {
				e := entryFrom("alice", strings.Repeat(unit, length/len(unit)))
				e.highlight = true
				l := testPainter(ansi.GraphemeWidth, 80)
				l.search = "a"
				for b.Loop() {
					rowsOf(l, &e)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(e.text)), "ns/byte")
			})
		}
	}
}

func BenchmarkRows(b *testing.B) {
	for _, text := range []string{"The soup is ready, and whoever is late gets none of it, as usual", "see https://example.org/soup", "Суп готов, а кто опоздает"} {
		b.Run(fmt.Sprintf("%.8s", text), func(b *testing.B) {
			e, l := entryFrom("alice", text), testPainter(ansi.WcWidth, 100)
			b.ReportAllocs()
			for range b.N {
				rowsOf(l, &e)
			}
		})
	}
}

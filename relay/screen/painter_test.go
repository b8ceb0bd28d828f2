package screen

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"chat/relay/text"
)

// soupTime is the time of the entries in these tests.
var soupTime = time.Date(2026, 11, 25, 10, 2, 0, 0, time.UTC)

func testPainter(method ansi.Method, columns int) *painter {
	return &painter{ruler: ruler{method: method}, columns: columns, nick: "bob", zone: time.UTC, palette: paletteFor(nil, colorprofile.ANSI256)}
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
	for _, test := range []struct {
		name    string
		entry   entry
		columns int
		want    string
	}{
		{"a message", entryFrom("alice", "soup is ready"), 40, "10:02 alice  soup is ready"},
		{"over several rows", entryFrom("alice", "soup is ready for all"), 26, "10:02 alice  soup is ready\n             for all"},
		{"several lines", entryFrom("alice", "a\n\nb"), 40, "10:02 alice  a\n\n             b"},
		{"narrow", entryFrom("alice", "soup is ready for all"), 20, "10:02 alice\n  soup is ready for\n  all"},
		{"very narrow", entryFrom("alice", "soup"), 4, "10:0\n  so\n  up"},
		{"an action", entry{at: soupTime.UnixMilli(), kind: kindAction, from: "alice", text: "waves"}, 40, "10:02 * alice waves"},
		{"private", entry{at: soupTime.UnixMilli(), kind: kindPrivate, from: "alice", text: "hi"}, 60, "10:02 [alice → you] hi"},
		{"private from us", entry{at: soupTime.UnixMilli(), kind: kindPrivate, own: true, from: "bob", to: "alice", text: "hi"}, 60, "10:02 [you → alice] hi"},
		{"a notice", entry{at: soupTime.UnixMilli(), kind: kindNotice, text: "hello"}, 40, "10:02 · hello"},
		{"an error", entry{at: soupTime.UnixMilli(), kind: kindError, text: "no"}, 40, "10:02 ! no"},
		{"the nick of a hostile host", entryFrom(strings.Repeat("x", 4000), "hi"), 80, "10:02 " + strings.Repeat("x", 24) + "  hi"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := bareRows(testPainter(ansi.GraphemeWidth, test.columns).rows(&test.entry)); got != test.want {
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
			l.nick, l.search = nick, text.Clean(search)
			checkRows(t, l, &e)
		}
	})
}

func checkRows(t *testing.T, l *painter, e *entry) {
	t.Helper()
	for i, row := range l.rows(e) {
		plain := bare(row)
		for _, c := range plain {
			if c < ' ' || c >= 0x7f && c < 0xa0 {
				t.Fatalf("row %q has another escape sequence", row)
			}
		}
		if i > 0 && l.columns > 2 && plain != "" && plain[0] != ' ' {
			t.Fatalf("row %q can pass for another entry", row)
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
}

func TestRowsOfTrickyRunes(t *testing.T) {
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
	fake := "10:02 bob  hi"
	texts := []string{"\n" + fake, "x\n" + fake + "\n" + fake}
	for pad := range 100 {
		texts = append(texts, strings.Repeat("x", pad)+" "+fake, strings.Repeat(" ", pad)+fake, strings.Repeat("\u3000", pad)+fake)
	}
	for _, message := range texts {
		for columns := 3; columns < 90; columns += 7 {
			e := entryFrom("alice", text.CleanLines(message))
			for _, row := range testPainter(ansi.GraphemeWidth, columns).rows(&e)[1:] {
				if !strings.HasPrefix(bare(row), " ") && bare(row) != "" {
					t.Errorf("%q at %d columns has the row %q", message, columns, row)
				}
			}
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
	rows := testPainter(ansi.GraphemeWidth, 60).rows(&e)
	if len(rows) != 2 || strings.Count(rows[0], open) != 1 || strings.Count(rows[1], open) != 1 {
		t.Errorf("rows are %q, want %q in both", rows, open)
	}
	e.text = "https://example.org/" + strings.Repeat("ä", maxLink/4)
	if row := testPainter(ansi.GraphemeWidth, 60).rows(&e)[0]; strings.Contains(row, "\x1b]8") {
		t.Errorf("a link of more than %d bytes was made: %q", maxLink, row)
	}
}

func TestHighlights(t *testing.T) {
	e := entryFrom("alice", "soup, Bob: see http://bob.org/soup, bobby")
	e.highlight = true
	l := testPainter(ansi.GraphemeWidth, 200)
	l.search = "SOUP"
	row := l.rows(&e)[0]
	for _, want := range []string{
		"\x1b[7msoup\x1b[m", "\x1b[1;7mBob\x1b[m", "\x1b[4mhttp://\x1b[m", "\x1b[4;1;7mbob\x1b[m", "\x1b[4;7msoup\x1b[m", ", bobby",
	} {
		if !strings.Contains(row, want) {
			t.Errorf("%q is not in %q", want, row)
		}
	}
}

// TestRowsAreQuick draws large texts that try to be slow: if the time grew with the square
// of the length, they would take many seconds.
func TestRowsAreQuick(t *testing.T) {
	for _, unit := range []string{
		"a", " ", "\t", "\n", "漢", "https://", "http://x ", "http://x/" + strings.Repeat(")", 1000), "bob ", "://",
		"👩\u200d", "a\u0301", "\u1100", "क्",
	} {
		for _, method := range methods {
			e := entryFrom("alice", strings.Repeat(unit, maxShown/len(unit)))
			e.highlight = true
			l := testPainter(method, 80)
			l.search = "a"
			start := time.Now()
			l.rows(&e)
			if took := time.Since(start); took > 2*time.Second { // -race and a busy machine included
				t.Errorf("%d bytes of %.20q took %v", maxShown, unit, took)
			}
		}
	}
}

func BenchmarkRows(b *testing.B) {
	for _, text := range []string{"The soup is ready, and whoever is late gets none of it, as usual", "see https://example.org/soup", "Суп готов, а кто опоздает"} {
		b.Run(fmt.Sprintf("%.8s", text), func(b *testing.B) {
			e, l := entryFrom("alice", text), testPainter(ansi.WcWidth, 100)
			b.ReportAllocs()
			for range b.N {
				l.rows(&e)
			}
		})
	}
}

package screen

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"chat/relay/text"
)

// A style is how text is drawn: the parameters of SGR (ECMA-48, 8.3.117). The
// renderer leaves out what the terminal cannot do, and colours where NO_COLOR is set.
type style string

const (
	plainStyle  style = ""
	dimStyle    style = "2"
	boldStyle   style = "1"
	errorStyle  style = "1;31"
	callStyle   style = "1;7"
	newStyle    style = "7;33;40" // black on yellow, in every theme; yellow on white cannot be read
	secretStyle style = "35"
	linkStyle   style = "4"
	hitStyle    style = "7"
)

func (s style) draw(text string) string {
	if s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[m"
}

func (s style) with(other style) style {
	if s == "" || other == "" {
		return s + other
	}
	return s + ";" + other
}

// A look is what the rows of entries depend on, besides the entries.
type look struct {
	ruler   ruler
	columns int
	us      string // our nick
	search  string // the words that are looked for; "": none
	zone    *time.Location
	palette *palette
}

// narrowIndent is how far a text is indented that has no room beside its head.
const narrowIndent = 2 // columns

// rows draws an entry: its first row begins with its time and whose it is, all
// others with a space, so that no text can pass for another entry.
func (l *look) rows(e *entry) (rows []string) {
	head, drawn, body := l.head(e)
	indent := l.ruler.width(head)
	if indent > l.columns/2 { // too narrow: the text goes below
		if indent > l.columns {
			drawn = dimStyle.draw(l.ruler.cut(head, l.columns))
		}
		rows = append(rows, drawn)
		indent = min(narrowIndent, max(l.columns-2, 0))
	}
	text := l.ruler.show(e.text)
	marks := l.marks(e, text)
	if e.file > 0 {
		how := fmt.Sprintf(" (/get %d)", e.file)
		marks = append(marks, mark{span: span{len(text), len(text) + len(how)}, style: dimStyle})
		text += how
	}
	margin := strings.Repeat(" ", indent)
	for _, s := range l.ruler.wrap(text, l.columns-indent) {
		for len(marks) > 0 && marks[0].to <= s.from {
			marks = marks[1:]
		}
		start := margin
		if len(rows) == 0 {
			start = drawn
		}
		rows = append(rows, start+drawMarked(text, s, body, marks))
	}
	return rows
}

// head returns the beginning of an entry's first row, bare and drawn, and how its
// text is drawn.
func (l *look) head(e *entry) (bare, drawn string, body style) {
	clock := e.time().In(l.zone).Format("15:04 ")
	from := l.nick(e.from)
	switch e.kind {
	case said:
		return clock + from + "  ", dimStyle.draw(clock) + l.nickStyle(e).draw(from) + "  ", plainStyle
	case done:
		return clock + "* " + from + " ", dimStyle.draw(clock) + "* " + l.nickStyle(e).draw(from) + " ", plainStyle
	case private:
		who := "[" + from + " → you]"
		if e.own {
			who = "[you → " + l.nick(e.to) + "]"
		}
		return clock + who + " ", dimStyle.draw(clock) + secretStyle.with(boldStyle).draw(who) + " ", secretStyle
	case complaint:
		return clock + "! ", dimStyle.draw(clock) + errorStyle.draw("!") + " ", errorStyle
	default:
		return clock + "· ", dimStyle.draw(clock + "· "), dimStyle
	}
}

// nick returns a nick as it is drawn; that of a hostile host can be of any length.
func (l *look) nick(nick string) string {
	return l.ruler.cut(l.ruler.show(nick), text.MaxNickColumns)
}

func (l *look) nickStyle(e *entry) style {
	s := l.palette.of(e.from).with(boldStyle)
	if e.calls {
		s = s.with("7")
	}
	return s
}

// rule draws a line with words in it.
func (l *look) rule(words string, s style) string {
	return s.draw(l.ruler.cut("── "+words+" ──", l.columns))
}

func dayWords(t time.Time) string { return t.Format("Monday, 2 January 2006") }

// --- what stands out in a text ---------------------------------------------------

// A mark is a part of an entry's text that is drawn in its own way.
type mark struct {
	span
	style style
	link  string // parameters and target of OSC 8; "": leads nowhere
}

// marks returns what stands out in an entry's text, by where it begins.
func (l *look) marks(e *entry, shown string) (marks []mark) {
	if e.kind > private {
		return nil
	}
	for _, s := range linksIn(shown) {
		m := mark{span: s, style: linkStyle}
		if target := linkTarget(shown[s.from:s.to]); len(target) <= maxLink {
			// The id joins the rows of one link for the terminal, and no others.
			m.link = fmt.Sprintf("id=%x.%x;%s", e.serial, s.from, target)
		}
		marks = append(marks, m)
	}
	if e.calls {
		for _, s := range mentionsIn(shown, l.us) {
			marks = append(marks, mark{span: s, style: callStyle})
		}
	}
	if l.search != "" {
		text.NewQuery(l.search).Find(shown, func(from, to int) {
			marks = append(marks, mark{span: span{from, to}, style: hitStyle})
		})
	}
	l.widen(shown, marks)
	slices.SortStableFunc(marks, func(a, b mark) int { return a.from - b.from })
	return marks
}

// widen makes marks begin and end between characters: a sequence between a letter
// and what belongs to it would part them for the renderer, but not for the terminal.
func (l *look) widen(text string, marks []mark) {
	if len(marks) == 0 || isPlain(text) {
		return
	}
	starts := make([]int, len(text)+1) // of the character that a byte belongs to
	for i := 0; i < len(text); {
		char, _ := l.ruler.first(text[i:])
		for j := range len(char) {
			starts[i+j] = i
		}
		i += len(char)
	}
	starts[len(text)] = len(text)
	for i := range marks {
		m := &marks[i]
		m.from = starts[m.from]
		for starts[m.to] < m.to {
			m.to++
		}
	}
}

// drawMarked draws text[row.from:row.to]. Of two marks in one place the later one
// says how it looks.
func drawMarked(text string, row span, body style, marks []mark) string {
	var b strings.Builder
	for at := row.from; at < row.to; {
		to, s, link := row.to, body, ""
		for _, m := range marks {
			if m.from > at {
				to = min(to, m.from)
				break
			}
			if m.to > at {
				to = min(to, m.to)
				s = s.with(m.style)
				link += m.link // links do not overlap
			}
		}
		if link != "" {
			b.WriteString("\x1b]8;" + link + "\x1b\\")
		}
		b.WriteString(s.draw(text[at:to]))
		if link != "" {
			b.WriteString("\x1b]8;;\x1b\\")
		}
		at = to
	}
	return b.String()
}

// --- links -----------------------------------------------------------------------

// maxLink is how long a link may be, in bytes, to be one for the terminal: VTE and
// iTerm2 take no longer ones.
const maxLink = 2083

// linksIn returns where text has links, to http and https.
func linksIn(text string) (at []span) {
	for i := 0; ; {
		sep := strings.Index(text[i:], "://")
		if sep < 0 {
			return at
		}
		scheme := schemeBefore(text[i : i+sep])
		i += sep + len("://")
		if scheme == 0 {
			continue
		}
		if n := linkLength(text[i:]); n > 0 {
			at = append(at, span{i - len("://") - scheme, i + n})
			i += n
		}
	}
}

// schemeBefore returns the length of the scheme of a link at the end of s; 0: none.
func schemeBefore(s string) int {
	for _, scheme := range []string{"https", "http"} {
		if n := len(s) - len(scheme); n >= 0 && strings.EqualFold(s[n:], scheme) && !continues(s[:n], scheme) {
			return len(scheme)
		}
	}
	return 0
}

// linkLength returns how much of the start of s belongs to a link. What ends a
// sentence ends a link too, and a closing bracket that was not opened in it.
func linkLength(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool { return !inLink(r) })
	if n < 0 {
		n = len(s)
	}
	var open [len(closing)]int // brackets without the other one
	for i := range open {
		open[i] = strings.Count(s[:n], opening[i:i+1]) - strings.Count(s[:n], closing[i:i+1])
	}
	for ; n > 0; n-- {
		c := s[n-1]
		i := strings.IndexByte(closing, c)
		switch {
		case i >= 0 && open[i] < 0:
			open[i]++
		case strings.IndexByte(".,;:!?'*_", c) < 0:
			return n
		}
	}
	return 0
}

const opening, closing = "([{", ")]}"

// inLink reports what a link is written with: RFC 3986, and letters of all scripts.
func inLink(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && r < 0x7f && !strings.ContainsRune("<>\"`", r)
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.N)
}

// linkTarget returns url as OSC 8 takes it: nothing but ASCII.
func linkTarget(url string) string {
	var b strings.Builder
	for i := range len(url) {
		if c := url[i]; c <= ' ' || c >= 0x7f || c == ';' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

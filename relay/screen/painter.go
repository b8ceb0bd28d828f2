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

// A style is how text is drawn: the parameters of SGR (ECMA-48, 8.3.117). Bubble Tea's
// renderer removes those that the terminal does not support, and colors if NO_COLOR is set.
type style string

const (
	plainStyle   style = ""
	dimStyle     style = "2"
	boldStyle    style = "1"
	errorStyle   style = "1;31"
	mentionStyle style = "1;7"
	newStyle     style = "7;33;40" // black on yellow, in every theme; yellow on white is unreadable
	privateStyle style = "35"
	linkStyle    style = "4"
	hitStyle     style = "7"
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

// A painter draws entries as rows. Rows drawn by one painter are valid for any that is
// equal to it.
type painter struct {
	ruler   ruler
	columns int
	nick    string // ours
	search  string // words to mark; "": none
	zone    *time.Location
	palette *palette
	theme   *theme
}

// narrowIndent is how far a text is indented that does not fit beside its head, in
// columns.
const narrowIndent = 2

// rows draws an entry: its first row starts with the time and the sender, all others
// with a space, so that no text can pass for another entry.
func (p *painter) rows(e *entry) (rows []string) {
	head, drawn, body := p.head(e)
	indent := p.ruler.width(head)
	if indent > p.columns/2 { // too narrow: the text goes below it
		if indent > p.columns {
			drawn = dimStyle.draw(p.ruler.cut(head, p.columns))
		}
		rows = append(rows, drawn)
		indent = min(narrowIndent, max(p.columns-2, 0))
	}
	text := p.ruler.show(e.text)
	marks := p.marks(e, text)
	if e.file > 0 {
		command := fmt.Sprintf(" (/get %d)", e.file)
		marks = append(marks, mark{span: span{len(text), len(text) + len(command)}, style: dimStyle})
		text += command
	}
	margin := strings.Repeat(" ", indent)
	for _, s := range p.ruler.wrap(text, p.columns-indent) {
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

// head returns the start of an entry's first row, plain and drawn, and the style of its
// text.
func (p *painter) head(e *entry) (plain, drawn string, body style) {
	clock := e.time().In(p.zone).Format("15:04 ")
	from := p.drawnNick(e.from)
	switch e.kind {
	case kindMessage:
		return clock + from + "  ", dimStyle.draw(clock) + p.nickStyle(e).draw(from) + "  ", plainStyle
	case kindAction:
		return clock + "* " + from + " ", dimStyle.draw(clock) + "* " + p.nickStyle(e).draw(from) + " ", plainStyle
	case kindPrivate:
		who := "[" + from + " → you]"
		if e.own {
			who = "[you → " + p.drawnNick(e.to) + "]"
		}
		return clock + who + " ", dimStyle.draw(clock) + privateStyle.with(boldStyle).draw(who) + " ", privateStyle
	case kindError:
		return clock + "! ", dimStyle.draw(clock) + errorStyle.draw("!") + " ", errorStyle
	default:
		return clock + "· ", dimStyle.draw(clock + "· "), dimStyle
	}
}

// drawnNick returns a nick as it is drawn: a hostile host may send a nick that is too wide.
func (p *painter) drawnNick(nick string) string {
	return p.ruler.cut(p.ruler.show(nick), text.MaxNickColumns)
}

func (p *painter) nickStyle(e *entry) style {
	s := p.palette.styleOf(e.from).with(boldStyle)
	if e.highlight {
		s = s.with("7")
	}
	return s
}

// rule draws a line with a label in it.
func (p *painter) rule(label string, s style) string {
	return s.draw(p.ruler.cut("── "+label+" ──", p.columns))
}

// --- marks in a text -------------------------------------------------------------------

// A mark is a part of an entry's text that is drawn in its own way.
type mark struct {
	span
	style style
	link  string // parameters and target of OSC 8; "": none
}

// marks returns the marks in an entry's text in order: links, mentions of us, and hits of
// the search.
func (p *painter) marks(e *entry, shown string) (marks []mark) {
	if !e.kind.isMessage() {
		return nil
	}
	for _, s := range linksIn(shown) {
		m := mark{span: s, style: linkStyle}
		if target := linkTarget(shown[s.from:s.to]); len(target) <= maxLink {
			// By the id the terminal knows which rows belong to one link.
			m.link = fmt.Sprintf("id=%x.%x;%s", e.serial, s.from, target)
		}
		marks = append(marks, m)
	}
	if e.highlight {
		for _, s := range mentionsIn(shown, p.nick) {
			marks = append(marks, mark{span: s, style: mentionStyle})
		}
	}
	if p.search != "" {
		text.NewQuery(p.search).Find(shown, func(from, to int) {
			marks = append(marks, mark{span: span{from, to}, style: hitStyle})
		})
	}
	p.widen(shown, marks)
	slices.SortStableFunc(marks, func(a, b mark) int { return a.from - b.from })
	return marks
}

// widen makes marks start and end between characters. An escape sequence between a letter
// and its accent would separate them for the renderer, but not for the terminal.
func (p *painter) widen(text string, marks []mark) {
	if len(marks) == 0 || isPlain(text) {
		return
	}
	starts := make([]int, len(text)+1) // of the character that a byte belongs to
	for i := 0; i < len(text); {
		char, _ := p.ruler.first(text[i:])
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

// drawMarked draws text[row.from:row.to]. If two marks overlap, the style of the later one
// wins.
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

// --- links -----------------------------------------------------------------------------

// maxLink is how long a link may be, in bytes, to be clickable: VTE and iTerm2 ignore
// longer ones.
const maxLink = 2083

// linksIn returns where text has http and https links.
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

// linkLength returns how many bytes at the start of s belong to a link. Punctuation at
// the end of a sentence does not, nor does a closing bracket that the link did not open.
func linkLength(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool { return !inLink(r) })
	if n < 0 {
		n = len(s)
	}
	var open [len(closing)]int // brackets without a partner
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

// inLink reports whether r can be part of a link: RFC 3986, and letters of all scripts.
func inLink(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && r < 0x7f && !strings.ContainsRune("<>\"`", r)
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.N)
}

// linkTarget returns url as OSC 8 requires it: in ASCII.
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

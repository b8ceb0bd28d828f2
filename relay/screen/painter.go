package screen

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"chat/relay/screen/theme"
	"chat/relay/text"
	"chat/relay/timezone"
)

// A painter draws entries as rows. Rows drawn by one painter are valid for any that is
// equal to it.
type painter struct {
	ruler   ruler
	columns int
	widest  int    // columns of the widest nick that wrote a message
	nick    string // ours
	search  string // words to mark; "": none
	current uint32 // serial of the search's current hit; 0: none
	copying bool   // only texts, so that the mouse selects nothing else
	printed bool   // for the time after the screen: each entry has its time and nick
	zone    *time.Location
	year    int // days of other years are shown with theirs
	theme   *theme.Theme
	nicks   *nickColors
	edits   int // of nicks, when the painter was made

	noItalic bool // the terminal draws it as something else
	colors   *codeColors
	version  int // of colors
}

// painter returns a painter of the given width.
func (c *conversation) painter(columns int) *painter {
	p := &painter{
		ruler: c.m.ruler, columns: columns, widest: c.transcript.widest, nick: c.nick, search: c.search.words,
		copying: c.copying, zone: timezone.Local(time.Now()), theme: c.m.theme, nicks: &c.nicks, edits: c.nicks.edits,
	}
	p.noItalic, p.colors, p.version = c.m.noItalic, c.m.colors, c.m.colors.changes()
	p.year = c.now().In(p.zone).Year()
	if hit := c.search.hit(); hit != nil {
		p.current = hit.serial
	}
	return p
}

// body draws what an entry says, as rows to be put beside its heads. They do not depend on
// other entries, and each is at most as wide as the layout allows. Only code is padded
// with spaces.
func (p *painter) body(e *entry) (rows []string) {
	s := p.said(e)
	q := markQueue{later: s.marks}
	at := 0
	for _, b := range s.blocks {
		if at < b.from {
			rows = append(rows, p.prose(e, s.text, span{at, b.from - 1}, &q)...)
		}
		rows = append(rows, p.codeRows(e, s.text, b, q.in(b.span))...)
		at = b.to + 1
	}
	if at < len(s.text) || at == 0 {
		rows = append(rows, p.prose(e, s.text, span{at, len(s.text)}, &q)...)
	}
	return rows
}

// prose draws a part of an entry's text, wrapped between words.
func (p *painter) prose(e *entry, text string, part span, q *markQueue) (rows []string) {
	base := p.bodyStyle(e)
	for _, row := range p.ruler.wrap(text[part.from:part.to], p.layout().length) {
		row.from, row.to = row.from+part.from, row.to+part.from
		rows = append(rows, drawMarked(text, row, base, q.in(row)))
	}
	return rows
}

// bodyStyle returns the style of an entry's text.
func (p *painter) bodyStyle(e *entry) theme.Style {
	switch {
	case p.isCurrent(e) && p.theme.Selected != "":
		return theme.Plain
	case p.isCurrent(e):
		return theme.Bold
	case e.kind.isMessage():
		return theme.Plain
	case e.kind == kindError:
		return p.theme.Red
	default:
		return p.theme.Dim
	}
}

// said returns the text of an entry as it is drawn, and the marks in it. That of an action
// starts with who does it, that of a private message with who gets it.
func (p *painter) said(e *entry) (s passage) {
	switch {
	case e.file != nil && !p.copying:
		s.text, s.marks = p.announcement(e)
	case e.kind.isMessage():
		s = p.passage(e, p.ruler.show(untabbed(e.text)))
		s.marks = p.inOrder(s.text, append(s.marks, p.marks(e, s.text)...))
	default:
		s.text = p.ruler.show(e.text)
	}
	var start mark
	before := ""
	switch {
	case e.kind == kindAction:
		before = p.drawnNick(e.from) + " "
		start.style = p.nickStyle(e.from, e.own)
	case e.kind == kindPrivate && !p.copying: // the row above has it
		before = p.recipient(e) + "  "
		start.style = p.theme.Violet.With(theme.Bold)
	}
	start.to = len(strings.TrimRight(before, " "))
	start.style = p.unlessCurrent(e, start.style, theme.Bold)
	if sign := e.sign(); sign != "" && p.copying { // it has no column for it
		before = sign + " " + before
		start.from, start.to = start.from+len(sign)+1, start.to+len(sign)+1
	}
	s.precede(before)
	s.marks = append([]mark{start}, s.marks...)
	return s
}

// recipient returns who gets a private message.
func (p *painter) recipient(e *entry) string {
	if e.own {
		return p.drawnNick(e.to)
	}
	return "you"
}

// announcement returns how an upload is announced. Its name is a link; the address is not
// shown, as it is long and /get does without.
func (p *painter) announcement(e *entry) (shown string, marks []mark) {
	const sent, icon = "sent  ", "▣"
	shown = sent + icon
	accent := p.unlessCurrent(e, p.theme.Accent, theme.Plain)
	marks = append(marks, mark{span: span{len(sent), len(shown)}, style: accent})
	shown += " " + p.ruler.show(e.file.name)
	name := mark{span: span{len(sent + icon + " "), len(shown)}, style: accent.With(theme.Underline)}
	if links := linksIn(e.text); len(links) > 0 {
		url := links[len(links)-1]
		name.link = linkTo(e, url.from, e.text[url.from:url.to])
	}
	marks = append(append(marks, name), p.hits(e, shown)...)
	end := len(shown)
	shown += fmt.Sprintf("  %s · /get %d", humanize.Bytes(uint64(max(e.file.size, 0))), e.file.number)
	marks = append(marks, mark{span: span{end, len(shown)}, style: p.unlessCurrent(e, p.theme.Dim, theme.Plain)})
	return shown, p.inOrder(shown, marks)
}

// --- marks in a text -------------------------------------------------------------------

// A mark is a part of an entry's text that is drawn in its own way.
type mark struct {
	span
	style theme.Style
	link  string // parameters and target of OSC 8; "": none
}

// marks returns the marks that we find in the text of a message: links, mentions of us, and
// hits of the search.
func (p *painter) marks(e *entry, shown string) (marks []mark) {
	linked := p.unlessCurrent(e, p.theme.Accent, theme.Plain).With(theme.Underline)
	for _, s := range linksIn(shown) {
		marks = append(marks, mark{s, linked, linkTo(e, s.from, shown[s.from:s.to])})
	}
	if e.highlight {
		for _, s := range mentionsIn(shown, p.nick) {
			marks = append(marks, mark{span: s, style: p.unlessCurrent(e, p.mentionStyle(), theme.Bold)})
		}
	}
	return append(marks, p.hits(e, shown)...)
}

// hits returns the words of the search in an entry's text.
func (p *painter) hits(e *entry, shown string) (marks []mark) {
	if p.search == "" {
		return nil
	}
	s := p.hitStyle(e)
	text.NewQuery(p.search).Find(shown, func(from, to int) {
		marks = append(marks, mark{span: span{from, to}, style: s})
	})
	return marks
}

// hitStyle returns the style of the words that the search found.
func (p *painter) hitStyle(e *entry) theme.Style {
	switch {
	case p.theme.Mono && p.isCurrent(e):
		return theme.Bold.With(theme.Reverse)
	case p.theme.Hit == "" || p.isCurrent(e):
		return theme.Bold.With(theme.Underline).With(p.theme.Hit)
	default:
		return theme.Bold.With(p.theme.Hit)
	}
}

// mentionStyle returns the style of our nick in a text.
func (p *painter) mentionStyle() theme.Style {
	if p.theme.Mono {
		return theme.Bold.With(theme.Reverse)
	}
	return p.theme.Amber.With(theme.Bold)
}

// unlessCurrent returns s, or other for the search's current hit: on the ground of a chosen
// row no color is sure to be readable.
func (p *painter) unlessCurrent(e *entry, s, other theme.Style) theme.Style {
	if p.isCurrent(e) {
		return other
	}
	return s
}

// linkTo returns the parameters of OSC 8 for the link at byte at of an entry's text; "" if
// it is too long.
func linkTo(e *entry, at int, url string) string {
	target := linkTarget(url)
	if len(target) > maxLink {
		return ""
	}
	// By the id the terminal knows which rows belong to one link.
	return fmt.Sprintf("id=%x.%x;%s", e.serial, at, target)
}

// maxLink is how long a link may be, in bytes, to be clickable: VTE and iTerm2 ignore
// longer ones.
const maxLink = 2083

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

// inOrder returns marks in order, each from the start of a character to the end of one. An
// escape sequence between a letter and its accent would separate them for the renderer, but
// not for the terminal.
func (p *painter) inOrder(text string, marks []mark) []mark {
	p.widen(text, marks)
	slices.SortStableFunc(marks, func(a, b mark) int { return a.from - b.from })
	return marks
}

// widen makes marks start and end between characters.
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
func drawMarked(text string, row span, body theme.Style, marks []mark) string {
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
				s = s.With(m.style)
				link += m.link // links do not overlap
			}
		}
		if link != "" {
			b.WriteString("\x1b]8;" + link + "\x1b\\")
		}
		b.WriteString(s.Draw(text[at:to]))
		if link != "" {
			b.WriteString("\x1b]8;;\x1b\\")
		}
		at = to
	}
	return b.String()
}

package screen

import (
	"strings"
	"time"

	"chat/relay/screen/theme"
	"chat/relay/text"
)

// groupWithin is how long after the last message of the same member, in milliseconds, a
// message is shown without its nick.
const groupWithin = 5 * 60 * 1000

// A setting is the surroundings of an entry: its head depends on both.
type setting struct {
	before  *entry // the entry above; nil: none
	apart   bool   // a line is between the two
	top     bool   // the row is the first of the window
	pending bool   // the host has not acknowledged the entry
}

// isGrouped reports whether e continues the messages above it: the nick above them is its
// own too.
func (s *setting) isGrouped(e *entry, zone *time.Location) bool {
	b := s.before
	return b != nil && !s.apart && b.kind == kindMessage && e.kind == kindMessage && b.from == e.from && b.own == e.own &&
		max(e.at-b.at, b.at-e.at) < groupWithin && sameDay(b, e, zone)
}

// sameDay reports whether two entries are of one day.
func sameDay(a, b *entry, zone *time.Location) bool {
	const quarter = 15 * 60 * 1000
	if a.at/quarter == b.at/quarter { // days begin at one in every zone
		return true
	}
	y, m, d := a.time().In(zone).Date()
	y2, m2, d2 := b.time().In(zone).Date()
	return d == d2 && m == m2 && y == y2
}

// A head is what stands left of a row of an entry's text.
type head struct {
	clock  string
	nick   string
	nickAs theme.Style
	sign   string // in place of the nick: "*" an action, "·" an event, "!" an error
	signAs theme.Style
	mark   string // "→" private, "…" not acknowledged
	markAs theme.Style
	tint   tint
}

// A tint sets all rows of an entry apart. The bar says the same as the ground, for
// terminals that have no grounds.
type tint struct {
	ground theme.Style // below the row, from edge to edge
	bar    theme.Style
	barred bool
	chosen bool // the entry is the search's current hit
}

// tint returns the tint of an entry.
func (p *painter) tint(e *entry) tint {
	switch {
	case p.copying || p.printed:
		return tint{}
	case p.isCurrent(e):
		return tint{p.theme.Selected, p.theme.Accent.With(theme.Bold), true, true}
	case e.kind == kindPrivate:
		return tint{p.theme.Private, p.theme.Violet, true, false}
	case e.highlight:
		return tint{p.theme.Mention, p.theme.Amber.With(theme.Bold), true, false}
	}
	return tint{}
}

// isCurrent reports whether e is the search's current hit.
func (p *painter) isCurrent(e *entry) bool { return p.current > 0 && e.serial == p.current }

// sign returns what stands in place of the nick of an entry that has none; "": it has one.
func (e *entry) sign() string {
	switch e.kind {
	case kindMessage, kindPrivate:
		return ""
	case kindAction:
		return "*"
	case kindError:
		return "!"
	default:
		return "·"
	}
}

// head returns the head of an entry's first row.
func (p *painter) head(e *entry, s *setting) head {
	h := head{tint: p.tint(e), sign: e.sign(), signAs: p.theme.Dim}
	if e.kind == kindError {
		h.signAs = p.theme.Red.With(theme.Bold)
	}
	if s.before == nil || s.top || p.printed || s.before.at/60_000 != e.at/60_000 {
		h.clock = p.clock(e)
	}
	switch {
	case h.sign != "":
	case p.printed || !s.isGrouped(e, p.zone):
		h.nick, h.nickAs = p.drawnNick(e.from), p.nickStyle(e.from, e.own)
	case s.top:
		h.nick, h.nickAs = p.drawnNick(e.from), p.theme.Dim
	}
	switch {
	case s.pending:
		h.mark, h.markAs = "…", p.theme.Dim
	case e.kind == kindPrivate:
		h.mark, h.markAs = "→", p.theme.Violet.With(theme.Bold)
	}
	return h
}

// laterHead returns the head of an entry's other rows. If one of them is the first row of
// the window, it repeats who wrote it.
func (p *painter) laterHead(e *entry, top bool) head {
	h := head{tint: p.tint(e)}
	if top && e.sign() == "" {
		h.clock = p.clock(e)
		h.nick, h.nickAs = p.drawnNick(e.from), p.theme.Dim
	}
	return h
}

func (p *painter) clock(e *entry) string { return e.time().In(p.zone).Format("15:04") }

// drawnNick returns a nick as it is drawn: a hostile host may send a nick that is too wide.
func (p *painter) drawnNick(nick string) string {
	return p.ruler.cut(p.ruler.show(nick), text.MaxNickColumns)
}

// nickStyle returns the style of a nick. Ours has no color, which sets it apart.
func (p *painter) nickStyle(nick string, own bool) theme.Style {
	if own {
		return theme.Bold
	}
	return p.nicks.of(nick)
}

// --- drawing ---------------------------------------------------------------------------

// row draws row n of an entry's body beside its head.
func (p *painter) row(e *entry, s *setting, n int, body string) string {
	if n > 0 {
		h := p.laterHead(e, s.top)
		return p.beside(&h, body)
	}
	h := p.head(e, s)
	return p.beside(&h, body)
}

// beside draws a row of a body beside a head.
func (p *painter) beside(h *head, body string) string {
	l := p.layout()
	b := rowBuilder{painter: p}
	b.Grow(len(body) + 96)
	b.putBar(h.tint)
	if l.clock > 0 {
		b.put(l.clock, h.tint.unless(p.theme.Dim), h.clock)
	}
	sign := l.mark
	if l.nick > 0 {
		nick := h.nick
		if p.ruler.width(nick) > l.width {
			nick = p.ruler.fit(nick, l.width)
		}
		b.put(l.nick+l.width-p.ruler.width(nick), h.tint.unless(h.nickAs), nick)
		sign = l.nick + l.width - 1
	}
	if l.mark < l.text { // the window is not too narrow
		b.put(sign, h.tint.unless(h.signAs), h.sign)
		b.put(l.mark, h.tint.unless(h.markAs), h.mark)
	}
	if body != "" {
		b.skipTo(l.text)
		b.WriteString(body)
	}
	return h.tint.under(p, b.String())
}

// unless returns the style of a part of the head: on the ground of a chosen row no color
// is sure to be readable.
func (t *tint) unless(s theme.Style) theme.Style {
	if t.chosen && t.ground != "" {
		return theme.Plain.With(theme.Bold)
	}
	return s
}

// under puts the tint's ground under a row that is drawn already.
func (t *tint) under(p *painter, row string) string {
	if t.ground == "" {
		return row
	}
	return t.ground.Under(padded(p.ruler, row, p.columns))
}

// A rowBuilder builds a row from left to right.
type rowBuilder struct {
	strings.Builder
	painter *painter
	column  int // where the next character goes
}

// put draws text at a column, if there is room for it.
func (b *rowBuilder) put(column int, s theme.Style, text string) {
	n := b.painter.ruler.width(text)
	if text == "" || column < b.column || column+n > b.painter.columns {
		return
	}
	b.skipTo(column)
	b.WriteString(s.Draw(text))
	b.column += n
}

// putBar draws the bar of a tint.
func (b *rowBuilder) putBar(t tint) {
	if t.barred {
		b.put(0, t.bar, b.painter.theme.Bar())
	}
}

func (b *rowBuilder) skipTo(column int) {
	if column > b.column {
		b.WriteString(strings.Repeat(" ", column-b.column))
		b.column = column
	}
}

// --- rows above an entry ---------------------------------------------------------------

// hasNickRow reports whether the nick of an entry is in a row above its text.
func (p *painter) hasNickRow(e *entry, s *setting) bool {
	return p.layout().nick == 0 && e.sign() == "" && (p.printed || !s.isGrouped(e, p.zone))
}

// nickRow draws the nick of an entry above its text, for layouts without a column for it.
func (p *painter) nickRow(e *entry, s *setting) string {
	h := p.head(e, s)
	b := rowBuilder{painter: p}
	if p.copying {
		nick := h.nick
		if e.kind == kindPrivate {
			nick += " → " + p.recipient(e)
		}
		b.put(0, h.nickAs, p.ruler.cut(nick, p.columns))
		b.put(b.column+2, p.theme.Dim, p.clock(e))
		return b.String()
	}
	b.putBar(h.tint)
	b.put(min(1, p.columns-1), h.tint.unless(h.nickAs), p.ruler.cut(h.nick, max(p.columns-1, 1)))
	return h.tint.under(p, b.String())
}

// clockRow draws the time above an entry, for layouts without a column for it.
func (p *painter) clockRow(e *entry) string {
	b := rowBuilder{painter: p}
	b.put(min(p.layout().text, max(p.columns-5, 0)), p.theme.Dim, p.clock(e))
	return b.String()
}

// dayLine draws the line above the first entry of a day. It has the time too if there is
// no column for it.
func (p *painter) dayLine(e *entry) string {
	at := e.time().In(p.zone)
	day := at.Format("Monday, 2 January")
	if at.Year() != p.year {
		day = at.Format("Monday, 2 January 2006")
	}
	if p.layout().clock == 0 {
		day += "  " + p.clock(e)
	}
	return p.line(day, p.theme.Dim, p.theme.Hairline)
}

// newLine draws the line above the first unread entry.
func (p *painter) newLine() string {
	return p.line("new", p.theme.Accent.With(theme.Bold), p.theme.Unread)
}

// line draws a line from edge to edge, with a label where texts start if there is room.
func (p *painter) line(label string, labelAs, lineAs theme.Style) string {
	n := p.ruler.width(label)
	before := min(max(p.layout().text-1, 2), p.columns-n-2)
	if before < 1 {
		return labelAs.Draw(p.ruler.cut(label, p.columns))
	}
	return lineAs.Draw(strings.Repeat("─", before)) + " " + labelAs.Draw(label) + " " + lineAs.Draw(strings.Repeat("─", p.columns-before-n-2))
}

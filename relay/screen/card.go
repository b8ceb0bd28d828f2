package screen

import (
	"slices"
	"strings"

	"chat/relay/qrcode"
	"chat/relay/screen/theme"
	"chat/relay/wire"
)

// A card is shown instead of the transcript in a room without messages: the host sees how others can
// join, and a member sees the other members. It is owned by Bubble Tea's event loop.
type card struct {
	gone  bool    // something happened, or a key was pressed: the transcript is shown from now on
	notes []entry // such as warnings, which the person must see in any case
}

const (
	cardMargin  = 2  // columns left of the card
	cardColumns = 42 // beside the QR code, at least: its margins and the ways to join
	cardLine    = 36 // columns of the line below its title

	// maxCardNotes is how many notes a card shows; further ones are in the transcript.
	maxCardNotes = 4

	// maxCardNames is how many members a card names.
	maxCardNames = 3
)

func (k *card) note(n entry) {
	if !k.gone && len(k.notes) < maxCardNotes {
		k.notes = append(k.notes, n)
	}
}

// showsCard reports whether the card is shown.
func (c *conversation) showsCard() bool {
	return !c.card.gone && c.greeted && (!c.operator || c.isAlone())
}

func (c *conversation) isAlone() bool { return c.members.count() <= 1 }

// awaitsTheFirst reports whether the card of a host is shown.
func (c *conversation) awaitsTheFirst() bool { return c.operator && c.showsCard() }

// drawCard draws the card in exactly the given number of rows.
func (c *conversation) drawCard(columns, rows int) []string {
	var drawn []string
	if c.operator {
		drawn = c.drawHostCard(columns, rows)
	} else {
		drawn = c.drawMemberCard(columns, rows)
	}
	return append(drawn[:min(len(drawn), rows)], make([]string, max(rows-len(drawn), 0))...)
}

// drawHostCard draws how others can join, with the QR code beside it if there is room.
func (c *conversation) drawHostCard(columns, rows int) []string {
	t, inv := &c.m.terminal, c.invitation()
	addr := ""
	if len(inv.addrs) > 0 {
		addr = inv.addrs[0]
	}
	if inv.sealed != nil && inv.page && addr != "" {
		if drawn := c.drawSealedCard(&inv, addr, columns, rows); drawn != nil {
			return centered(drawn, rows)
		}
	}
	var code []string
	wide := 0
	if inv.page && addr != "" {
		qr, err := qrcode.Of(inv.link(addr))
		if err == nil && inv.sealed != nil && (qr.Rows() > rows || qr.Columns()+cardColumns > columns) {
			qr = qr.Tight()
		}
		if err == nil && qr.Rows() <= rows && qr.Columns()+cardColumns <= columns {
			code, wide = qr.Lines(t.profile), qr.Columns()
		}
	}
	room := columns - 2*cardMargin
	if wide > 0 {
		room = columns - wide - inviteMargin - cardMargin - 1
	}
	left := c.drawWaysToHost(&inv, addr, max(room, 1), rows)
	left = centered(indented(left, min(cardMargin, columns/20)), rows)
	for y, line := range centered(code, rows) {
		if line != "" {
			left[y] = padded(t.ruler, left[y], columns-wide-inviteMargin) + line
		}
	}
	return left
}

// drawSealedCard draws the card of a sealed room's host with its link on a row of its own; nil: it needs more columns or rows.
func (c *conversation) drawSealedCard(inv *invitation, addr string, columns, rows int) []string {
	t := &c.m.terminal
	ways := slices.DeleteFunc(inv.at(addr), func(w way) bool { return w.more })
	above := []string{c.drawCardTitle(inv, columns-2*cardMargin), ""}
	rest := func(columns int) []string {
		text := []string{"", drawWaiting(t, columns)}
		if notes := c.drawCardNotes(columns); len(notes) > 0 {
			text = append(append(text, ""), notes...)
		}
		return text
	}
	return drawLinkRows(t, ways, above, rest, inv.link(addr), columns, rows, cardMargin)
}

// drawCardTitle draws the title of the room, and whether it is sealed.
func (c *conversation) drawCardTitle(inv *invitation, columns int) string {
	t := &c.m.terminal
	r := t.ruler
	is := " is open"
	if inv.sealed != nil {
		is = " is sealed"
	}
	title := r.elide(oneLine(r, c.title), max(columns-len(is), 1))
	return theme.Bold.Draw(title) + t.theme.Dim.Draw(r.cut(is, columns-r.width(title)))
}

func drawWaiting(t *terminal, columns int) string {
	return t.theme.Accent.Draw("◌") + t.theme.Dim.Draw(t.ruler.cut(" Waiting for the first one…", columns-1))
}

// drawWaysToHost draws the text of the host's card. In few rows it is without blank rows, then without
// the words above the ways, then without the last ways.
func (c *conversation) drawWaysToHost(inv *invitation, addr string, columns, rows int) []string {
	t := &c.m.terminal
	notes := c.drawCardNotes(columns)
	title := c.drawCardTitle(inv, columns)
	waiting := drawWaiting(t, columns)

	var full, dense, bare []string
	for _, w := range inv.at(addr) {
		if w.more { // the others are enough
			continue
		}
		with, how := w.draw(t, columns)
		full = stacked(full, []string{with}, how, []string{""})
		dense = stacked(dense, []string{with}, how)
		bare = stacked(bare, how)
	}
	if len(notes) > 0 {
		notes = append([]string{""}, notes...)
	}
	line := t.theme.Hairline.Draw(strings.Repeat("─", min(columns, cardLine)))
	for _, text := range [][]string{
		stacked([]string{title, line, ""}, full, []string{waiting}, notes),
		stacked([]string{title, line}, dense, []string{waiting}, notes),
		stacked([]string{title}, bare, []string{waiting}, notes),
	} {
		if len(text) <= rows {
			return text
		}
	}
	return stacked([]string{title}, notes[min(len(notes), 1):], bare)
}

// drawMemberCard draws the room and its members, in the middle.
func (c *conversation) drawMemberCard(columns, rows int) []string {
	t := &c.m.terminal
	r := t.ruler
	text := []string{theme.Bold.Draw(r.elide(oneLine(r, c.title), columns))}
	add := func(words string, s theme.Style) {
		text = append(text, drawWrapped(r, oneLine(r, words), columns, s)...)
	}
	if c.topic != "" {
		add(c.topic, t.theme.Dim)
	}
	if c.isAlone() {
		add("No one else is here yet.", t.theme.Dim)
	} else {
		add(c.whoIsHere(), t.theme.Dim)
		if !c.listens {
			add("Say hello.", t.theme.Dim)
		}
	}
	if notes := c.drawCardNotes(columns); len(notes) > 0 {
		text = append(append(text, ""), notes...)
	}
	for i, row := range text {
		text[i] = strings.Repeat(" ", max(columns-r.method.StringWidth(row), 0)/2) + row
	}
	return centered(text, rows)
}

// whoIsHere names the first other members of the list, which begins with hosts.
func (c *conversation) whoIsHere() string {
	var names []string
	for _, m := range c.members.list() {
		if len(names) == maxCardNames {
			break
		}
		switch {
		case m.nick == c.nick:
		case m.rank != ordinary:
			names = append(names, m.nick+" ("+m.rank.String()+")")
		default:
			names = append(names, m.nick)
		}
	}
	more := c.members.count() - 1 - len(names)
	if more > 0 {
		names = append(names, wire.Counted(more, "other", "others"))
	}
	are := "are"
	if len(names) == 1 && more <= 1 {
		are = "is"
	}
	return strings.Join(names[:len(names)-1], ", ") + and(names) + names[len(names)-1] + " " + are + " here"
}

// and returns the word between the last two of several names.
func and(names []string) string {
	if len(names) > 1 {
		return " and "
	}
	return ""
}

// drawCardNotes draws the notes of the card.
func (c *conversation) drawCardNotes(columns int) (rows []string) {
	t := &c.m.terminal
	for _, n := range c.card.notes {
		s := t.theme.Dim
		if n.kind == kindError {
			s = t.theme.Red
		}
		for line := range strings.SplitSeq(n.text, "\n") {
			rows = append(rows, drawWrapped(t.ruler, t.ruler.show(line), columns, s)...)
		}
	}
	return rows
}

// summary says in one line how others can join; "": only /invite knows.
func (inv *invitation) summary() string {
	switch {
	case inv.sealed != nil: // the transcript stays on the terminal: it must not have the secret
		return "others join with the invite, which /invite shows"
	case inv.page && len(inv.addrs) > 0:
		return "others join at " + pageAt(inv.addrs[0])
	case inv.discovered:
		return "others join with chat join"
	case len(inv.addrs) > 0:
		return "others join with chat join --addr " + inv.addrs[0]
	}
	return ""
}

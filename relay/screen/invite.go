package screen

import (
	"fmt"
	"net"

	tea "charm.land/bubbletea/v2"

	"chat/relay/qrcode"
	"chat/relay/screen/theme"
	"chat/relay/wire"
)

// An invitation is how others can join the room.
type invitation struct {
	addrs      []string // of the host
	page       bool     // it has a page for browsers
	discovered bool     // `chat join` finds it without an address
}

// invitation returns how others can join.
func (c *conversation) invitation() invitation {
	if h := c.m.hosting; h != nil {
		inv := invitation{page: !h.NoPage, discovered: h.Discovered}
		if h.Addrs != nil {
			inv.addrs = h.Addrs()
		}
		return inv
	}
	inv := invitation{page: true, discovered: true}
	if c.addr != "" {
		inv.addrs = []string{c.addr}
	}
	return inv
}

// A way is one way to join.
type way struct {
	with string // the device or program that it needs
	how  string // a link or a command
	link bool

	byAddress bool // a longer form of chat join
}

// at returns the ways to join at an address; "": those that need none.
func (inv *invitation) at(addr string) (ways []way) {
	if inv.page && addr != "" {
		ways = append(ways, way{"Phone or browser", pageAt(addr), true, false})
	}
	if inv.discovered {
		ways = append(ways, way{"With chat", "chat join", false, false})
	}
	if addr == "" {
		return ways
	}
	ways = append(ways, way{"With chat, by address", "chat join --addr " + addr, false, true})
	if host, port, err := net.SplitHostPort(addr); err == nil {
		ways = append(ways, way{"With anything", "nc " + host + " " + port, false, false})
	}
	return ways
}

// link returns what leads to the room at an address: the URL of the page, or of a host without one the
// address.
func (inv *invitation) link(addr string) string {
	if !inv.page {
		return addr
	}
	return pageAt(addr)
}

func pageAt(addr string) string { return "http://" + addr + "/" }

// openInvite shows how others can join: at one of the addresses, which Tab changes.
func openInvite(c *conversation) {
	at := 0 // the address; the page and the keys have it in common
	addr := func(inv *invitation) string {
		if len(inv.addrs) == 0 {
			return ""
		}
		return inv.addrs[at%len(inv.addrs)]
	}
	hasAddress := func(c *conversation) bool { return len(c.invitation().addrs) > 0 }
	hasSeveral := func(c *conversation) bool { return len(c.invitation().addrs) > 1 }
	c.openSheet(sheet{
		title: "Invite",
		page: func(columns, rows int) (int, func(int) string) {
			inv := c.invitation()
			note := ""
			if n := len(inv.addrs); n > 1 {
				note = fmt.Sprintf("Address %d of %d", at%n+1, n)
			}
			return pageOf(inv.draw(&c.m.terminal, addr(&inv), note, columns, rows))
		},
		hints: []hint{{hasAddress, "Enter", "copy the link"}, {hasSeveral, "Tab", "other address"}, {(*conversation).isSheetCut, "PgDn", "scroll"}, {nil, "Esc", "close"}},
		keys: map[string]func() tea.Cmd{
			"tab": func() tea.Cmd { at++; return nil },
			"enter": func() tea.Cmd {
				inv := c.invitation()
				if len(inv.addrs) == 0 {
					c.closeSheet()
					return nil
				}
				link := inv.link(addr(&inv))
				c.flash = "Copied " + link
				return tea.SetClipboard(link)
			},
		},
	}, nil)
}

const (
	inviteMargin = 3  // columns left of the ways to join, and right of the QR code
	maxInviteGap = 20 // columns between the two
)

// draw lays the ways to join at an address out as a page, and a note; with the QR code beside them, or
// below if it is too narrow for that.
func (inv *invitation) draw(t *terminal, addr, note string, columns, rows int) []string {
	margin := min(inviteMargin, columns/20)
	ways := inv.drawWays(t, addr, columns-margin)
	if note != "" {
		ways = append(ways, "", t.theme.Dim.Draw(t.ruler.cut(note, columns-margin)))
	}
	if addr == "" {
		return indented(ways, margin)
	}
	code, err := qrcode.Of(inv.link(addr))
	if err != nil { // an address is never so long
		return indented(ways, margin)
	}
	lines := code.Lines(t.profile)
	left := margin
	for _, line := range ways {
		left = max(left, margin+t.ruler.method.StringWidth(line)+1)
	}
	switch {
	case left+code.Columns() <= columns && code.Rows() <= rows: // beside each other, both in the middle of the rows
		at := columns - code.Columns()
		at = min(at-min(inviteMargin, at-left), left+maxInviteGap)
		height := max(min(rows, len(lines)+2), len(lines), len(ways))
		ways, lines = centered(indented(ways, margin), height), centered(lines, height)
		for y, line := range lines {
			if line != "" {
				ways[y] = padded(t.ruler, ways[y], at) + line
			}
		}
		return ways
	case code.Columns() > columns || code.Rows() > rows: // no part of it is of use
		needs := wire.Counted(code.Rows()-rows, "more row", "more rows")
		if code.Columns() > columns {
			needs = wire.Counted(code.Columns()-columns, "more column", "more columns")
		}
		ways = append(ways, "")
		ways = append(ways, drawWrapped(t.ruler, "The QR code needs "+needs+".", columns-margin, t.theme.Dim)...)
		return indented(ways, margin)
	}
	return append(append(indented(ways, margin), ""), lines...)
}

// drawWays draws the ways to join in rows of at most so many columns.
func (inv *invitation) drawWays(t *terminal, addr string, columns int) (rows []string) {
	for i, w := range inv.at(addr) {
		if i > 0 {
			rows = append(rows, "")
		}
		with, how := w.draw(t, columns)
		rows = append(append(rows, with), how...)
	}
	return rows
}

// draw draws a way to join: its needs in one row, and its link or command in rows of at most so many columns.
func (w *way) draw(t *terminal, columns int) (with string, how []string) {
	s := theme.Bold
	if w.link {
		s = t.theme.Accent.With(theme.Underline)
	}
	return t.theme.Dim.Draw(t.ruler.cut(w.with, columns)), drawWrapped(t.ruler, w.how, columns, s)
}

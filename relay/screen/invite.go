package screen

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	tea "charm.land/bubbletea/v2"

	"chat/relay/program"
	"chat/relay/qrcode"
	"chat/relay/screen/theme"
	"chat/relay/seal"
	"chat/relay/wire"
)

// An invitation is how others can join the room.
type invitation struct {
	addrs      []string // of the host
	page       bool     // it has a page for browsers
	discovered bool     // `chat join` finds it without an address

	install  func(addr string) string // see [Hosting]; nil: the program is not handed out, or we do not know
	forShell string                   // see [Hosting]
	system   string                   // of the program whose hash is sum
	sum      string                   // "": not known
	sumsFile string                   // see [Hosting]

	sealed *seal.Invites // its pin, and the secrets that we know; nil: the room is plain
	hosted bool          // by this machine, which keeps its invite
}

// invitation returns how others can join.
func (c *conversation) invitation() invitation {
	if h := c.m.hosting; h != nil {
		inv := invitation{page: !h.NoPage, discovered: h.Discovered, install: h.Install, forShell: h.ForShell, system: c.m.program.system, sum: c.m.program.sum, sumsFile: h.SumsFile}
		if h.Addrs != nil {
			inv.addrs = h.Addrs()
		}
		if h.Invites != nil {
			room := h.Invites()
			inv.sealed, inv.hosted = &room, true
		}
		return inv
	}
	inv := invitation{page: true, discovered: true}
	if own, ok := c.room.Invite(); ok {
		inv.sealed = &seal.Invites{Pin: own.Pin, CurlPin: c.room.CurlPin(), SelfSigned: true}
		switch {
		case c.listens:
			inv.sealed.Listen = own.Secret
		case !c.cameAsOperator: // or else the secret may be that of operators, which must not be passed on
			inv.sealed.Member = own.Secret
		}
	}
	if c.addr != "" && !isLoopback(c.addr) { // which leads others to their own machine
		inv.addrs = []string{c.addr}
	}
	inv.forShell = "your system" // the script says if the host has no program for it
	switch {
	case !c.handsOut:
	case inv.sealed == nil:
		inv.install = func(addr string) string { return program.InstallCommand(wire.Scheme(false) + addr) }
	case inv.sealed.CurlPin != "":
		inv.install = inv.sealed.Install
	}
	return inv
}

// isLoopback reports whether an address with a port leads only to this machine.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// A way is one way to join.
type way struct {
	with string // the device or program that it needs
	how  string // a link or a command
	link bool

	more bool // only /invite has it, and not the card of a host
	pin  bool // how is a pin
}

// programAt returns how others get the program at an address.
func (inv *invitation) programAt(addr string) (ways []way) {
	if inv.install == nil || addr == "" {
		return nil
	}
	if inv.forShell != "" {
		ways = append(ways, way{with: "To install chat on " + inv.forShell, how: inv.install(addr)})
	}
	if inv.sealed == nil {
		ways = append(ways, way{with: "Or download it in a browser", how: "http://" + addr + "/get"})
	}
	if inv.sum != "" {
		ways = append(ways, way{with: "SHA-256 of the program, " + inv.system, how: inv.sum})
	}
	if inv.sumsFile != "" {
		ways = append(ways, way{with: "SHA-256 of those for other systems", how: inv.sumsFile})
	}
	return ways
}

// at returns the ways to join at an address; "": those that need none.
func (inv *invitation) at(addr string) (ways []way) {
	if inv.sealed != nil {
		return inv.sealedAt(addr)
	}
	if inv.page && addr != "" {
		ways = append(ways, way{with: "Phone or browser", how: pageAt(addr), link: true})
	}
	if inv.discovered {
		ways = append(ways, way{with: "With chat", how: "chat join"})
	}
	if addr == "" {
		return ways
	}
	ways = append(ways, way{with: "With chat, by address", how: "chat join --addr " + addr, more: inv.discovered})
	if host, port, err := net.SplitHostPort(addr); err == nil {
		ways = append(ways, way{with: "With anything", how: "nc " + host + " " + port})
	}
	return ways
}

// sealedAt returns the ways into a sealed room: its invite, and the pin of its host for those who join by
// name and compare it.
func (inv *invitation) sealedAt(addr string) (ways []way) {
	with := "Phone, browser, or chat join"
	if !inv.page {
		with = "With chat join"
	}
	room := inv.sealed
	if addr != "" && (room.Member != "" || room.Listen == "") {
		switch {
		case room.ByKey:
			with += ", with a member's key"
		case room.Member == "":
			with += ", which ask for the secret"
		}
		ways = append(ways, way{with: with, how: inv.invite(addr, room.Member), link: true})
	}
	if addr != "" && room.Listen != "" {
		ways = append(ways, way{with: "Only for reading", how: inv.invite(addr, room.Listen), link: true, more: true})
	}
	ways = append(ways, way{with: "Pin of the host", how: string(room.Pin), pin: true})
	if addr != "" && room.CurlPin != "" && inv.page {
		ways = append(ways, way{with: "With curl", how: room.Curl(addr), more: true})
	}
	if hash := room.KeyHash(); hash != "" && inv.page {
		ways = append(ways, way{with: "SHA-256 of the public key, in a browser", how: hash, more: true})
	}
	if inv.hosted {
		ways = append(ways, way{with: "On this machine", how: "chat invite", more: true})
	}
	return ways
}

// invite returns the link of an invite with a secret.
func (inv *invitation) invite(addr string, secret seal.Secret) string {
	invite := inv.sealed.Invite(addr, secret)
	return invite.URL()
}

// link returns what leads to the room at an address: the URL of the page, or of a host without one the
// address. In a sealed room it is the invite.
func (inv *invitation) link(addr string) string {
	switch room := inv.sealed; {
	case room != nil && (room.Member != "" || room.Listen == ""):
		return inv.invite(addr, room.Member)
	case room != nil:
		return inv.invite(addr, room.Listen)
	}
	if !inv.page {
		return addr
	}
	return pageAt(addr)
}

func pageAt(addr string) string { return "http://" + addr + "/" }

// invite shows how others can join, or asks before it replaces the invite of a sealed room.
func invite(c *conversation, rest string) tea.Cmd {
	switch {
	case rest == "" && c.sealed && c.cameAsOperator: // only the host knows the secret of members
		c.send("/invite")
	case rest == "":
		openInvite(c)
		return c.hashProgram()
	case rest == "new" && !c.sealed:
		c.show(kindError, "the room is plain: it has no invite that could be replaced")
	case rest == "new" && !c.mayModerate(): // the host would refuse it after the question
		c.show(kindError, "only operators can use /invite new")
	case rest == "new":
		c.m.openDialog(c.newInviteDialog())
	default:
		c.show(kindError, "usage: "+wire.CommandNamed("invite").Usage())
	}
	return nil
}

// A programSum is the SHA-256 of the program for this machine's system.
type programSum struct {
	system, sum string // "": not known
}

// hashProgram gets the hash of the program that this machine hands out, for the sheet that is open.
func (c *conversation) hashProgram() tea.Cmd {
	h := c.m.hosting
	if h == nil || h.ProgramSum == nil || c.m.program.sum != "" {
		return nil
	}
	return func() tea.Msg {
		system, sum := h.ProgramSum()
		return programSum{system, sum}
	}
}

// newInviteDialog asks whether to replace the invite. Only y does it.
func (c *conversation) newInviteDialog() (d *dialog) {
	t := &c.m.terminal
	d = &dialog{sheet: sheet{
		title: "A new invite", esc: "keep the old one", hints: []hint{{nil, "y", "replace the invite"}, {nil, "Esc", "keep the old one"}},
		page: dialogPageOf(t, func(p *dialogPage) {
			p.add("The room gets a new secret, and another one for those who only read. The invites, links and QR codes that are out no longer let anyone in.", theme.Plain)
			p.blank()
			p.add("Members who are here stay. All others need the new invite. The pin stays the same.", theme.Plain)
		}),
	}}
	d.keys = map[string]func() tea.Cmd{"y": func() tea.Cmd {
		c.m.closeDialog(d)
		c.send("/invite new")
		return nil
	}}
	return d
}

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
			page := inv.draw(&c.m.terminal, addr(&inv), note, columns, rows)
			return pageOf(append(page, inv.drawProgram(&c.m.terminal, addr(&inv), columns)...))
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
				if inv.sealed != nil {
					c.flash = "Copied the invite."
				}
				return tea.SetClipboard(link)
			},
		},
	}, nil)
}

const (
	inviteMargin = 3  // columns left of the ways to join, and right of the QR code
	maxInviteGap = 20 // columns between the two
	leastBeside  = 36 // columns that the ways into a sealed room get beside the QR code
)

// draw lays the ways to join at an address out as a page, and a note; with the QR code beside them, or
// below if it is too narrow for that.
func (inv *invitation) draw(t *terminal, addr, note string, columns, rows int) []string {
	margin := min(inviteMargin, columns/20)
	noted := func(columns int) []string {
		if note == "" {
			return nil
		}
		return []string{"", t.theme.Dim.Draw(t.ruler.cut(note, columns))}
	}
	text := func(columns int) []string { return append(drawWays(t, inv.at(addr), columns), noted(columns)...) }
	ways := text(columns - margin)
	if addr == "" {
		return indented(ways, margin)
	}
	if inv.sealed != nil {
		if page := drawLinkRows(t, inv.at(addr), nil, noted, inv.link(addr), columns, rows, margin); page != nil {
			return centered(page, min(rows, len(page)+2))
		}
	}
	code, err := qrcode.Of(inv.link(addr))
	if err != nil { // an address is never so long
		return indented(ways, margin)
	}
	if inv.sealed != nil && (code.Rows() > rows || margin+leastBeside+code.Columns() > columns) {
		if tight := code.Tight(); tight.Rows() <= rows {
			code = tight
		}
	}
	if beside := columns - code.Columns() - margin - 1; inv.sealed != nil && beside >= leastBeside { // its link is long, and is wrapped
		if ways = text(beside); len(ways) > rows {
			ways = slices.DeleteFunc(ways, func(row string) bool { return row == "" })
		}
	}
	lines := code.Lines(t.profile)
	left := margin
	for _, line := range ways {
		left = max(left, margin+t.ruler.method.StringWidth(line)+1)
	}
	switch {
	case left+code.Columns() <= columns && code.Rows() <= rows:
		at := columns - code.Columns()
		at = min(at-min(inviteMargin, at-left), left+maxInviteGap)
		return drawBeside(t.ruler, indented(ways, margin), lines, at, rows)
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

// drawBeside draws the ways to join, and the lines of a QR code from a column on, both in the middle of the rows.
func drawBeside(r ruler, ways, lines []string, at, rows int) []string {
	height := max(min(rows, len(lines)+2), len(lines), len(ways))
	ways, lines = centered(ways, height), centered(lines, height)
	for y, line := range lines {
		if line != "" {
			ways[y] = padded(r, ways[y], at) + line
		}
	}
	return ways
}

// drawProgram draws how others get the program, below the ways to join.
func (inv *invitation) drawProgram(t *terminal, addr string, columns int) []string {
	ways := inv.programAt(addr)
	if len(ways) == 0 {
		return nil
	}
	margin := min(inviteMargin, columns/20)
	return append([]string{""}, indented(drawWays(t, ways, columns-margin), margin)...)
}

// drawWays draws ways to join in rows of at most so many columns.
func drawWays(t *terminal, ways []way, columns int) (rows []string) {
	for i, w := range ways {
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
	with = t.theme.Dim.Draw(t.ruler.cut(w.with, columns))
	if w.pin {
		return with, drawPin(t, seal.Pin(w.how), columns)
	}
	return with, drawWrapped(t.ruler, w.how, columns, s)
}

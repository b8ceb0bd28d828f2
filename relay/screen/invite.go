package screen

import (
	"fmt"
	"net"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"rsc.io/qr"
)

// An invitation is how others can join the room.
type invitation struct {
	addrs      []string // of the host
	page       bool     // it has a page for browsers
	discovered bool     // `chat join` finds it without an address
}

// ways returns commands and addresses, one a line.
func (inv *invitation) ways() (ways []string) {
	if inv.discovered {
		ways = append(ways, "chat join")
	}
	for _, addr := range inv.addrs {
		if inv.page {
			ways = append(ways, pageAt(addr))
		}
		ways = append(ways, "chat join --addr "+addr)
		if host, port, err := net.SplitHostPort(addr); err == nil {
			ways = append(ways, "nc "+host+" "+port)
		}
	}
	return ways
}

// code returns the text of the QR code: the URL of the page, or the address of a host
// without one. There must be an address.
func (inv *invitation) code() string {
	if !inv.page {
		return inv.addrs[0]
	}
	return pageAt(inv.addrs[0])
}

func pageAt(addr string) string { return "http://" + addr + "/" }

// draw lays the invitation out as a page, with the QR code if all of it fits.
func (inv *invitation) draw(r ruler, columns, rows int) []string {
	lines := []string{boldStyle.draw("Others can join with"), ""}
	for _, way := range inv.ways() {
		lines = append(lines, r.cut("  "+way, columns))
	}
	if len(inv.addrs) == 0 {
		return lines
	}
	code := QR(inv.code())
	if wide := ansi.StringWidth(code[0]); wide > columns {
		return append(lines, "", dimStyle.draw(r.cut(fmt.Sprintf("(the QR code needs %d columns)", wide), columns)))
	}
	if need := len(lines) + 1 + len(code); need > rows {
		return append(lines, "", dimStyle.draw(r.cut(fmt.Sprintf("(the QR code needs %d more rows)", need-rows), columns)))
	}
	return append(append(lines, ""), code...)
}

// QR draws a QR code (ISO/IEC 18004) of text in half blocks: dark on light, whatever the
// colors of the terminal, with the quiet zone that readers need.
func QR(text string) []string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return []string{text}
	}
	const quiet = 4 // modules: section 6.3.8
	var rows []string
	for y := -quiet; y < code.Size+quiet; y += 2 {
		var b strings.Builder
		for x := -quiet; x < code.Size+quiet; x++ {
			switch top, bottom := code.Black(x, y), code.Black(x, y+1); {
			case top && bottom:
				b.WriteString(" ")
			case top:
				b.WriteString("▄")
			case bottom:
				b.WriteString("▀")
			default:
				b.WriteString("█")
			}
		}
		rows = append(rows, "  "+style("97;40").draw(b.String()))
	}
	return rows
}

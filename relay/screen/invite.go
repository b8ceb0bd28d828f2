package screen

import (
	"fmt"
	"net"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"rsc.io/qr"
)

// invite shows how others come in.
func (t *talk) invite(m *model) tea.Cmd {
	t.overlayAt = 0
	t.overlay = func(columns, rows int) []string {
		lines := []string{boldStyle.draw("Others come in with"), ""}
		for _, way := range t.ways(m) {
			lines = append(lines, m.ruler.cut("  "+way, columns))
		}
		addrs := t.addresses(m)
		if len(addrs) == 0 {
			return lines
		}
		code := QR(t.toScan(m))
		if wide := ansi.StringWidth(code[0]); wide > columns {
			return append(lines, "", dimStyle.draw(m.ruler.cut(fmt.Sprintf("(a QR code of the address needs %d columns)", wide), columns)))
		}
		if need := len(lines) + 1 + len(code); need > rows { // half a code is none
			return append(lines, "", dimStyle.draw(m.ruler.cut(fmt.Sprintf("(a QR code of the address needs %d more rows)", need-rows), columns)))
		}
		return append(append(lines, ""), code...)
	}
	return nil
}

// addresses are those at which the room can be reached.
func (t *talk) addresses(m *model) []string {
	if t.host || t.addr == "" {
		return m.opts.Ways
	}
	return []string{t.addr}
}

// ways are the commands by which others come in.
func (t *talk) ways(m *model) (ways []string) {
	if !t.host || m.opts.Discovered {
		ways = append(ways, "chat join")
	}
	for _, addr := range t.addresses(m) {
		if !m.opts.NoPage {
			ways = append(ways, pageAt(addr))
		}
		ways = append(ways, "chat join --addr "+addr)
		if host, port, err := net.SplitHostPort(addr); err == nil {
			ways = append(ways, "nc "+host+" "+port)
		}
	}
	return ways
}

// toScan is what the QR code says: where the page is, or the address of a host without one.
func (t *talk) toScan(m *model) string {
	addr := t.addresses(m)[0]
	if m.opts.NoPage {
		return addr
	}
	return pageAt(addr)
}

func pageAt(addr string) string { return "http://" + addr + "/" }

// QR draws a QR code (ISO/IEC 18004) of text in half blocks, dark on light
// whatever the terminal's colours are, with the quiet zone that readers need.
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

package screen

import (
	"fmt"
	"net"

	"github.com/charmbracelet/colorprofile"

	"chat/relay/qrcode"
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
func (inv *invitation) draw(r ruler, profile colorprofile.Profile, columns, rows int) []string {
	lines := []string{boldStyle.draw("Others can join with"), ""}
	for _, way := range inv.ways() {
		lines = append(lines, r.cut("  "+way, columns))
	}
	if len(inv.addrs) == 0 {
		return lines
	}
	qr, err := qrcode.Of(inv.code())
	if err != nil {
		return lines
	}
	code := qr.Lines(profile)
	if wide := qr.Columns(); wide > columns {
		return append(lines, "", dimStyle.draw(r.cut(fmt.Sprintf("(the QR code needs %d columns)", wide), columns)))
	}
	if need := len(lines) + 1 + len(code); need > rows {
		return append(lines, "", dimStyle.draw(r.cut(fmt.Sprintf("(the QR code needs %d more rows)", need-rows), columns)))
	}
	return append(append(lines, ""), code...)
}

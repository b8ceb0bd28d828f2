package screen

import (
	"chat/relay/wire"
)

// An overlay is a page shown over the transcript; it scrolls if it does not fit. It is
// owned by Bubble Tea's event loop.
type overlay struct {
	page  page // nil: closed
	first int  // the first row that is shown
}

// A page lays its content out for a width in columns, and for a height in rows if it can.
type page func(columns, rows int) []string

func (o *overlay) open(p page) { *o = overlay{page: p} }

func (o *overlay) isOpen() bool { return o.page != nil }

// key scrolls or closes the overlay, which has height rows. It reports whether the key
// was for it: letters are for the message being written.
func (o *overlay) key(name string, height int) bool {
	step := max(height-2, 1)
	switch name {
	case "pgdown", "space":
		o.first += step
	case "pgup":
		o.first -= step
	case "down":
		o.first++
	case "up":
		o.first--
	default:
		*o = overlay{}
		return name == "esc" || name == "enter" || name == "f1" || name == "ctrl+c"
	}
	return true
}

// draw draws the overlay in exactly height rows.
func (o *overlay) draw(r ruler, columns, height int) []string {
	rows := make([]string, 0, height)
	lines := o.page(columns, height)
	o.first = max(min(o.first, len(lines)-height), 0)
	for _, line := range lines[o.first:min(o.first+height, len(lines))] {
		rows = append(rows, padded(r, line, columns))
	}
	if more := len(lines) - o.first - height; more > 0 && height > 0 {
		line := "↓ " + wire.Counted(more+1, "more row", "more rows") + " · PgDn: scroll"
		rows[height-1] = newStyle.draw(r.fit(line, columns))
	}
	for len(rows) < height {
		rows = append(rows, "")
	}
	return rows
}

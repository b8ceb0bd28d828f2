package screen

import (
	"fmt"
	"strings"

	"chat/relay/screen/theme"
	"chat/relay/text"
)

// drawHeader draws the first row: the room and its topic on the left; the number of members, the host's address,
// whether the room is sealed, and whether there is a connection on the right. A narrow terminal has less of it.
func (f *frame) drawHeader() string {
	c, r, t := f.c, f.t.ruler, f.t.theme
	columns := f.t.width
	right, rightWidth := f.drawPeople()
	room := max(columns-rightWidth-3, 0)
	title := r.elide(oneLine(r, c.title), room)
	left, used := "", 0
	if title != "" {
		left, used = " "+theme.Bold.Draw(title), 1+r.width(title)
	}
	const gap = 3
	if most := room - r.width(title) - gap; c.topic != "" && columns >= topicFrom && most >= leastTopic {
		topic := r.elide(oneLine(r, c.topic), most)
		left += strings.Repeat(" ", gap) + t.Dim.Draw(topic)
		used += gap + r.width(topic)
	}
	return t.Panel.Under(left + strings.Repeat(" ", max(columns-used-rightWidth, 0)) + right)
}

// drawPeople draws the right end of the header, and returns its width. Whether the room is sealed goes last: the
// person decides by it what to write.
func (f *frame) drawPeople() (drawn string, width int) {
	c, r, t := f.c, f.t.ruler, f.t.theme
	here := fmt.Sprint(c.members.count())
	if f.t.width >= topicFrom {
		here += " here"
	}
	const dot = 3 // columns, with the spaces around it
	if f.t.width < dot {
		return c.drawDot(t), 1
	}
	seal, end := c.sealWord(), dot
	if r.width(seal)+dot > f.t.width {
		seal = ""
	} else {
		end += r.width(seal)
		seal = c.sealStyle(t).Draw(seal)
	}
	const gap = 2
	if here = r.cut(here, max(f.t.width-end-gap, 0)); here != "" {
		drawn, width = t.Dim.Draw(here), r.width(here)+gap
	}
	if addr := oneLine(r, c.addr); addr != "" && f.t.width >= addressFrom && r.width(addr) < f.t.width/3 {
		drawn += "  " + t.Hairline.Draw("·") + "  " + t.Dim.Draw(addr)
		width += 5 + r.width(addr)
	}
	if drawn != "" {
		drawn += strings.Repeat(" ", gap)
	}
	return drawn + seal + " " + c.drawDot(t) + " ", width + end
}

// sealWord says in one word who can read the room: the members of a sealed one, or in a plain one everyone
// on its network.
func (c *conversation) sealWord() string {
	if c.sealed {
		return "sealed"
	}
	return "plain"
}

func (c *conversation) sealStyle(t *theme.Theme) theme.Style {
	if c.sealed {
		return t.Green
	}
	return t.Dim
}

// drawDot draws whether there is a connection, in one column.
func (c *conversation) drawDot(t *theme.Theme) string {
	if c.lost != nil {
		return t.Amber.Draw("○")
	}
	return t.Green.Draw("●")
}

// oneLine makes s safe to draw as one row, whatever is in it.
func oneLine(r ruler, s string) string { return r.show(text.Clean(s)) }

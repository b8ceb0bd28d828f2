package screen

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"chat/relay/client"
	"chat/relay/screen/theme"
	"chat/relay/wire"
)

// A slot is a place for short messages in the rule above the composer. Its items are shown as far as they fit,
// the first before the others.
type slot []slotItem

type slotItem struct {
	text  string // safe to draw
	style theme.Style
	gap   string // before it, unless it is the first; "": slotGap
	prose bool   // it may be cut
}

const slotGap = " · "

// before returns the separator between item i and the one before it.
func (s slot) before(i int) string {
	switch {
	case i == 0:
		return ""
	case s[i].gap != "":
		return s[i].gap
	}
	return slotGap
}

func (s slot) width(r ruler) (columns int) {
	for i, item := range s {
		columns += r.width(s.before(i)) + r.width(item.text)
	}
	return columns
}

// fit returns as many items as fit into so many columns. Prose is cut, and so is the first item if it is too
// wide.
func (s slot) fit(r ruler, columns int) slot {
	const least = 12 // columns of prose that are worth showing
	for n := len(s) - 1; n >= 0 && s.width(r) > columns; n-- {
		last := s[n]
		most := columns - (s.width(r) - r.width(last.text))
		if s = s[:n:n]; n == 0 || last.prose && most >= least {
			last.text = r.elide(last.text, most)
			return append(s, last)
		}
	}
	return s
}

// firm returns how many items belong to the first one: those without a dot before them.
func (s slot) firm() int {
	n := 1
	for n < len(s) && s[n].gap != "" {
		n++
	}
	return n
}

func (s slot) draw(gap theme.Style) string {
	var b strings.Builder
	for i, item := range s {
		b.WriteString(gap.Draw(s.before(i)) + item.style.Draw(item.text))
	}
	return b.String()
}

// drawRule draws the line above the composer, with a slot at either end. It is amber as long as there is no
// connection.
func (f *frame) drawRule() string {
	r, t := f.t.ruler, f.t.theme
	line, gap := t.Hairline, t.Dim
	if f.c.lost != nil {
		line, gap = t.Amber, t.Amber
	}
	left, right := f.leftSlot(), f.rightSlot()
	const edge, dash = 3, 1     // "── " at both ends, and a dash between the slots or at the end
	columns := f.t.width - dash // that are left to the slots
	end := ""
	if len(right) > 0 {
		first := 0
		if len(left) > 0 {
			first = edge + min(left[:left.firm()].width(r), leastSlot) + 1
		}
		room := columns - first - edge - 1
		for len(right) > 1 && right.width(r) > room {
			right = right[:len(right)-1]
		}
		if right.width(r) <= room {
			end = " " + right.draw(t.Amber.With(theme.Bold)) + " " + line.Draw("──")
			columns -= right.width(r) + edge + 1
		}
	}
	start := ""
	if left = left.fit(r, columns-edge-1); left.width(r) > 0 {
		start = line.Draw("──") + " " + left.draw(gap) + " "
		columns -= edge + left.width(r) + 1
	}
	return start + line.Draw(strings.Repeat("─", max(columns+dash, 0))) + end
}

// leastSlot is how many columns of the left slot, of the items that are most important there, come before the
// right one.
const leastSlot = 20

// leftSlot returns the messages for the left end: those about the next key, or else the state of the connection
// and of the search. Without a header it is the place of the room, too.
func (f *frame) leftSlot() slot {
	c, r, t := f.c, f.t.ruler, f.t.theme
	if c.flash != "" && !f.hasKeys {
		return slot{{text: oneLine(r, c.flash)}}
	}
	if asked := c.composer.hint(); len(asked) > 0 && !c.isListingCommands() {
		var s slot
		isCommand := strings.HasPrefix(asked[0], "/")
		for i, item := range asked {
			style := t.Dim
			if i == 0 {
				style = theme.Plain
			}
			s = append(s, slotItem{text: oneLine(r, item), style: style, prose: isCommand && i > 0})
		}
		return s
	}
	var s slot
	for i, item := range c.connection() {
		style := t.Amber
		if i == 0 {
			style = style.With(theme.Bold)
		}
		s = append(s, slotItem{text: oneLine(r, item), style: style})
	}
	s = append(s, c.search.slot(r, t)...)
	if len(s) == 0 && !f.hasHeader {
		s = slot{{text: oneLine(r, c.title), style: theme.Bold}, {text: c.sealWord(), style: c.sealStyle(t)}, {text: fmt.Sprint(c.members.count()), style: t.Dim}, {text: "●", style: t.Green, gap: " "}}
	}
	return s
}

// connection returns the problems of the connection, and the messages that wait for it, the most important
// first; nil: none.
func (c *conversation) connection() (items []string) {
	n := c.pending()
	waiting := wire.Counted(n, "message waits", "messages wait")
	switch {
	case c.joiningOther:
		return []string{"Joining…"}
	case c.gone != nil:
		return []string{"The room is gone"}
	case c.lost != nil && c.moving:
		items = append(items, "Moving to another relay…")
		if n > 0 {
			items = append(items, waiting)
		}
	case c.lost != nil:
		items = append(items, whyNotConnected(c.lost))
		if why := whySealed(c.lost); why != "" {
			items = append(items, why)
		}
		if n > 0 {
			items = append(items, waiting)
		}
		if c.ended {
			return items
		}
		if left := time.Until(c.retryAt); left > time.Second/2 {
			return append(items, fmt.Sprintf("trying again in %.0f s", left.Seconds()))
		}
		return append(items, "trying again…")
	case n > 0:
		items = append(items, waiting)
		if c.unanswered {
			items = append(items, "no answer yet")
		}
	}
	return items
}

// whyNotConnected says that there is no connection.
func whyNotConnected(err error) string {
	if client.IsRestart(err) {
		return "The host restarts"
	}
	return "Not connected"
}

// whySealed says in a few words why there is no connection to the host of a sealed room; "": for a reason that
// any room can have.
func whySealed(err error) string {
	pin, isPin := errors.AsType[*client.PinError](err)
	secret, isSecret := errors.AsType[*client.SecretError](err)
	switch {
	case isPin && pin.IsChanged():
		return "its key has changed"
	case errors.Is(err, client.ErrDowngrade):
		return "it does not encrypt"
	case errors.Is(err, client.ErrIntercepted):
		return "someone is in between"
	case isSecret && secret.Code == wire.CodeTooMany:
		return "too many wrong secrets"
	case isSecret && secret.Code == wire.CodeNotMember:
		return "your key is no member's"
	case isSecret, errors.Is(err, client.ErrNotTrusted):
		return "a new secret is needed"
	}
	return ""
}

// rightSlot returns the position in a sheet, or the number of new messages below the window.
func (f *frame) rightSlot() slot {
	v, t := &f.c.view, f.t.theme
	if f.c.sheet.isOpen() {
		rows, key := f.c.sheet.position()
		if rows == "" {
			return nil
		}
		return slot{{text: rows, style: t.Dim}, {text: key, style: t.Accent, gap: " "}}
	}
	if v.newBelow == 0 {
		return nil
	}
	s := slot{{text: fmt.Sprintf("↓ %d new", v.newBelow), style: t.Accent}}
	if v.mentionsBelow > 0 {
		s = append(s, slotItem{text: wire.Counted(v.mentionsBelow, "mentions you", "mention you"), style: t.Amber.With(theme.Bold)})
	}
	return s
}

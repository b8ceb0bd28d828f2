package screen

import (
	"slices"

	"chat/relay/qrcode"
)

// leastBelow is how many columns the text beside the QR code gets if the link has a row of its own.
const leastBelow = 30

// A linkRow is a layout of the invite to a sealed room: links on rows of their own above the QR code, with the text
// beside it. A link that is wrapped beside the code can be neither selected nor opened.
type linkRow struct {
	head []string // the rows above the code
	rest []string // the text beside it
	code qrcode.Code
}

// fits reports whether the layout fits in so many rows, with all its text.
func (l *linkRow) fits(rows int) bool { return len(l.head)+max(l.code.Rows(), len(l.rest)) <= rows }

// rows returns the layout in rows of so many columns. The texts are margin columns from the left, and the code is at
// most maxInviteGap columns from the text beside it.
func (l *linkRow) rows(t *terminal, columns, margin int) []string {
	height := max(l.code.Rows(), len(l.rest))
	wide := 0
	for _, row := range l.rest {
		wide = max(wide, t.ruler.method.StringWidth(row))
	}
	at := min(columns-l.code.Columns(), margin+wide+maxInviteGap)
	beside := centered(indented(slices.Clone(l.rest), margin), height)
	for y, line := range centered(l.code.Lines(t.profile), height) {
		if line != "" {
			beside[y] = padded(t.ruler, beside[y], at) + line
		}
	}
	return append(indented(slices.Clone(l.head), margin), beside...)
}

// drawLinkRows draws the invite with as many of its links as possible on rows of their own; nil: not even the first
// one fits. above are the rows above the links, and rest draws the text below the ways to join, both in at most so many
// columns.
func drawLinkRows(t *terminal, ways []way, above []string, rest func(columns int) []string, link string, columns, rows, margin int) []string {
	whole, err := qrcode.Of(link)
	if err != nil {
		return nil
	}
	own := 0 // the links that a row is long enough for
	for own < len(ways) && ways[own].link && t.ruler.width(ways[own].how) <= columns-margin {
		own++
	}
	for ; own > 0; own-- {
		for _, code := range []qrcode.Code{whole, whole.Tight()} {
			room := columns - margin - code.Columns() - 1
			if room < leastBelow {
				continue
			}
			spaced := linkRow{slices.Clone(above), drawWays(t, ways[own:], room), code}
			for _, w := range ways[:own] {
				with, how := w.draw(t, columns-margin)
				spaced.head = stacked(spaced.head, []string{with}, how, []string{""})
			}
			spaced.rest = append(spaced.rest, rest(room)...)
			dense := spaced
			dense.head, dense.rest = withoutBlanks(spaced.head), withoutBlanks(spaced.rest)
			for _, l := range []linkRow{spaced, {spaced.head, dense.rest, code}, dense} {
				if l.fits(rows) {
					return l.rows(t, columns, margin)
				}
			}
		}
	}
	return nil
}

func withoutBlanks(rows []string) []string {
	return slices.DeleteFunc(slices.Clone(rows), func(row string) bool { return row == "" })
}

package screen

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"chat/relay/screen/theme"
)

// This file changes and combines rows that are drawn already, whatever is in them.

// padded fills up a drawn row with spaces.
func padded(r ruler, row string, columns int) string {
	return row + strings.Repeat(" ", max(columns-r.method.StringWidth(row), 0))
}

// dimmed draws a drawn row dim, without its own styles.
func dimmed(row string, dim theme.Style) string { return dim.Draw(ansi.Strip(row)) }

// indented puts spaces before rows that are not empty.
func indented(rows []string, columns int) []string {
	for i := range rows {
		if rows[i] != "" {
			rows[i] = strings.Repeat(" ", columns) + rows[i]
		}
	}
	return rows
}

// centered puts empty rows above and below others.
func centered(rows []string, height int) []string {
	all := make([]string, max(height, len(rows)))
	copy(all[(len(all)-len(rows))/2:], rows)
	return all
}

// stacked returns the rows of several parts, one below the other.
func stacked(parts ...[]string) (rows []string) {
	for _, part := range parts {
		rows = append(rows, part...)
	}
	return rows
}

// drawWrapped draws text in one style, in rows of at most so many columns.
func drawWrapped(r ruler, text string, columns int, s theme.Style) (rows []string) {
	for _, row := range r.wrapped(text, columns) {
		rows = append(rows, s.Draw(r.cut(row, columns)))
	}
	return rows
}

// titleLine draws a line with a title in it, and near its end something that is drawn already, if there is
// room for both.
func titleLine(t *terminal, title, right string, columns int) string {
	const edge = "── "
	line := t.theme.Hairline
	title = t.ruler.cut(title, columns-len([]rune(edge)))
	used := t.ruler.width(edge + title + " ")
	end := ""
	if n := t.ruler.method.StringWidth(right) + 1 + t.ruler.width(edge); used+1+n <= columns {
		end = " " + right + " " + line.Draw("──")
		used += n
	}
	start := line.Draw(t.ruler.cut("──", columns)) + t.ruler.cut(" ", columns-2) + theme.Bold.Draw(title)
	if used > columns {
		return start
	}
	return start + " " + line.Draw(strings.Repeat("─", columns-used)) + end
}

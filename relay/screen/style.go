package screen

import "strings"

// A style is how text is drawn: the parameters of SGR (ECMA-48, 8.3.117). Bubble Tea's
// renderer removes those that the terminal does not support, and colors if NO_COLOR is set.
type style string

const (
	plainStyle     style = ""
	boldStyle      style = "1"
	dimStyle       style = "2"
	italicStyle    style = "3"
	underlineStyle style = "4"
	reverseStyle   style = "7" // only without colors
)

func (s style) draw(text string) string {
	if s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[m"
}

func (s style) with(other style) style {
	if s == "" || other == "" {
		return s + other
	}
	return s + ";" + other
}

// under puts a ground below a drawn row: the ends of styles within the row do not end it. A ground "" changes
// nothing.
func (s style) under(row string) string {
	if s == "" {
		return row
	}
	const reset = "\x1b[m"
	on := "\x1b[" + string(s) + "m"
	return on + strings.ReplaceAll(row, reset, reset+on) + reset
}

package theme

import "strings"

// A Style is how text is drawn: the parameters of SGR (ECMA-48, 8.3.117). Bubble Tea's
// renderer removes those that the terminal does not support, and colors if NO_COLOR is set.
type Style string

// Styles without colors.
const (
	Plain     Style = ""
	Bold      Style = "1"
	Dim       Style = "2"
	Italic    Style = "3"
	Underline Style = "4"
	Reverse   Style = "7" // only without colors
)

// Draw returns text in the style. The text has no styles of its own; its newlines are kept.
func (s Style) Draw(text string) string {
	if s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[m"
}

// With returns both styles together. If both set a color, the other one wins.
func (s Style) With(other Style) Style {
	if s == "" || other == "" {
		return s + other
	}
	return s + ";" + other
}

// Under puts a ground below a drawn row: the ends of styles within the row do not end it. A ground "" changes
// nothing.
func (s Style) Under(row string) string {
	if s == "" {
		return row
	}
	const reset = "\x1b[m"
	on := "\x1b[" + string(s) + "m"
	return on + strings.ReplaceAll(row, reset, reset+on) + reset
}

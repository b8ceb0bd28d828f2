// Package qrcode draws QR codes (ISO/IEC 18004) of addresses, for terminals and for the page.
package qrcode

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/charmbracelet/colorprofile"
	"rsc.io/qr"
	"rsc.io/qr/coding"
)

// quiet is the margin in modules that readers need: section 6.3.8. Those of phones do with tightQuiet.
const (
	quiet      = 4
	tightQuiet = 2
)

// A Code is a QR code. Its methods may be called concurrently.
type Code struct {
	code  *qr.Code // fixed
	quiet int      // fixed
}

// Of returns the QR code of a text, such as the URL of the page. The scheme and the host of a URL
// are encoded in capitals if that makes the code smaller: nothing distinguishes them (RFC 3986,
// section 6.2.2.1), and capitals take 5.5 bits each instead of 8. For the same reason the parts of an
// invite before and after its "#" are encoded apart.
func Of(text string) (Code, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return Code{}, fmt.Errorf("make a QR code: %w", err)
	}
	for _, text := range []string{capitalOrigin(text), capitalOrigin(withoutPath(text))} {
		if smaller, err := encode(segments(text)); err == nil && smaller.Size < code.Size {
			code = smaller
		}
	}
	return Code{code, quiet}, nil
}

// Tight returns the code with a narrow margin, for a screen that the whole one does not fit on.
func (c Code) Tight() Code { return Code{c.code, tightQuiet} }

// withoutPath returns a URL with a fragment without the "/" before that, which changes nothing (RFC 3986,
// section 6.2.3).
func withoutPath(text string) string {
	_, rest, _ := strings.Cut(text, "://")
	if origin, fragment, ok := strings.Cut(rest, "/#"); ok && !strings.Contains(origin, "/") {
		return text[:len(text)-len(rest)] + origin + "#" + fragment
	}
	return text
}

// segments returns the parts of a text that take the fewest bits each in an encoding of its own: what is
// before and after the "#", which capitals cannot be encoded with.
func segments(text string) []coding.Encoding {
	before, after, hasFragment := strings.Cut(text, "#")
	parts := []coding.Encoding{segment(before)}
	if hasFragment {
		parts = append(parts, coding.String("#"), segment(after))
	}
	return parts
}

func segment(text string) coding.Encoding {
	if alpha := coding.Alpha(text); alpha.Check() == nil {
		return alpha
	}
	return coding.String(text)
}

// encode returns the smallest code of segments.
func encode(parts []coding.Encoding) (*qr.Code, error) {
	for v := coding.Version(coding.MinVersion); v <= coding.MaxVersion; v++ {
		bits := 0
		for _, part := range parts {
			bits += part.Bits(v)
		}
		if bits > v.DataBytes(coding.L)*8 {
			continue
		}
		plan, err := coding.NewPlan(v, coding.L, 0)
		if err != nil {
			return nil, err
		}
		code, err := plan.Encode(parts...)
		if err != nil {
			return nil, err
		}
		return &qr.Code{Bitmap: code.Bitmap, Size: code.Size, Stride: code.Stride, Scale: 8}, nil
	}
	return nil, errors.New("text too long to encode as QR")
}

// capitalOrigin returns a URL with its scheme and its host in capitals, and other texts as they are.
func capitalOrigin(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	host := rest
	if end := strings.IndexAny(rest, "/#"); end >= 0 {
		host = rest[:end]
	}
	return strings.ToUpper(scheme+"://"+host) + rest[len(host):]
}

// black reports whether the module at x, y is black. The quiet zone is white.
func (c Code) black(x, y int) bool { return c.code.Black(x-c.quiet, y-c.quiet) }

// side returns the width and height in modules, with the quiet zone.
func (c Code) side() int { return c.code.Size + 2*c.quiet }

// Columns and Rows return the size of the code on a terminal, where a cell shows two modules, one
// above the other.
func (c Code) Columns() int { return c.side() }
func (c Code) Rows() int    { return (c.side() + 1) / 2 }

// A cell is how one kind of cell is drawn: the escape sequence that sets its colors, and its
// character.
type cell struct{ set, char string }

// The cells of the code, by whether the upper and the lower module are black. Grounds fill a cell to
// its edges in every font, and so does ▄ at its bottom; █ and ▀ leave seams between the rows.
// Black and white are those of the 256-color cube: a theme may give the first 16 colors a
// contrast that readers cannot see.
var (
	cube = map[[2]bool]cell{
		{false, false}: {"\x1b[48;5;231m", " "},
		{true, true}:   {"\x1b[48;5;16m", " "},
		{false, true}:  {"\x1b[38;5;16;48;5;231m", "▄"},
		{true, false}:  {"\x1b[38;5;231;48;5;16m", "▄"},
	}
	// With 16 colors.
	basic = map[[2]bool]cell{
		{false, false}: {"\x1b[107m", " "},
		{true, true}:   {"\x1b[40m", " "},
		{false, true}:  {"\x1b[30;107m", "▄"},
		{true, false}:  {"\x1b[97;40m", "▄"},
	}
	// Without colors.
	reverse = map[[2]bool]cell{
		{false, false}: {"\x1b[7m", " "},
		{true, true}:   {"", " "},
		{false, true}:  {"\x1b[7m", "▄"},
		{true, false}:  {"", "▄"},
	}
)

// Lines draws the code in Rows lines of Columns cells for a terminal that can show so many colors:
// black on white, whatever its theme. Without colors the terminal's ground is taken to be dark.
func (c Code) Lines(profile colorprofile.Profile) []string {
	cells := cube
	switch {
	case profile < colorprofile.ANSI:
		cells = reverse
	case profile < colorprofile.ANSI256:
		cells = basic
	}
	lines := make([]string, 0, c.Rows())
	for y := 0; y < c.side(); y += 2 {
		var b strings.Builder
		set := ""
		for x := range c.side() {
			of := cells[[2]bool{c.black(x, y), c.black(x, y+1)}]
			if of.set != set {
				if set != "" {
					b.WriteString("\x1b[m")
				}
				b.WriteString(of.set)
				set = of.set
			}
			b.WriteString(of.char)
		}
		if set != "" {
			b.WriteString("\x1b[m")
		}
		lines = append(lines, b.String())
	}
	return lines
}

// SVG draws the code as a picture of one unit a module.
func (c Code) SVG() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %[1]d" shape-rendering="crispEdges">`, c.side())
	fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%dv%[1]dH0z"/><path d="`, c.side())
	for y := range c.side() {
		for x := range c.side() {
			if c.black(x, y) {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.Bytes()
}

// ForTerminal returns a function that draws the QR code of a link for a terminal, as the lines of its rows.
func ForTerminal(terminal *os.File) func(link string) ([]string, error) {
	return func(link string) ([]string, error) {
		code, err := Of(link)
		if err != nil {
			return nil, err
		}
		return code.Lines(colorprofile.Detect(terminal, os.Environ())), nil
	}
}

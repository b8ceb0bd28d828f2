package screen

import (
	"fmt"
	"hash/fnv"
	"image/color"
	"math"

	"github.com/charmbracelet/colorprofile"

	"chat/relay/text"
)

// A palette is the colours that nicks have. The tests compute what holds for them:
// each is readable on its background (WCAG 2: a contrast of 4.5), and those who see
// red and green alike can tell each from the others. That leaves room for few.
type palette struct {
	styles []style
	known  map[string]style // of the nicks drawn lately
}

var (
	// Entries of the 256-colour cube: other than the first 16 they look the same in
	// every theme.
	onDark    = cube(167, 222, 70, 46, 50, 81, 135, 199)
	onLight   = cube(161, 22, 27, 21, 91, 97, 89)
	onUnknown = cube(29, 130, 63, 163)

	// Where the background is not known: all have about the luminance (0.18) that is
	// as far from black as from white.
	onUnknownTrue = []style{
		"38;2;32;134;120", "38;2;88;108;208", "38;2;176;99;64", "38;2;208;76;0",
		"38;2;120;92;248", "38;2;232;16;112", "38;2;64;120;168",
	}

	// Of 16 colours the theme says what they look like: those that few themes make
	// unreadable, blue on black and yellow on white not among them.
	onDark16    = []style{"31", "32", "33", "35", "36"}
	onLight16   = []style{"31", "34", "35"}
	onUnknown16 = []style{"31", "32", "35", "36"}
)

func cube(indexes ...int) (styles []style) {
	for _, i := range indexes {
		styles = append(styles, style(fmt.Sprintf("38;5;%d", i)))
	}
	return styles
}

// paletteFor returns the palette for a background, nil if it is not known, on a
// terminal that has so many colours.
func paletteFor(background color.Color, profile colorprofile.Profile) *palette {
	styles := [...][]style{onUnknown16, onUnknown, onUnknownTrue}
	if background != nil {
		styles = [...][]style{onDark16, onDark, onDark}
		if luminance(background) > 0.18 {
			styles = [...][]style{onLight16, onLight, onLight}
		}
	}
	switch profile {
	case colorprofile.TrueColor:
		return &palette{styles: styles[2]}
	case colorprofile.ANSI256:
		return &palette{styles: styles[1]}
	default: // where there are no colours at all, the renderer leaves them out
		return &palette{styles: styles[0]}
	}
}

// luminance returns how light c is, from 0 to 1 (WCAG 2, "relative luminance").
func luminance(c color.Color) float64 {
	linear := func(v uint32) float64 {
		if s := float64(v) / 0xffff; s > 0.04045 {
			return math.Pow((s+0.055)/1.055, 2.4)
		} else {
			return s / 12.92
		}
	}
	r, g, b, _ := c.RGBA()
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

// maxKnown is how many nicks a palette remembers: more than a screen shows.
const maxKnown = 1000

// of returns the colour of a nick: always the same one, however its case is.
func (p *palette) of(nick string) style {
	if s, ok := p.known[nick]; ok {
		return s
	}
	h := fnv.New32a()
	h.Write([]byte(text.NickFold(nick)))
	s := p.styles[h.Sum32()%uint32(len(p.styles))]
	if p.known == nil || len(p.known) >= maxKnown {
		p.known = make(map[string]style)
	}
	p.known[nick] = s
	return s
}

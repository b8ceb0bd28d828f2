package screen

import (
	"fmt"
	"hash/fnv"
	"image/color"
	"math"

	"github.com/charmbracelet/colorprofile"

	"chat/relay/text"
)

// A palette is the colors of nicks. Tests check that each is readable on its background
// (WCAG 2: a contrast of 4.5), and that they differ enough for people with red-green color
// blindness. Few colors pass both.
type palette struct {
	styles []style
	cache  map[string]style // by nick
}

var (
	// Entries of the 256-color cube: unlike the first 16, they look the same in every
	// theme.
	onDark    = cube(167, 222, 70, 46, 50, 81, 135, 199)
	onLight   = cube(161, 22, 27, 21, 91, 97, 89)
	onUnknown = cube(29, 130, 63, 163)

	// For an unknown background: all have about the luminance (0.18) that is as far from
	// black as from white.
	onUnknownTrue = []style{
		"38;2;32;134;120", "38;2;88;108;208", "38;2;176;99;64", "38;2;208;76;0",
		"38;2;120;92;248", "38;2;232;16;112", "38;2;64;120;168",
	}

	// The theme defines the first 16 colors: these are the ones that few themes make
	// unreadable, so not blue on black or yellow on white.
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

// paletteFor returns the palette for a terminal with this background (nil: unknown) and color
// profile.
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
	default: // if there are no colors at all, the renderer removes them
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

// maxCached is how many nicks a palette caches: more than fit on a screen.
const maxCached = 1000

// styleOf returns the color of a nick: always the same, in upper and lower case.
func (p *palette) styleOf(nick string) style {
	if s, ok := p.cache[nick]; ok {
		return s
	}
	h := fnv.New32a()
	h.Write([]byte(text.NickFold(nick)))
	s := p.styles[h.Sum32()%uint32(len(p.styles))]
	if p.cache == nil || len(p.cache) >= maxCached {
		p.cache = make(map[string]style)
	}
	p.cache[nick] = s
	return s
}

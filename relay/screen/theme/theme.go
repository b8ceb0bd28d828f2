// Package theme has the colors of the screen: styles of text, by meaning, for the background and the abilities of the
// terminal.
package theme

import (
	"fmt"
	"image/color"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"github.com/lucasb-eyer/go-colorful"
)

// A Theme is the styles of everything on the screen, by what they mean. All are for one
// terminal: its background, its foreground and the colors that it can show. Tests compute that
// text is readable on every ground (a contrast of 4.5, as WCAG 2.2 asks) in popular color
// schemes of terminals, and that nicks are distinct, for color-blind people too.
//
// A Theme is not changed once it is made, so that all goroutines may use it, and rows drawn with it are valid as long as
// the terminal has the same one.
type Theme struct {
	// Of text.
	Dim      Style // what matters less: times, hints, events of the room
	Hairline Style // lines between parts of the screen
	Accent   Style // what can be pressed: keys, links
	Amber    Style // what names us, and trouble
	Violet   Style // private messages
	Red      Style // errors
	Green    Style // the connection, if there is one
	Unread   Style // the line above unread messages: accent, at half strength

	// Of code.
	Keyword, Literal, Number, Function, Comment Style

	// Grounds, to be drawn below any of the above; see Style.Under. Without grounds they are "".
	Panel    Style // of the header and of lists
	Code     Style // of code
	Mention  Style // of an entry that names us
	Private  Style // of a private message
	Selected Style // of the chosen row; its text has no other colors
	Hit      Style // of words that a search found

	Nicks []Style // the first Core of them differ most; none if there are no colors
	Core  int

	Mono bool // there are no colors at all: reverse video and bold stand in for them
}

// For returns the theme of a terminal with this background and foreground (nil:
// unknown) and color profile.
func For(background, foreground color.Color, profile colorprofile.Profile) *Theme {
	isDark := background != nil && luminance(displayed(background)) < darkBelow
	switch {
	case profile < colorprofile.ANSI:
		return monoTheme()
	case profile == colorprofile.ANSI:
		return themeOf16(background != nil, isDark)
	case background == nil && profile == colorprofile.ANSI256:
		return unknownTheme256()
	case background == nil:
		return unknownTheme()
	case profile == colorprofile.ANSI256:
		return themeOf256(foreground, isDark)
	default:
		return trueTheme(displayed(background), foreground)
	}
}

// --- all colors ------------------------------------------------------------------------

// roles are the colors that a theme begins with, for dark or for light backgrounds.
type roles struct {
	foreground                                   int // if the terminal's is unknown
	accent, amber, violet, red, green            int
	keyword, literal, number, function           int
	dim, hairline                                float64 // how far from the background to the foreground
	panel, code, mention, private, selected, hit ground
	nicks                                        []int // the first eight differ most, for color-blind people too
}

// A ground is a color made from the terminal's background.
type ground struct {
	step        float64 // how much lighter it is, in OKLCH
	least       float64 // but at least so light
	chroma, hue float64 // 0: those of the background
}

var darkRoles = roles{
	foreground: 0xd8dee9,
	accent:     0x82b4ff, amber: 0xf5b83d, violet: 0xb9a2ff, red: 0xff9a8f, green: 0x86d993,
	keyword: 0xc4a7ff, literal: 0xa5d6a0, number: 0xf0b27a, function: 0x82b4ff,
	dim: 0.62, hairline: 0.24,
	panel: ground{0.045, 0.19, 0, 0}, code: ground{0.05, 0.19, 0, 0},
	mention: ground{0.065, 0.22, 0.045, 80}, private: ground{0.055, 0.22, 0.05, 295},
	selected: ground{0.10, 0.29, 0.065, 255}, hit: ground{0.20, 0.42, 0.085, 85},
	nicks: []int{
		0x75b8d6, 0xe99a3f, 0xa0ffb4, 0xdb99a0, 0xb39bfd, 0xf7f680, 0x76fff9, 0xbcae72,
		0xff967a, 0xf2cbfe, 0x7ebe9e, 0x8cc05e,
	},
}

var lightRoles = roles{
	foreground: 0x1f2328,
	accent:     0x1d5fc0, amber: 0x9a5b00, violet: 0x6741c4, red: 0xb3261e, green: 0x1a7f37,
	keyword: 0x7a1fa2, literal: 0x22672a, number: 0x9a5b00, function: 0x1d5fc0,
	dim: 0.66, hairline: 0.20,
	panel: ground{-0.025, 0, 0, 0}, code: ground{-0.03, 0, 0, 0},
	mention: ground{-0.025, 0, 0.06, 92}, private: ground{-0.035, 0, 0.025, 300},
	selected: ground{-0.085, 0, 0.05, 255}, hit: ground{-0.09, 0, 0.14, 90},
	nicks: []int{
		0x046abe, 0xa85504, 0x4b754b, 0x822152, 0x2936b7, 0x8a0316, 0x247486, 0x730a7c,
		0x91574d, 0x584503, 0x2e7601, 0x4a3e6e,
	},
}

// coreNicks is how many nicks at the start of the lists differ most.
const coreNicks = 8

// on returns the ground on a background.
func (g ground) on(background colorful.Color) colorful.Color {
	lightness, chroma, hue := background.OkLch()
	if g.chroma > 0 {
		chroma, hue = g.chroma, g.hue
	}
	return oklch(max(lightness+g.step, g.least), chroma, hue)
}

// trueTheme returns the theme of a terminal with this background that shows all colors.
func trueTheme(background colorful.Color, foreground color.Color) *Theme {
	r, extreme := &darkRoles, rgb(0xffffff)
	if luminance(background) >= darkBelow {
		r, extreme = &lightRoles, rgb(0)
	}
	grounds := make(map[ground]colorful.Color) // those that text can be readable on
	for _, g := range []ground{r.panel, r.code, r.mention, r.private, r.selected, r.hit} {
		if c := g.on(background); contrast(extreme, c) >= readable {
			grounds[g] = c
		}
	}
	below := func(some ...ground) []colorful.Color {
		colors := []colorful.Color{background}
		for _, g := range some {
			if c, ok := grounds[g]; ok {
				colors = append(colors, c)
			}
		}
		return colors
	}
	rows := below(r.panel, r.code, r.mention, r.private)
	all := below(r.panel, r.code, r.mention, r.private, r.selected, r.hit)

	ink := rgb(r.foreground)
	if foreground != nil {
		ink = displayed(foreground)
	}
	draw := func(g ground) Style {
		c, ok := grounds[g]
		if !ok {
			return Plain
		}
		if g != r.hit && foreground != nil && contrast(ink, c) >= readable {
			return groundStyle(c)
		}
		return textStyle(lift(ink, all)).With(groundStyle(c)) // a hit can be in a link, too
	}
	text := func(c colorful.Color) Style { return textStyle(lift(c, rows)) }
	ofCode := func(n int) Style { return textStyle(lift(rgb(n), below(r.code))) }
	accent := lift(rgb(r.accent), below(r.panel, r.code, r.mention, r.private, r.selected))
	dim := text(between(background, lift(ink, below()), r.dim))
	t := &Theme{
		Dim: dim, Hairline: textStyle(between(background, ink, r.hairline)),
		Accent: textStyle(accent), Unread: textStyle(between(background, accent, 0.5)),
		Amber: text(rgb(r.amber)), Violet: text(rgb(r.violet)), Red: text(rgb(r.red)), Green: text(rgb(r.green)),
		Keyword: ofCode(r.keyword), Literal: ofCode(r.literal), Number: ofCode(r.number), Function: ofCode(r.function), Comment: dim,
		Panel: draw(r.panel), Code: draw(r.code), Mention: draw(r.mention), Private: draw(r.private),
		Selected: draw(r.selected), Hit: draw(r.hit),
		Core: coreNicks,
	}
	for _, n := range r.nicks {
		t.Nicks = append(t.Nicks, Bold.With(text(rgb(n))))
	}
	return t
}

// unknownTheme is the theme of a terminal that shows all colors, but does not name its background.
// All colors have about the luminance that is as far from black as from white.
func unknownTheme() *Theme {
	text := func(n int) Style { return textStyle(midTone(rgb(n))) }
	r := &darkRoles
	return &Theme{
		Dim: text(0x808080), Hairline: text(0x808080), Accent: text(r.accent), Unread: text(r.accent),
		Amber: text(r.amber), Violet: text(r.violet), Red: text(r.red), Green: text(r.green),
		Keyword: text(r.keyword), Literal: text(r.literal), Number: text(r.number), Function: text(r.function), Comment: text(0x808080),
		Nicks: bold(
			"38;2;32;134;120", "38;2;88;108;208", "38;2;176;99;64", "38;2;208;76;0",
			"38;2;120;92;248", "38;2;232;16;112", "38;2;64;120;168",
		),
		Core: 7,
	}
}

// textStyle and groundStyle return the styles with this color of text and of the ground.
func textStyle(c colorful.Color) Style   { return rgbStyle(38, c) }
func groundStyle(c colorful.Color) Style { return rgbStyle(48, c) }

func rgbStyle(what int, c colorful.Color) Style {
	r, g, b := c.RGB255()
	return Style(fmt.Sprintf("%d;2;%d;%d;%d", what, r, g, b))
}

// --- 256 colors ------------------------------------------------------------------------

// The entries of the cube and the greys look the same on every terminal, unlike the first 16.
// These are numbers of them.

// themeOf256 is the theme of a terminal with 256 colors and a background that is dark or light.
func themeOf256(foreground color.Color, isDark bool) *Theme {
	ink, hit := 16, 222
	if isDark {
		ink, hit = 231, 58
	}
	ground := func(i int) Style { // as in trueTheme
		if foreground == nil || contrast(displayed(foreground), indexed(i)) < readable || i == hit {
			return indexStyle(38, ink).With(indexStyle(48, i))
		}
		return indexStyle(48, i)
	}
	text := func(i int) Style { return indexStyle(38, i) }
	if isDark {
		return &Theme{
			Dim: text(247), Hairline: text(239), Accent: text(111), Unread: text(67),
			Amber: text(214), Violet: text(141), Red: text(210), Green: text(114),
			Keyword: text(183), Literal: text(151), Number: text(215), Function: text(111), Comment: text(247),
			Panel: ground(235), Code: ground(235), Mention: ground(236), Private: ground(236), Selected: ground(24), Hit: ground(hit),
			Nicks: bold(cube(153, 172, 193, 140, 209, 221, 50, 37, 211, 39, 180, 35)...),
			Core:  coreNicks,
		}
	}
	return &Theme{
		Dim: text(240), Hairline: text(250), Accent: text(25), Unread: text(110),
		Amber: text(94), Violet: text(92), Red: text(124), Green: text(22),
		Keyword: text(90), Literal: text(22), Number: text(94), Function: text(25), Comment: text(240),
		Panel: ground(255), Code: ground(255), Mention: ground(230), Private: ground(255), Selected: ground(153), Hit: ground(hit),
		Nicks: bold(cube(26, 160, 54, 95, 21, 88, 89, 22, 94, 23, 61)...),
		Core:  7,
	}
}

// unknownTheme256 is the theme of a terminal with 256 colors that does not name its background.
func unknownTheme256() *Theme {
	text := func(i int) Style { return indexStyle(38, i) }
	return &Theme{
		Dim: text(243), Hairline: text(243), Accent: text(63), Unread: text(63),
		Amber: text(130), Violet: text(98), Red: text(131), Green: text(28),
		Keyword: text(98), Literal: text(29), Number: text(130), Function: text(63), Comment: text(243),
		Nicks: bold(cube(29, 130, 63, 163)...),
		Core:  4,
	}
}

func indexStyle(what, i int) Style { return Style(fmt.Sprintf("%d;5;%d", what, i)) }

func indexed(i int) colorful.Color { return displayed(ansi.IndexedColor(i)) }

func cube(indexes ...int) (styles []Style) {
	for _, i := range indexes {
		styles = append(styles, indexStyle(38, i))
	}
	return styles
}

func bold(styles ...Style) []Style {
	for i, s := range styles {
		styles[i] = Bold.With(s)
	}
	return styles
}

// --- 16 colors, and none -----------------------------------------------------------------

// themeOf16 is the theme of a terminal with 16 colors. Its own color scheme defines them: these are
// the ones that few schemes make unreadable, so not blue on black or yellow on white. Nicks are not
// bold, as many terminals show bold text in the brighter color, which is another nick's.
func themeOf16(isKnown, isDark bool) *Theme {
	t := &Theme{
		Dim: Dim, Hairline: Dim, Accent: Bold, Unread: Dim,
		Amber: "31;1", Violet: "35", Red: "31", Green: "32",
		Keyword: "35", Literal: "31", Function: "36", Comment: Dim,
		Nicks: []Style{"31", "32", "35", "36"},
	}
	switch {
	case isKnown && isDark:
		t.Amber, t.Literal, t.Number = "33;1", "32", "33"
		t.Nicks = []Style{"36", "33", "32", "94", "96", "92", "93", "31"}
	case isKnown:
		t.Function = "34"
		t.Nicks = []Style{"34", "31", "35"}
	}
	t.Core = len(t.Nicks)
	return t
}

// Bar returns the character of the bar left of a chosen or tinted row. Without colors it is a line, as a block
// would look like the cursor.
func (t *Theme) Bar() string {
	if t.Mono {
		return "┃"
	}
	return "▌"
}

// monoTheme is the theme without colors: the terminal has none, or NO_COLOR is set.
func monoTheme() *Theme {
	return &Theme{
		Dim: Dim, Hairline: Dim, Accent: Bold, Amber: Bold, Violet: Bold, Red: Bold,
		Comment: Dim, Mono: true,
	}
}

package screen

import (
	"fmt"
	"image/color"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"github.com/lucasb-eyer/go-colorful"
)

// A theme is the styles of everything on the screen, by what they mean. All are for one
// terminal: its background, its foreground and the colors that it can show. Tests compute that
// text is readable on every ground (a contrast of 4.5, as WCAG 2.2 asks) in popular color
// schemes of terminals, and that nicks are distinct, for color-blind people too.
//
// A theme is not changed once it is made, so that rows drawn with it are valid as long as
// the terminal has the same one.
type theme struct {
	// Of text.
	dim      style // what matters less: times, hints, events of the room
	hairline style // lines between parts of the screen
	accent   style // what can be pressed: keys, links
	amber    style // what names us, and trouble
	violet   style // private messages
	red      style // errors
	green    style // the connection, if there is one
	unread   style // the line above unread messages: accent, at half strength

	// Of code.
	keyword, literal, number, function, comment style

	// Grounds, to be drawn below any of the above: a ground comes first, and again after each
	// reset, as it can set the color of text that has none. Without grounds they are "".
	panel style // of the header and of lists
	code  style // of code
	call  style // of an entry that names us
	alone style // of a private message
	sel   style // of the chosen row; its text has no other colors
	hit   style // of words that a search found

	nicks []style // the first core of them differ most; none if there are no colors
	core  int

	mono bool // there are no colors at all: reverse video and bold stand in for them
}

// themeFor returns the theme of a terminal with this background and foreground (nil:
// unknown) and color profile.
func themeFor(background, foreground color.Color, profile colorprofile.Profile) *theme {
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
	panel, code, call, alone, selected, searched ground
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
	call: ground{0.065, 0.22, 0.045, 80}, alone: ground{0.055, 0.22, 0.05, 295},
	selected: ground{0.10, 0.29, 0.065, 255}, searched: ground{0.20, 0.42, 0.085, 85},
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
	call: ground{-0.025, 0, 0.06, 92}, alone: ground{-0.035, 0, 0.025, 300},
	selected: ground{-0.085, 0, 0.05, 255}, searched: ground{-0.09, 0, 0.14, 90},
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
func trueTheme(background colorful.Color, foreground color.Color) *theme {
	r, extreme := &darkRoles, rgb(0xffffff)
	if luminance(background) >= darkBelow {
		r, extreme = &lightRoles, rgb(0)
	}
	grounds := make(map[ground]colorful.Color) // those that text can be readable on
	for _, g := range []ground{r.panel, r.code, r.call, r.alone, r.selected, r.searched} {
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
	rows := below(r.panel, r.code, r.call, r.alone)
	all := below(r.panel, r.code, r.call, r.alone, r.selected, r.searched)

	ink := rgb(r.foreground)
	if foreground != nil {
		ink = displayed(foreground)
	}
	draw := func(g ground) style {
		c, ok := grounds[g]
		if !ok {
			return plainStyle
		}
		if g != r.searched && foreground != nil && contrast(ink, c) >= readable {
			return groundStyle(c)
		}
		return textStyle(lift(ink, all)).with(groundStyle(c)) // a hit can be in a link, too
	}
	text := func(c colorful.Color) style { return textStyle(lift(c, rows)) }
	ofCode := func(n int) style { return textStyle(lift(rgb(n), below(r.code))) }
	accent := lift(rgb(r.accent), below(r.panel, r.code, r.call, r.alone, r.selected))
	dim := text(between(background, lift(ink, below()), r.dim))
	t := &theme{
		dim: dim, hairline: textStyle(between(background, ink, r.hairline)),
		accent: textStyle(accent), unread: textStyle(between(background, accent, 0.5)),
		amber: text(rgb(r.amber)), violet: text(rgb(r.violet)), red: text(rgb(r.red)), green: text(rgb(r.green)),
		keyword: ofCode(r.keyword), literal: ofCode(r.literal), number: ofCode(r.number), function: ofCode(r.function), comment: dim,
		panel: draw(r.panel), code: draw(r.code), call: draw(r.call), alone: draw(r.alone),
		sel: draw(r.selected), hit: draw(r.searched),
		core: coreNicks,
	}
	for _, n := range r.nicks {
		t.nicks = append(t.nicks, boldStyle.with(text(rgb(n))))
	}
	return t
}

// unknownTheme is the theme of a terminal that shows all colors, but does not name its background.
// All colors have about the luminance that is as far from black as from white.
func unknownTheme() *theme {
	text := func(n int) style { return textStyle(midTone(rgb(n))) }
	r := &darkRoles
	return &theme{
		dim: text(0x808080), hairline: text(0x808080), accent: text(r.accent), unread: text(r.accent),
		amber: text(r.amber), violet: text(r.violet), red: text(r.red), green: text(r.green),
		keyword: text(r.keyword), literal: text(r.literal), number: text(r.number), function: text(r.function), comment: text(0x808080),
		nicks: bold(
			"38;2;32;134;120", "38;2;88;108;208", "38;2;176;99;64", "38;2;208;76;0",
			"38;2;120;92;248", "38;2;232;16;112", "38;2;64;120;168",
		),
		core: 7,
	}
}

// textStyle and groundStyle return the styles with this color of text and of the ground.
func textStyle(c colorful.Color) style   { return rgbStyle(38, c) }
func groundStyle(c colorful.Color) style { return rgbStyle(48, c) }

func rgbStyle(what int, c colorful.Color) style {
	r, g, b := c.RGB255()
	return style(fmt.Sprintf("%d;2;%d;%d;%d", what, r, g, b))
}

// --- 256 colors ------------------------------------------------------------------------

// The entries of the cube and the greys look the same on every terminal, unlike the first 16.
// These are numbers of them.

// themeOf256 is the theme of a terminal with 256 colors and a background that is dark or light.
func themeOf256(foreground color.Color, isDark bool) *theme {
	ink, hit := 16, 222
	if isDark {
		ink, hit = 231, 58
	}
	ground := func(i int) style { // as in trueTheme
		if foreground == nil || contrast(displayed(foreground), indexed(i)) < readable || i == hit {
			return indexStyle(38, ink).with(indexStyle(48, i))
		}
		return indexStyle(48, i)
	}
	text := func(i int) style { return indexStyle(38, i) }
	if isDark {
		return &theme{
			dim: text(247), hairline: text(239), accent: text(111), unread: text(67),
			amber: text(214), violet: text(141), red: text(210), green: text(114),
			keyword: text(183), literal: text(151), number: text(215), function: text(111), comment: text(247),
			panel: ground(235), code: ground(235), call: ground(236), alone: ground(236), sel: ground(24), hit: ground(hit),
			nicks: bold(cube(153, 172, 193, 140, 209, 221, 50, 37, 211, 39, 180, 35)...),
			core:  coreNicks,
		}
	}
	return &theme{
		dim: text(240), hairline: text(250), accent: text(25), unread: text(110),
		amber: text(94), violet: text(92), red: text(124), green: text(22),
		keyword: text(90), literal: text(22), number: text(94), function: text(25), comment: text(240),
		panel: ground(255), code: ground(255), call: ground(230), alone: ground(255), sel: ground(153), hit: ground(hit),
		nicks: bold(cube(26, 160, 54, 95, 21, 88, 89, 22, 94, 23, 61)...),
		core:  7,
	}
}

// unknownTheme256 is the theme of a terminal with 256 colors that does not name its background.
func unknownTheme256() *theme {
	text := func(i int) style { return indexStyle(38, i) }
	return &theme{
		dim: text(243), hairline: text(243), accent: text(63), unread: text(63),
		amber: text(130), violet: text(98), red: text(131), green: text(28),
		keyword: text(98), literal: text(29), number: text(130), function: text(63), comment: text(243),
		nicks: bold(cube(29, 130, 63, 163)...),
		core:  4,
	}
}

func indexStyle(what, i int) style { return style(fmt.Sprintf("%d;5;%d", what, i)) }

func indexed(i int) colorful.Color { return displayed(ansi.IndexedColor(i)) }

func cube(indexes ...int) (styles []style) {
	for _, i := range indexes {
		styles = append(styles, indexStyle(38, i))
	}
	return styles
}

func bold(styles ...style) []style {
	for i, s := range styles {
		styles[i] = boldStyle.with(s)
	}
	return styles
}

// --- 16 colors, and none -----------------------------------------------------------------

// themeOf16 is the theme of a terminal with 16 colors. Its own color scheme defines them: these are
// the ones that few schemes make unreadable, so not blue on black or yellow on white. Nicks are not
// bold, as many terminals show bold text in the brighter color, which is another nick's.
func themeOf16(isKnown, isDark bool) *theme {
	t := &theme{
		dim: dimStyle, hairline: dimStyle, accent: boldStyle, unread: dimStyle,
		amber: "31;1", violet: "35", red: "31", green: "32",
		keyword: "35", literal: "31", function: "36", comment: dimStyle,
		nicks: []style{"31", "32", "35", "36"},
	}
	switch {
	case isKnown && isDark:
		t.amber, t.literal, t.number = "33;1", "32", "33"
		t.nicks = []style{"36", "33", "32", "94", "96", "92", "93", "31"}
	case isKnown:
		t.function = "34"
		t.nicks = []style{"34", "31", "35"}
	}
	t.core = len(t.nicks)
	return t
}

// barSign returns the character of the bar left of a chosen or tinted row. Without colors it is a line, as a block
// would look like the cursor.
func (t *theme) barSign() string {
	if t.mono {
		return "┃"
	}
	return "▌"
}

// monoTheme is the theme without colors: the terminal has none, or NO_COLOR is set.
func monoTheme() *theme {
	return &theme{
		dim: dimStyle, hairline: dimStyle, accent: boldStyle, amber: boldStyle, violet: boldStyle, red: boldStyle,
		comment: dimStyle, mono: true,
	}
}

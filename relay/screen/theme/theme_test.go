package theme

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	"github.com/lucasb-eyer/go-colorful"
	"pgregory.net/rapid"
)

// schemes are popular color schemes of terminals.
var schemes = map[string]struct{ background, foreground int }{
	"black":           {0x000000, 0xe5e5e5},
	"catppuccin":      {0x1e1e2e, 0xcdd6f4},
	"one dark":        {0x282c34, 0xabb2bf},
	"nord":            {0x2e3440, 0xd8dee9},
	"solarized dark":  {0x002b36, 0x839496},
	"gruvbox":         {0x282828, 0xebdbb2},
	"github dark":     {0x0d1117, 0xe6edf3},
	"dracula":         {0x282a36, 0xf8f8f2},
	"white":           {0xffffff, 0x000000},
	"solarized light": {0xfdf6e3, 0x657b83},
	"latte":           {0xeff1f5, 0x4c4f69},
	"github":          {0xffffff, 0x1f2328},
	"gruvbox light":   {0xfbf1c7, 0x3c3836},
}

// The page has the colors that the screen makes its own from: those of texts, and of nicks in their order.
func TestPageHasTheseColors(t *testing.T) {
	css, err := os.ReadFile("../../web/page/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, _ := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	for name, of := range map[string]struct {
		css string
		roles
	}{"light": {light, lightRoles}, "dark": {dark, darkRoles}} {
		colors := map[string]int{
			"accent": of.accent, "amber": of.amber, "violet": of.violet, "red": of.red, "green": of.green,
			"keyword": of.keyword, "string": of.literal, "number": of.number, "function": of.function,
		}
		for i, nick := range of.nicks {
			colors[fmt.Sprint("n", i)] = nick
		}
		for variable, color := range colors {
			if want := fmt.Sprintf("--%s: #%06x;", variable, color); !strings.Contains(of.css, want) {
				t.Errorf("style.css, %s: no %s", name, want)
			}
		}
	}
}

// drawnIn is what an SGR sequence sets; nil: nothing.
type drawnIn struct{ text, ground color.Color }

// parse returns the colors of a style. The first 16 have none: the terminal's color scheme
// defines them.
func parse(t fataler, s Style) (in drawnIn) {
	t.Helper()
	codes := strings.Split(string(s), ";")
	next := func() int {
		if len(codes) == 0 {
			t.Fatalf("%q ends too early", s)
		}
		n, err := strconv.Atoi(codes[0])
		if err != nil && s != "" {
			t.Fatalf("%q is no style", s)
		}
		codes = codes[1:]
		return n
	}
	for len(codes) > 0 {
		what := next()
		if what != 38 && what != 48 {
			continue
		}
		var c color.Color
		switch kind := next(); kind {
		case 2:
			c = rgb(next()<<16 | next()<<8 | next())
		case 5:
			c = indexed(next())
		default:
			t.Fatalf("%q is no color", s)
		}
		if what == 38 {
			in.text = c
		} else {
			in.ground = c
		}
	}
	return in
}

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// pairs calls try with each style of a theme that is drawn as text, and the ground below it.
func (th *Theme) pairs(try func(name string, text, below Style)) {
	rows := map[string]Style{"background": "", "panel": th.Panel, "code": th.Code, "call": th.Mention, "alone": th.Private}
	texts := map[string]Style{"dim": th.Dim, "accent": th.Accent, "amber": th.Amber, "violet": th.Violet, "red": th.Red, "green": th.Green}
	for i, s := range th.Nicks {
		texts[fmt.Sprint("nick ", i+1)] = s
	}
	for on, below := range rows {
		for name, s := range texts {
			try(name+" on "+on, s, below)
		}
	}
	for name, s := range map[string]Style{
		"keyword": th.Keyword, "literal": th.Literal, "number": th.Number, "function": th.Function, "comment": th.Comment,
	} {
		try(name+" on code", s, th.Code)
	}
	try("text of a link on hit", th.Accent.With(th.Hit), th.Hit)
	for on, below := range map[string]Style{"panel": th.Panel, "code": th.Code, "call": th.Mention, "alone": th.Private, "sel": th.Selected, "hit": th.Hit} {
		try("text on "+on, "", below)
	}
}

// checkReadable checks the contrast of all that a theme draws on a terminal with these colors.
// It returns the least.
func checkReadable(t fataler, th *Theme, background, foreground color.Color, want float64) (least float64) {
	t.Helper()
	least = math.Inf(1)
	th.pairs(func(name string, s, below Style) {
		in, ground := parse(t, s), parse(t, below)
		if ground.ground == nil {
			ground.ground = background
			if s == "" { // the terminal's own colors
				return
			}
		}
		if in.text == nil {
			if in.text = ground.text; in.text == nil {
				in.text = foreground
			}
		}
		got := contrast(displayed(in.text), displayed(ground.ground))
		if least = min(least, got); got < want {
			t.Errorf("%s (%q on %q) has a contrast of %.2f, want %.1f", name, s, below, got, want)
		}
	})
	return least
}

// A vision is a way to see colors: a matrix for linear RGB.
type vision [3][3]float64

// From Machado, Oliveira and Fernandes (2009), at full severity.
var visions = map[string]vision{
	"full color":   {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
}

func (v vision) sees(c colorful.Color) colorful.Color {
	r, g, b := c.LinearRgb()
	at := func(i int) float64 { return min(max(v[i][0]*r+v[i][1]*g+v[i][2]*b, 0), 1) }
	return colorful.LinearRgb(at(0), at(1), at(2)).Clamped()
}

// checkDistinct checks how far the colors of nicks are apart (CIE 76: 2.3 is just noticeable
// side by side): all of them, and the first ones for each vision.
func checkDistinct(t *testing.T, th *Theme, all float64, core map[string]float64) {
	t.Helper()
	var colors []colorful.Color
	for _, s := range th.Nicks {
		colors = append(colors, displayed(parse(t, s).text))
	}
	least := func(v vision, colors []colorful.Color) float64 {
		least := math.Inf(1)
		for i, a := range colors {
			for _, b := range colors[:i] {
				least = min(least, 100*v.sees(a).DistanceCIE76(v.sees(b)))
			}
		}
		return least
	}
	if got := least(visions["full color"], colors); got < all {
		t.Errorf("the %d colors are %.1f apart, want %.1f", len(colors), got, all)
	}
	for who, v := range visions {
		got := least(v, colors[:th.Core])
		t.Logf("%s: the first %d are %.1f apart", who, th.Core, got)
		if got < core[who] {
			t.Errorf("%s: the first %d colors are %.1f apart, want %.1f", who, th.Core, got, core[who])
		}
	}
}

// What is drawn is readable in each color scheme, also if the terminal does not report its
// foreground, and nicks differ for everyone.
func TestThemes(t *testing.T) {
	for name, scheme := range schemes {
		t.Run(name, func(t *testing.T) {
			background, foreground := rgb(scheme.background), rgb(scheme.foreground)
			dark := map[string]float64{"full color": 35, "protanopia": 21, "deuteranopia": 20.5}
			light := map[string]float64{"full color": 33, "protanopia": 19.5, "deuteranopia": 19.5}
			core := dark
			if luminance(background) > darkBelow {
				core = light
			}
			switch name { // nearer to grey than the others: there is less room for colors
			case "nord":
				core = map[string]float64{"full color": 34.5, "protanopia": 21, "deuteranopia": 17}
			case "solarized light":
				core["deuteranopia"] = 19.4
			case "latte", "gruvbox light":
				core["deuteranopia"] = 18.5
			}
			th := For(background, foreground, colorprofile.TrueColor)
			t.Logf("the least contrast is %.2f", checkReadable(t, th, background, foreground, 4.5))
			checkReadable(t, For(background, nil, colorprofile.TrueColor), background, foreground, 4.5)
			if len(th.Nicks) != 12 || th.Core != 8 {
				t.Errorf("%d colors, the first %d differ most; want 12 and 8", len(th.Nicks), th.Core)
			}
			checkDistinct(t, th, 25, core)
			grounds := []Style{th.Panel, th.Mention, th.Private, th.Selected, th.Hit}
			for i, s := range grounds {
				if in := parse(t, s); in.ground == nil || slices.Contains(grounds[:i], s) {
					t.Errorf("the grounds are %q, want five that differ", grounds)
				}
			}
		})
	}
}

// What is drawn is readable on every background there can be.
func TestThemesOfAnyBackground(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		color := rapid.IntRange(0, 0xffffff)
		background, foreground := rgb(color.Draw(t, "background")), rgb(color.Draw(t, "foreground"))
		checkReadable(t, For(background, foreground, colorprofile.TrueColor), background, foreground, 4.5)
	})
}

// Where nothing but black is readable, text is black, and not almost black.
func TestThemeOfABackgroundForBlackOnly(t *testing.T) {
	background, foreground := rgb(0xbe3af5), rgb(0x000001)
	th := For(background, foreground, colorprofile.TrueColor)
	if checkReadable(t, th, background, foreground, 4.5); th.Violet != textStyle(rgb(0)) {
		t.Errorf("violet is %q", th.Violet)
	}
}

func TestThemeOf256Colors(t *testing.T) {
	for name, test := range map[string]struct {
		backgrounds []int
		foreground  int
		colors      int
		apart       map[string]float64
	}{
		"dark":  {[]int{0x000000, 0x1e1e2e}, 0xe5e5e5, 12, map[string]float64{"full color": 33, "protanopia": 24, "deuteranopia": 20}},
		"light": {[]int{0xffffff, 0xfdf6e3}, 0x000000, 11, map[string]float64{"full color": 33, "protanopia": 20, "deuteranopia": 22.5}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, n := range test.backgrounds {
				for _, foreground := range []color.Color{nil, rgb(test.foreground), rgb(0x808080)} {
					th := For(rgb(n), foreground, colorprofile.ANSI256)
					checkReadable(t, th, rgb(n), foreground, 4.5)
					if len(th.Nicks) != test.colors {
						t.Errorf("%d colors of nicks, want %d", len(th.Nicks), test.colors)
					}
					checkDistinct(t, th, 25, test.apart)
				}
			}
		})
	}
}

// On a background that is not known, text is readable on black and on white.
func TestThemeOfAnUnknownBackground(t *testing.T) {
	apart := map[string]float64{"full color": 33, "protanopia": 19.5, "deuteranopia": 19.5}
	for _, profile := range []colorprofile.Profile{colorprofile.TrueColor, colorprofile.ANSI256} {
		th := For(nil, nil, profile)
		for _, background := range []int{0x000000, 0xffffff} {
			checkReadable(t, th, rgb(background), nil, 4.4)
		}
		checkDistinct(t, th, 33, apart)
		if th.Panel+th.Code+th.Mention+th.Private != "" {
			t.Error("there are grounds")
		}
	}
}

// Of the first 16 colors, themes use those that are readable on their background in most
// color schemes, and no grounds.
func TestThemesOf16Colors(t *testing.T) {
	never := map[string][]string{
		"dark":    {"30", "34", "90"},
		"light":   {"33", "36", "32", "37", "93", "96", "92", "97"},
		"unknown": {"30", "33", "34", "37", "90", "93", "97"},
	}
	for name, background := range map[string]color.Color{"dark": color.Black, "light": color.White, "unknown": nil} {
		th := For(background, nil, colorprofile.ANSI)
		th.pairs(func(what string, s, below Style) {
			for code := range strings.SplitSeq(string(s), ";") {
				// The connection also has a sign of its own.
				if slices.Contains(never[name], code) && !strings.HasPrefix(what, "green ") {
					t.Errorf("%s: %s is %q", name, what, s)
				}
			}
			if in := parse(t, below); in.ground != nil {
				t.Errorf("%s: the ground of %s is %q", name, what, below)
			}
		})
		slices.Sort(th.Nicks)
		if n := len(slices.Compact(th.Nicks)); n != th.Core || n < 3 {
			t.Errorf("%s: %d colors of nicks", name, n)
		}
	}
}

// Without colors only bold, dim, underlined and reversed text stand for anything.
func TestThemeWithoutColors(t *testing.T) {
	for _, profile := range []colorprofile.Profile{colorprofile.Ascii, colorprofile.NoTTY} {
		th := For(color.Black, color.White, profile)
		if !th.Mono || len(th.Nicks) > 0 {
			t.Errorf("mono: %v, nicks: %q", th.Mono, th.Nicks)
		}
		th.pairs(func(what string, s, below Style) {
			for code := range strings.SplitSeq(string(s.With(below)), ";") {
				if !slices.Contains([]string{"", "1", "2", "4", "7"}, code) {
					t.Errorf("%s is %q on %q", what, s, below)
				}
			}
		})
	}
}

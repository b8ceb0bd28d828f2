package screen

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"github.com/lucasb-eyer/go-colorful"
)

// colorOf returns the color of a palette's style. It fails for the first 16 colors: the
// theme defines those.
func colorOf(t *testing.T, s style) colorful.Color {
	t.Helper()
	var i int
	var r, g, b uint8
	var c color.Color
	if _, err := fmt.Sscanf(string(s), "38;5;%d", &i); err == nil {
		c = ansi.IndexedColor(i)
	} else if _, err := fmt.Sscanf(string(s), "38;2;%d;%d;%d", &r, &g, &b); err == nil {
		c = color.RGBA{r, g, b, 0xff}
	} else {
		t.Fatalf("%q is not a color", s)
	}
	seen, _ := colorful.MakeColor(c)
	return seen
}

// contrast returns the contrast of two colors, as WCAG 2 defines it.
func contrast(a, b color.Color) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
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
	at := func(i int) float64 { return v[i][0]*r + v[i][1]*g + v[i][2]*b }
	return colorful.LinearRgb(at(0), at(1), at(2)).Clamped()
}

func TestPalettes(t *testing.T) {
	black, darkGrey, white, cream := color.Gray{}, color.Gray{0x1e}, color.Gray{0xff}, color.RGBA{0xfd, 0xf6, 0xe3, 0xff}
	for _, test := range []struct {
		name        string
		styles      []style
		backgrounds []color.Color
		contrast    float64
	}{
		{"dark", onDark, []color.Color{black, darkGrey}, 4.5},
		{"light", onLight, []color.Color{white, cream}, 4.5},
		{"unknown, 256 colors", onUnknown, []color.Color{black, white}, 4.4},
		{"unknown, all colors", onUnknownTrue, []color.Color{black, white}, 4.4},
	} {
		t.Run(test.name, func(t *testing.T) {
			least := math.Inf(1)
			for _, s := range test.styles {
				for _, background := range test.backgrounds {
					c := contrast(colorOf(t, s), background)
					if least = min(least, c); c < test.contrast {
						t.Errorf("%s on %v has a contrast of %.2f, want %.1f", s, background, c, test.contrast)
					}
				}
			}
			t.Logf("%d colors, the least contrast is %.2f", len(test.styles), least)
			for who, v := range visions {
				// CIE 76: 2.3 is just noticeable side by side; nicks are further apart.
				want := 19.5
				if who == "full color" {
					want = 33
				}
				least := math.Inf(1)
				for i, a := range test.styles {
					for _, b := range test.styles[:i] {
						d := 100 * v.sees(colorOf(t, a)).DistanceLab(v.sees(colorOf(t, b)))
						if least = min(least, d); d < want {
							t.Errorf("%s: %s and %s are %.1f apart, want %.1f", who, a, b, d, want)
						}
					}
				}
				t.Logf("%s: at least %.1f apart", who, least)
			}
		})
	}
}

func TestPaletteFor(t *testing.T) {
	for _, test := range []struct {
		name       string
		background color.Color
		profile    colorprofile.Profile
		want       []style
	}{
		{"dark", color.Black, colorprofile.TrueColor, onDark},
		{"dark, 256", color.RGBA{0, 0x2b, 0x36, 0xff}, colorprofile.ANSI256, onDark},
		{"dark, 16", color.Black, colorprofile.ANSI, onDark16},
		{"light", color.White, colorprofile.TrueColor, onLight},
		{"light, 16", color.RGBA{0xfd, 0xf6, 0xe3, 0xff}, colorprofile.ANSI, onLight16},
		{"unknown", nil, colorprofile.TrueColor, onUnknownTrue},
		{"unknown, 256", nil, colorprofile.ANSI256, onUnknown},
		{"unknown, 16", nil, colorprofile.ANSI, onUnknown16},
		{"none", nil, colorprofile.NoTTY, onUnknown16},
	} {
		if got := paletteFor(test.background, test.profile).styles; &got[0] != &test.want[0] {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestNickColors(t *testing.T) {
	p := paletteFor(color.Black, colorprofile.TrueColor)
	if p.styleOf("Alice") != p.styleOf("alice") || p.styleOf("Zoë") != p.styleOf("ZOË") {
		t.Error("the color of a nick depends on its case")
	}
	if again := paletteFor(color.Black, colorprofile.TrueColor); again.styleOf("alice") != p.styleOf("alice") {
		t.Error("a nick has another color the next time")
	}
	seen := make(map[style]int)
	for i := range 10 * maxCached {
		seen[p.styleOf(fmt.Sprint("nick", i))]++
	}
	for _, s := range onDark {
		if n := seen[s]; n < 10*maxCached/len(onDark)/2 {
			t.Errorf("%s has %d of %d nicks", s, n, 10*maxCached)
		}
	}
	if len(p.cache) > maxCached {
		t.Errorf("the palette caches %d nicks, want at most %d", len(p.cache), maxCached)
	}
}

// Themes make their 16 colors readable on their background, but rarely yellow on white.
func TestYellowHasABackground(t *testing.T) {
	for _, s := range []style{dimStyle, boldStyle, errorStyle, mentionStyle, newStyle, privateStyle, linkStyle, hitStyle} {
		codes := strings.Split(string(s), ";")
		if slices.Contains(codes, "33") && !slices.Contains(codes, "40") {
			t.Errorf("%q is yellow on an unknown background", s)
		}
	}
}

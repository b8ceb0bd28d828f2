package theme

import (
	"image/color"

	"github.com/lucasb-eyer/go-colorful"
)

// Colors are computed in OKLCH, where lightness, chroma (how colorful) and hue (in degrees)
// are about what people see: a color keeps its character when only its lightness changes.

// readable is the least contrast of text and the ground below it (WCAG 2.2, 1.4.3).
const readable = 4.5

// darkBelow is the luminance that is as far from black as from white: text on a darker ground
// is light.
const darkBelow = 0.18

// luminance returns how light c is, from 0 to 1 (WCAG 2.2, "relative luminance").
func luminance(c colorful.Color) float64 {
	r, g, b := c.LinearRgb()
	return 0.2126*r + 0.7152*g + 0.0722*b
}

// contrast returns the contrast of two colors, from 1 to 21 (WCAG 2.2, "contrast ratio").
func contrast(a, b colorful.Color) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// leastContrast returns the contrast of c and the ground on which it is hardest to read.
func leastContrast(c colorful.Color, grounds []colorful.Color) float64 {
	least := 21.0
	for _, ground := range grounds {
		least = min(least, contrast(c, ground))
	}
	return least
}

// rgb returns the color of a number such as 0xff9a8f.
func rgb(n int) colorful.Color {
	return colorful.Color{R: float64(n>>16&0xff) / 0xff, G: float64(n>>8&0xff) / 0xff, B: float64(n&0xff) / 0xff}
}

// displayed returns c as a terminal shows it, in 8 bits a channel.
func displayed(c color.Color) colorful.Color {
	made, _ := colorful.MakeColor(c)
	r, g, b := made.Clamped().RGB255()
	return rgb(int(r)<<16 | int(g)<<8 | int(b))
}

// oklch returns a color with this lightness and hue, and with as much of the chroma as the
// screen can show.
func oklch(lightness, chroma, hue float64) colorful.Color {
	const step, tolerance = 0.002, 0.0005 // far below one of 256 steps
	lightness = min(max(lightness, 0), 1)
	for ; chroma > 0; chroma -= step {
		c := colorful.OkLch(lightness, chroma, hue)
		if min(c.R, c.G, c.B) >= -tolerance && max(c.R, c.G, c.B) <= 1+tolerance {
			return displayed(c.Clamped())
		}
	}
	return displayed(colorful.OkLch(lightness, 0, hue).Clamped())
}

// lift returns c with a lightness far enough from that of the grounds to be readable on all of
// them. It is lighter on a dark background, which is the first ground, and else darker; black
// or white if no other color is readable.
func lift(c colorful.Color, grounds []colorful.Color) colorful.Color {
	lightness, chroma, hue := c.OkLch()
	step, extreme := 0.01, rgb(0xffffff)
	if luminance(grounds[0]) >= darkBelow {
		step, extreme = -0.01, rgb(0)
	}
	for leastContrast(c, grounds) < readable {
		lightness += step
		if lightness < 0 || lightness > 1 {
			return extreme // what rounding made of the last color can be a little less
		}
		c = oklch(lightness, chroma, hue)
	}
	return c
}

// between returns the color that is so far on the way from one to another, from 0 to 1.
func between(from, to colorful.Color, way float64) colorful.Color {
	return displayed(from.BlendOkLab(to, way).Clamped())
}

// midTone returns c with a lightness that is as far from black as from white, for a background
// that is not known.
func midTone(c colorful.Color) colorful.Color {
	_, chroma, hue := c.OkLch()
	dark, light := 0.0, 1.0
	for range 20 {
		if lightness := (dark + light) / 2; luminance(oklch(lightness, chroma, hue)) < 0.179 {
			dark = lightness
		} else {
			light = lightness
		}
	}
	return oklch(light, chroma, hue)
}

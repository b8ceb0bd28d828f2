// Icons draws the icons of the page for home screens: go run ./scripts/icons writes
// relay/web/page/icon-192.png and icon-512.png. They show favicon.svg in white on a ground that fills
// the square, because systems cut icons into shapes of their own
// (https://www.w3.org/TR/appmanifest/#icon-masks).
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
)

const (
	grid    = 32.0 // width of favicon.svg
	scale   = 0.6  // of the drawing: it stays within the circle that no mask cuts off
	samples = 4    // across a pixel; one more than the shades between the two colors has their square
)

var (
	ground = color.RGBA{0x25, 0x63, 0xc9, 0xff}
	bubble = color.RGBA{0xff, 0xff, 0xff, 0xff}
)

// sizes are the widths that browsers ask for before a page can be installed.
var sizes = []int{192, 512}

func main() {
	if err := writeIcons("relay/web/page"); err != nil {
		fmt.Fprintln(os.Stderr, "scripts/icons:", err)
		os.Exit(1)
	}
}

func writeIcons(folder string) error {
	for _, size := range sizes {
		var b bytes.Buffer
		encoder := png.Encoder{CompressionLevel: png.BestCompression}
		if err := encoder.Encode(&b, draw(size)); err != nil {
			return fmt.Errorf("encode an icon: %w", err)
		}
		if err := os.WriteFile(filepath.Join(folder, name(size)), b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("write an icon: %w", err)
		}
	}
	return nil
}

func name(size int) string { return fmt.Sprintf("icon-%d.png", size) }

// draw returns the icon, size pixels wide.
func draw(size int) *image.Paletted {
	img := image.NewPaletted(image.Rect(0, 0, size, size), shades())
	for y := range size {
		for x := range size {
			inside := 0
			for i := range samples * samples {
				px := (float64(x) + (float64(i%samples)+0.5)/samples) / float64(size)
				py := (float64(y) + (float64(i/samples)+0.5)/samples) / float64(size)
				if isWhite((px-0.5)/scale*grid+16, (py-0.5)/scale*grid+16) {
					inside++
				}
			}
			img.SetColorIndex(x, y, uint8(inside))
		}
	}
	return img
}

// shades returns the colors from the ground to the bubble.
func shades() color.Palette {
	const steps = samples * samples
	var all color.Palette
	for n := range steps + 1 {
		mix := func(a, b uint8) uint8 { return uint8((int(a)*(steps-n) + int(b)*n) / steps) }
		all = append(all, color.RGBA{mix(ground.R, bubble.R), mix(ground.G, bubble.G), mix(ground.B, bubble.B), 0xff})
	}
	return all
}

// isWhite reports whether a point of favicon.svg is in the bubble, and not in the two lines on it.
func isWhite(x, y float64) bool {
	const top, bottom, left, right, radius = 3, 24, 2, 30, 5
	dx, dy := max(left+radius-x, x-right+radius, 0), max(top+radius-y, y-bottom+radius, 0)
	inBubble := math.Hypot(dx, dy) <= radius
	inTail := x >= 7 && y >= bottom && (y-bottom)*7 <= (14-x)*6
	return (inBubble || inTail) && !isLine(x, y, 11, 9, 23) && !isLine(x, y, 17, 9, 18)
}

// isLine reports whether a point is on the line with round ends from (from, at) to (to, at).
func isLine(x, y, at, from, to float64) bool {
	return math.Hypot(max(from-x, x-to, 0), y-at) <= 1.5
}

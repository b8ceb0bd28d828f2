package main

import (
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// The icons of the page are those that this program draws.
func TestIconsAreCurrent(t *testing.T) {
	for _, size := range sizes {
		f, err := os.Open(filepath.Join("../../relay/web/page", name(size)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := png.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		want := draw(size)
		if got.Bounds() != want.Bounds() {
			t.Fatalf("%s has %v, want %v", name(size), got.Bounds(), want.Bounds())
		}
		for y := range size {
			for x := range size {
				if got.At(x, y) != want.At(x, y) {
					t.Fatalf("%s differs at %d, %d; run go run ./scripts/icons", name(size), x, y)
				}
			}
		}
	}
}

// A mask may cut off all but a circle of four fifths of the width
// (https://www.w3.org/TR/appmanifest/#icon-masks).
func TestIconsFitMasks(t *testing.T) {
	const size = 192
	img := draw(size)
	for y := range size {
		for x := range size {
			dx, dy := x-size/2, y-size/2
			if dx*dx+dy*dy > (size*2/5)*(size*2/5) && img.ColorIndexAt(x, y) != 0 {
				t.Fatalf("the drawing is at %d, %d", x, y)
			}
		}
	}
}

// Package picture shows pictures on a terminal, as half blocks: each character has the color of
// one pixel below that of another.
//
// Files come from other members and are hostile. Their size is limited, and that of the picture
// in them before it is decoded, by what its header says. The time that decoding takes is limited
// too: a small JPEG can go over all of its pixels hundreds of thousands of times.
package picture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // the formats of the standard library
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	// MaxBytes is the largest file that is opened.
	MaxBytes = 32 << 20

	// maxPixels and maxDecoded limit a picture: its pixels, and the bytes that it takes once it
	// is decoded. A progressive JPEG counts twice: it takes five times as many while it is decoded,
	// so up to 250 MB.
	maxPixels, maxDecoded = 25_000_000, 100_000_000

	// decodeTime is how long decoding may take. The largest photos take a second or two.
	decodeTime = 20 * time.Second

	// A Picture is kept in at most so many pixels; a terminal has fewer.
	keptWidth, keptHeight = 480, 320

	// samples is how many pixels in a row, and rows, the color of a smaller one is made of.
	samples = 4
)

// Types are the media types of the formats that Open knows.
var Types = []string{"image/png", "image/jpeg", "image/gif"}

// A Picture can be drawn in any size. It may be drawn by several goroutines.
type Picture struct {
	pixels        *image.RGBA // as many as are kept
	Width, Height int         // of the file
}

// Open reads a picture, the first one of an animation. Transparent parts get the color of the
// background. It returns soon after ctx ends.
func Open(ctx context.Context, path string, background color.Color) (*Picture, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return read(ctx, f, background)
}

func read(ctx context.Context, f io.ReadSeeker, background color.Color) (*Picture, error) {
	ctx, cancel := context.WithTimeout(ctx, decodeTime)
	defer cancel()
	source, err := decode(ctx, f)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, errors.New("it takes too long to read it")
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	}
	if source.Bounds().Empty() {
		return nil, errors.New("the picture is empty")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	start, err := io.ReadAll(io.LimitReader(f, headerBytes))
	if err != nil {
		return nil, err
	}
	upright := turned{source, orientationOf(start)}
	p := &Picture{Width: upright.Bounds().Dx(), Height: upright.Bounds().Dy()}
	w, h := fit(p.Width, p.Height, keptWidth, keptHeight)
	p.pixels = scale(upright, w, h, background)
	return p, nil
}

// decode decodes a file, if the picture in it is not too large.
func decode(ctx context.Context, f io.ReadSeeker) (image.Image, error) {
	fromStart := func() (io.Reader, error) {
		_, err := f.Seek(0, io.SeekStart)
		return &endingReader{ctx, bufio.NewReader(io.LimitReader(f, MaxBytes))}, err
	}
	r, err := fromStart()
	if err != nil {
		return nil, err
	}
	header, format, err := image.DecodeConfig(r)
	if err != nil {
		return nil, fmt.Errorf("it is not a PNG, JPEG or GIF picture: %w", err)
	}
	if r, err = fromStart(); err != nil {
		return nil, err
	}
	size := pixelBytes(header.ColorModel)
	if format == "jpeg" && isProgressive(r) {
		size *= 2
	}
	w, h := header.Width, header.Height
	pixels := int64(w) * int64(h)
	if most := min(maxPixels, maxDecoded/size); w <= 0 || h <= 0 || pixels > most {
		return nil, fmt.Errorf("it has %d × %d pixels; up to %.1f million can be shown", w, h, float64(most)/1_000_000)
	}
	if r, err = fromStart(); err != nil {
		return nil, err
	}
	source, _, err := image.Decode(r)
	if err != nil {
		return nil, fmt.Errorf("the picture is damaged: %w", err)
	}
	return source, nil
}

// An endingReader fails when ctx has ended, and so ends the decoder that reads from it.
type endingReader struct {
	ctx  context.Context
	from io.Reader
}

// Read returns a little at once: a decoder that needs long for each byte looks at ctx often.
func (r *endingReader) Read(b []byte) (int, error) {
	const atOnce = 512
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(b[:min(len(b), atOnce)])
}

// pixelBytes returns how many bytes a pixel takes at most.
func pixelBytes(model color.Model) int64 {
	switch model {
	case color.RGBA64Model, color.NRGBA64Model:
		return 8
	default:
		return 4
	}
}

// fit returns the size of a picture of w × h pixels in at most so many. It is not made larger.
func fit(w, h, mostWidth, mostHeight int) (width, height int) {
	width, height = w, h
	if width > mostWidth {
		width, height = mostWidth, h*mostWidth/w
	}
	if height > mostHeight {
		width, height = w*mostHeight/h, mostHeight
	}
	return max(width, 1), max(height, 1)
}

// scale returns a picture in w × h pixels, over a background.
func scale(source image.Image, w, h int, background color.Color) *image.RGBA {
	if background == nil {
		background = color.Black
	}
	br, bg, bb, _ := background.RGBA()
	b := source.Bounds()
	scaled := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		rows := spread(b.Min.Y+y*b.Dy()/h, b.Min.Y+(y+1)*b.Dy()/h)
		for x := range w {
			columns := spread(b.Min.X+x*b.Dx()/w, b.Min.X+(x+1)*b.Dx()/w)
			var sum [3]uint32
			for _, sy := range rows {
				for _, sx := range columns {
					red, green, blue, alpha := source.At(sx, sy).RGBA()
					sum[0] += (red + br*(0xffff-alpha)/0xffff) >> 8
					sum[1] += (green + bg*(0xffff-alpha)/0xffff) >> 8
					sum[2] += (blue + bb*(0xffff-alpha)/0xffff) >> 8
				}
			}
			n := uint32(len(rows) * len(columns))
			scaled.SetRGBA(x, y, color.RGBA{uint8(min(sum[0]/n, 255)), uint8(min(sum[1]/n, 255)), uint8(min(sum[2]/n, 255)), 255})
		}
	}
	return scaled
}

// spread returns some of the numbers from from to to, evenly; from, if there are none.
func spread(from, to int) (some []int) {
	n := min(max(to-from, 1), samples)
	for i := range n {
		some = append(some, from+i*max(to-from, 1)/n)
	}
	return some
}

// Rows draws the picture in at most so many columns and rows, in the middle of the columns.
func (p *Picture) Rows(columns, rows int) (drawn []string) {
	b := p.pixels.Bounds()
	w, h := fit(b.Dx(), b.Dy(), max(columns, 1), 2*max(rows, 1))
	h += h % 2
	scaled := scale(p.pixels, w, h, nil)
	margin := strings.Repeat(" ", max(columns-w, 0)/2)
	for y := 0; y < h; y += 2 {
		var row strings.Builder
		row.WriteString(margin)
		var last [2]color.RGBA // none: their alpha is 0
		for x := range w {
			cell := [2]color.RGBA{scaled.RGBAAt(x, y), scaled.RGBAAt(x, y+1)}
			if !slices.Equal(cell[:], last[:]) {
				fmt.Fprintf(&row, "\x1b[48;2;%d;%d;%d;38;2;%d;%d;%dm", cell[0].R, cell[0].G, cell[0].B, cell[1].R, cell[1].G, cell[1].B)
				last = cell
			}
			row.WriteString("▄") // it joins the row below without a seam, "▀" does not
		}
		row.WriteString("\x1b[m")
		drawn = append(drawn, row.String())
	}
	return drawn
}

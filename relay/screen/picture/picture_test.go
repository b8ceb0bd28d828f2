package picture

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// halves is a picture that is red above and blue below.
func halves(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{255, 0, 0, 255}
			if y >= h/2 {
				c = color.NRGBA{0, 0, 255, 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func encoded(t testing.TB, m image.Image, format string) []byte {
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, m)
	case "jpeg":
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 100})
	case "gif":
		err = gif.Encode(&b, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestOpen(t *testing.T) {
	for _, format := range []string{"png", "jpeg", "gif"} {
		path := filepath.Join(t.TempDir(), "picture")
		if err := os.WriteFile(path, encoded(t, halves(1000, 200), format), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Open(t.Context(), path, nil)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if b := p.pixels.Bounds(); p.Width != 1000 || p.Height != 200 || b.Dx() != keptWidth || b.Dy() != 96 {
			t.Errorf("%s: %d × %d is kept as %v", format, p.Width, p.Height, b)
		}
		if top, bottom := p.pixels.RGBAAt(5, 5), p.pixels.RGBAAt(5, 90); top.R < 200 || top.B > 50 || bottom.B < 200 || bottom.R > 50 {
			t.Errorf("%s: above is %v, below %v", format, top, bottom)
		}
	}
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("opened a file that is not there")
	}
}

func TestRows(t *testing.T) {
	p, err := read(t.Context(), bytes.NewReader(encoded(t, halves(4, 4), "png")), nil)
	if err != nil {
		t.Fatal(err)
	}
	const red, blue = "\x1b[48;2;255;0;0;38;2;255;0;0m▄▄▄▄\x1b[m", "\x1b[48;2;0;0;255;38;2;0;0;255m▄▄▄▄\x1b[m"
	if got := p.Rows(8, 10); len(got) != 2 || got[0] != "  "+red || got[1] != "  "+blue {
		t.Errorf("%q", got)
	}
	if got := p.Rows(8, 1); len(got) != 1 || got[0] != "   \x1b[48;2;255;0;0;38;2;0;0;255m▄▄\x1b[m" {
		t.Errorf("in one row: %q", got)
	}
	sequence := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for _, size := range [][2]int{{1, 1000}, {1000, 1}, {1, 1}, {300, 200}, {7, 3}} {
		p, err := read(t.Context(), bytes.NewReader(encoded(t, halves(size[0], size[1]), "png")), nil)
		if err != nil {
			t.Fatal(size, err)
		}
		for columns := range 50 {
			for rows := range 10 {
				drawn := p.Rows(columns, rows)
				if len(drawn) == 0 || len(drawn) > max(rows, 1) {
					t.Fatalf("%v in %d rows takes %d", size, rows, len(drawn))
				}
				for _, row := range drawn {
					if n := len([]rune(sequence.ReplaceAllString(row, ""))); n > max(columns, 1) || !strings.HasSuffix(row, "\x1b[m") {
						t.Fatalf("%v in %d columns takes %d: %q", size, columns, n, row)
					}
				}
			}
		}
	}
}

// Transparent parts have the color of the background.
func TestTransparentPicture(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	m.SetNRGBA(0, 0, color.NRGBA{255, 255, 255, 128})
	p, err := read(t.Context(), bytes.NewReader(encoded(t, m, "png")), color.RGBA{0, 0, 200, 255})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.pixels.RGBAAt(1, 1); got != (color.RGBA{0, 0, 200, 255}) {
		t.Errorf("a transparent pixel is %v", got)
	}
	if got := p.pixels.RGBAAt(0, 0); got.R < 120 || got.R > 135 || got.B < 220 {
		t.Errorf("half a transparent pixel is %v", got)
	}
}

// withSize returns a PNG whose header claims another size.
func withSize(b []byte, w, h uint32, depth, kind byte) []byte {
	b = bytes.Clone(b)
	header := b[12:29] // IHDR
	binary.BigEndian.PutUint32(header[4:], w)
	binary.BigEndian.PutUint32(header[8:], h)
	header[12], header[13] = depth, kind
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(header))
	return b
}

// withOrientation returns a JPEG as a camera writes it.
func withOrientation(b []byte, order binary.AppendByteOrder, orientation uint16) []byte {
	tiff := []byte("MM\x00*")
	if order == binary.LittleEndian {
		tiff = []byte("II*\x00")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, entry := range [][2]uint16{{0x10f, 7}, {0x112, orientation}} {
		tiff = order.AppendUint16(tiff, entry[0])
		tiff = order.AppendUint16(tiff, 3)
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, entry[1])
		tiff = order.AppendUint16(tiff, 0)
	}
	exif := append([]byte("Exif\x00\x00"), tiff...)
	segment := binary.BigEndian.AppendUint16([]byte("\xff\xe1"), uint16(2+len(exif)))
	return bytes.Join([][]byte{b[:2], append(segment, exif...), b[2:]}, nil)
}

// A picture is shown upright, however the camera was held: its first pixel comes to the corner
// that the orientation names.
func TestOrientation(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 64, 32)) // white at the top left, red below it, black elsewhere
	for y := range 32 {
		for x := range 64 {
			c := color.NRGBA{0, 0, 0, 255}
			switch {
			case x < 32 && y < 16:
				c = color.NRGBA{255, 255, 255, 255}
			case x < 32:
				c = color.NRGBA{255, 0, 0, 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	b := encoded(t, m, "jpeg")
	for orientation, want := range map[uint16]string{
		0: "W./R.", 1: "W./R.", 2: ".W/.R", 3: ".R/.W", 4: "R./W.", 5: "WR/..", 6: "RW/..", 7: "../RW", 8: "../WR", 9: "W./R.",
	} {
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			p, err := read(t.Context(), bytes.NewReader(withOrientation(b, order, orientation)), nil)
			if err != nil {
				t.Fatal(err)
			}
			at := func(x, y int) string {
				switch c := p.pixels.RGBAAt(x*p.Width/4, y*p.Height/4); {
				case c.R > 200 && c.G > 200:
					return "W"
				case c.R > 200:
					return "R"
				}
				return "."
			}
			if got := at(1, 1) + at(3, 1) + "/" + at(1, 3) + at(3, 3); got != want {
				t.Errorf("%d in %v: %s, want %s", orientation, order, got, want)
			}
			if onSide := p.Width < p.Height; onSide != (orientation >= 5 && orientation <= 8) {
				t.Errorf("%d: %d × %d", orientation, p.Width, p.Height)
			}
		}
	}
	for n := range 120 { // a file that is cut has none, or the one it has
		if o := orientationOf(withOrientation(b, binary.LittleEndian, 6)[:n]); o != 1 && o != 6 {
			t.Errorf("cut after %d bytes: %d", n, o)
		}
	}
}

// A picture that is too large is not decoded, whatever its file has.
func TestHostilePictures(t *testing.T) {
	small := encoded(t, halves(4, 4), "png")
	for name, b := range map[string][]byte{
		"a bomb":             withSize(small, 60_000, 60_000, 8, 2),
		"wide":               withSize(small, 1<<31-1, 1, 8, 2),
		"deep":               withSize(small, 5000, 4000, 16, 6),
		"a wrong size":       withSize(small, 100, 100, 8, 6),
		"cut":                small[:len(small)-20],
		"only a header":      small[:33],
		"no picture":         []byte("hello"),
		"nothing":            nil,
		"a picture in a GIF": []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00;"),
	} {
		if p, err := read(t.Context(), bytes.NewReader(b), nil); err == nil || p != nil {
			t.Errorf("%s was read", name)
		}
	}
}

// progressive returns a JPEG that goes over all of its pixels as often as wanted, with 44 bytes each time.
func progressive(w, h, times int) []byte {
	b := []byte("\xff\xd8")
	segment := func(marker byte, data ...byte) {
		b = append(binary.BigEndian.AppendUint16(append(b, 0xff, marker), uint16(2+len(data))), data...)
	}
	one := func(table, symbol byte) []byte { return append(append([]byte{table, 1}, make([]byte, 15)...), symbol) }
	segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)
	segment(0xc2, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)
	segment(0xc4, one(0x00, 0)...)
	segment(0xc4, one(0x10, 0xe0)...) // a run of 32,767 empty blocks
	segment(0xda, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0)
	blocks := (w + 7) / 8 * ((h + 7) / 8)
	b = append(b, make([]byte, (3*blocks+7)/8)...)
	for range times {
		segment(0xda, 1, 1, 0, 1, 63, 0)
		var bits uint32
		n := 0
		for range (blocks + 32766) / 32767 {
			for bits, n = bits<<15|1<<14-1, n+15; n >= 8; n -= 8 {
				if b = append(b, byte(bits>>(n-8))); b[len(b)-1] == 0xff {
					b = append(b, 0)
				}
			}
		}
		if n > 0 {
			b = append(b, byte(bits<<(8-n)|(1<<(8-n)-1)))
			if b[len(b)-1] == 0xff {
				b = append(b, 0)
			}
		}
	}
	return append(b, "\xff\xd9"...)
}

// A picture that takes long to decode ends with its context, in the midst of it.
func TestLongPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := &cancelingReader{Reader: bytes.NewReader(progressive(64, 64, 100_000)), at: 100 << 10, cancel: cancel}
		if _, err := read(ctx, f, nil); !errors.Is(err, context.Canceled) || f.after > 8<<10 {
			t.Errorf("%v after %d more bytes", err, f.after)
		}
		f = &cancelingReader{Reader: bytes.NewReader(progressive(64, 64, 100_000)), at: 100 << 10, cancel: func() { time.Sleep(decodeTime); synctest.Wait() }}
		if _, err := read(t.Context(), f, nil); err == nil || !strings.Contains(err.Error(), "too long") || f.after > 8<<10 {
			t.Errorf("%v after %d more bytes", err, f.after)
		}
	})
}

// A cancelingReader calls cancel when so many bytes were read, and counts those after.
type cancelingReader struct {
	*bytes.Reader
	at, after int
	cancel    func()
}

func (r *cancelingReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	switch r.at -= n; {
	case r.cancel == nil:
		r.after += n
	case r.at <= 0:
		r.cancel()
		r.cancel = nil
	}
	return n, err
}

// A progressive JPEG takes much more memory while it is decoded, so a smaller one is the limit.
func TestProgressivePicture(t *testing.T) {
	for name, test := range map[string]struct {
		file []byte
		ok   bool
	}{
		"small":                          {progressive(100, 50, 1), true},
		"large":                          {progressive(4000, 3200, 1), false},
		"large, its size far behind":     {withSegments(progressive(4000, 3200, 1), 3), false},
		"large, with bytes in between":   {bytes.Replace(progressive(4000, 3200, 1), []byte("\xff\xdb"), []byte("\x00\xff\xdb"), 1), false},
		"large, with more FF in between": {bytes.Replace(progressive(4000, 3200, 1), []byte("\xff\xdb"), []byte("\xff\xff\xdb"), 1), false},
		"sequential":                     {encoded(t, image.NewGray(image.Rect(0, 0, 4000, 3200)), "jpeg"), true},
	} {
		if _, err := read(t.Context(), bytes.NewReader(test.file), nil); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// withSegments returns a JPEG with n long comments before everything else.
func withSegments(b []byte, n int) []byte {
	comment := append([]byte("\xff\xfe\xff\xff"), make([]byte, 0xffff-2)...)
	return bytes.Join([][]byte{b[:2], bytes.Repeat(comment, n), b[2:]}, nil)
}

// FuzzPicture checks that no file makes it panic.
func FuzzPicture(f *testing.F) {
	for _, format := range []string{"png", "jpeg", "gif"} {
		f.Add(encoded(f, halves(5, 3), format))
	}
	f.Add(withOrientation(encoded(f, halves(5, 3), "jpeg"), binary.BigEndian, 6))
	f.Fuzz(func(t *testing.T, b []byte) {
		header, _, err := image.DecodeConfig(bytes.NewReader(b))
		if err == nil && int64(header.Width)*int64(header.Height) > 1<<16 {
			return // it would only be slow
		}
		if p, err := read(t.Context(), bytes.NewReader(b), nil); err == nil {
			p.Rows(20, 10)
		}
	})
}

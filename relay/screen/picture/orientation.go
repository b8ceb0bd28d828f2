package picture

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"io"
)

// headerBytes is how much of a file is searched for its orientation: in photos it is near the
// start.
const headerBytes = 64 << 10

// orientationOf returns how a camera was held when it took a JPEG, by the start of the file: a
// number from 1, upright, to 8, as Exif 2.3 defines it (tag 0x112).
func orientationOf(start []byte) int {
	if !bytes.HasPrefix(start, []byte("\xff\xd8")) {
		return 1
	}
	for at := 2; at+4 <= len(start) && start[at] == 0xff && start[at+1] != 0xda; { // segments before the pixels
		end := at + 2 + int(binary.BigEndian.Uint16(start[at+2:]))
		if exif, ok := bytes.CutPrefix(start[at+4:min(max(end, at+4), len(start))], []byte("Exif\x00\x00")); ok && start[at+1] == 0xe1 {
			return exifOrientation(exif)
		}
		at = max(end, at+2)
	}
	return 1
}

// isProgressive reports whether a JPEG is a progressive one. If its segments cannot be followed, it
// may be.
func isProgressive(r io.Reader) bool {
	file := bufio.NewReader(r)
	if _, err := file.Discard(2); err != nil {
		return true
	}
	var segment [4]byte
	for {
		if _, err := io.ReadFull(file, segment[:]); err != nil || segment[0] != 0xff {
			return true
		}
		switch segment[1] {
		case 0xc0, 0xc1: // sequential
			return false
		case 0xc2:
			return true
		}
		if _, err := file.Discard(int(binary.BigEndian.Uint16(segment[2:])) - 2); err != nil {
			return true
		}
	}
}

// exifOrientation returns the orientation in the first directory of a TIFF structure.
func exifOrientation(tiff []byte) int {
	var order binary.ByteOrder = binary.BigEndian
	if bytes.HasPrefix(tiff, []byte("II")) {
		order = binary.LittleEndian
	}
	if len(tiff) < 8 {
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	const entryBytes = 12
	n := int(order.Uint16(tiff[at:]))
	for entry := tiff[at+2:]; n > 0 && len(entry) >= entryBytes; entry, n = entry[entryBytes:], n-1 {
		if order.Uint16(entry) == 0x112 {
			if o := int(order.Uint16(entry[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
	}
	return 1
}

// A turned picture is an image of another orientation, shown upright.
type turned struct {
	image.Image
	orientation int
}

// isOnItsSide reports whether width and height are exchanged.
func (t turned) isOnItsSide() bool { return t.orientation >= 5 }

func (t turned) Bounds() image.Rectangle {
	b := t.Image.Bounds()
	if t.isOnItsSide() {
		return image.Rect(0, 0, b.Dy(), b.Dx())
	}
	return image.Rect(0, 0, b.Dx(), b.Dy())
}

func (t turned) At(x, y int) color.Color {
	b := t.Image.Bounds()
	if t.isOnItsSide() {
		x, y = y, x
	}
	switch t.orientation {
	case 2, 3, 7, 8:
		x = b.Dx() - 1 - x
	}
	switch t.orientation {
	case 3, 4, 6, 7:
		y = b.Dy() - 1 - y
	}
	return t.Image.At(b.Min.X+x, b.Min.Y+y)
}

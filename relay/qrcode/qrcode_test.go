package qrcode

import (
	"fmt"
	"image/color"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"rsc.io/qr"
)

const short = "http://192.168.1.5:24280/"

// On a terminal a camera sees the modules of the code and its quiet zone, with any number of colors and
// without seams between the rows: those come from characters that fill a cell by a shape of the font.
func TestLines(t *testing.T) {
	for _, text := range []string{short, "http://[fd00::5]:24280/", "http://lab-7.local:24280/?a=b", "192.168.1.5:24280"} {
		want, err := qr.Encode(capitalOrigin(text), qr.L)
		if lower, _ := qr.Encode(text, qr.L); err != nil || want.Size >= lower.Size {
			want = lower
		}
		for _, profile := range []colorprofile.Profile{colorprofile.Ascii, colorprofile.ANSI, colorprofile.ANSI256, colorprofile.TrueColor} {
			t.Run(fmt.Sprint(text, " ", profile), func(t *testing.T) {
				code, err := Of(text)
				if err != nil {
					t.Fatal(err)
				}
				lines := code.Lines(profile)
				if len(lines) != code.Rows() {
					t.Fatalf("%d lines, want %d", len(lines), code.Rows())
				}
				seen := modulesOf(t, lines, code.Columns())
				for y, row := range seen {
					for x, black := range row {
						if black != want.Black(x-quiet, y-quiet) {
							t.Fatalf("module %d,%d is black: %v", x, y, black)
						}
					}
				}
			})
		}
	}
}

// modulesOf returns what a camera sees of lines on a dark terminal: whether each module is black.
func modulesOf(t *testing.T, lines []string, columns int) (black [][]bool) {
	t.Helper()
	buffer := uv.NewScreenBuffer(columns, len(lines))
	uv.NewStyledString(strings.Join(lines, "\n")).Draw(buffer, buffer.Bounds())
	for y := range lines {
		var top, bottom []bool
		for x := range columns {
			cell := buffer.CellAt(x, y)
			ground, ink := isBlack(cell.Style.Bg, true), isBlack(cell.Style.Fg, false)
			if cell.Style.Attrs&uv.AttrReverse != 0 {
				ground, ink = ink, ground
			}
			switch cell.Content {
			case " ":
				ink = ground
			case "▄":
				if ground == ink {
					t.Errorf("%d,%d: ▄ in the color of its ground", x, y)
				}
			default:
				t.Fatalf("%d,%d: %q leaves seams", x, y, cell.Content)
			}
			top, bottom = append(top, ground), append(bottom, ink)
		}
		black = append(black, top, bottom)
	}
	return black
}

func isBlack(c color.Color, unset bool) bool {
	if c == nil {
		return unset
	}
	r, g, b, _ := c.RGBA()
	return r+g+b < 3<<14
}

// Capitals make the code of an IPv4 address smaller: it fits beside the ways to join at 80 columns. The
// path keeps its case, and so does everything else that has a meaning by case.
func TestCapitals(t *testing.T) {
	for text, want := range map[string]string{
		short:                           "HTTP://192.168.1.5:24280/",
		"http://lab-7.local:24280/Page": "HTTP://LAB-7.LOCAL:24280/Page",
		"http://lab-7":                  "HTTP://LAB-7",
		"192.168.1.5:24280":             "192.168.1.5:24280",
		"lab-7":                         "lab-7",
	} {
		if got := capitalOrigin(text); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
	code, err := Of(short)
	if err != nil || code.Columns() != 21+2*quiet || code.Rows() != 15 {
		t.Errorf("%d×%d, %v", code.Columns(), code.Rows(), err)
	}
	if _, err := Of(strings.Repeat("x", 5000)); err == nil {
		t.Error("5,000 bytes fit")
	}
}

// The picture has a black module for each of the code's, and a quiet zone.
func TestSVG(t *testing.T) {
	code, err := Of(short)
	if err != nil {
		t.Fatal(err)
	}
	svg := string(code.SVG())
	want, _ := qr.Encode(capitalOrigin(short), qr.L)
	n := 0
	for y := range want.Size {
		for x := range want.Size {
			if want.Black(x, y) {
				n++
				if module := fmt.Sprintf("M%d %dh1v1h-1z", x+quiet, y+quiet); !strings.Contains(svg, module) {
					t.Fatalf("no %s", module)
				}
			}
		}
	}
	if strings.Count(svg, "h1v1h-1z") != n || !strings.Contains(svg, `viewBox="0 0 29 29"`) {
		t.Errorf("%d modules of %d: %s", strings.Count(svg, "h1v1h-1z"), n, svg)
	}
}

// The pin and the secret of an invite are capitals, too: its code fits beside the ways to join at 80 columns
// and 24 rows. A secret of the host's own choice keeps its case.
func TestInvites(t *testing.T) {
	const fragment = "K7QZABCDEFGHIJKLMNOPQRSTUV.M2V8ABCDEFGHIJKL"
	for text, size := range map[string]int{
		"https://192.168.1.5:24280/#" + fragment:                          29,
		"https://192.168.178.23:24280/#" + fragment:                       29,
		"https://192.168.178.123:24280/#" + fragment:                      33,
		"https://[fe80::1]:24280/#" + fragment:                            33,
		"https://192.168.1.5:24280/#" + fragment[:26]:                     29,
		"https://192.168.1.5:24280/#" + fragment[:27] + "straight%20line": 33,
	} {
		code, err := Of(text)
		if err != nil || code.code.Size != size {
			t.Errorf("the code of %s has %d modules a side, want %d (%v)", text, code.code.Size, size, err)
		}
		tight := code.Tight()
		if tight.Columns() != size+2*tightQuiet || tight.Rows() != (size+2*tightQuiet+1)/2 || tight.black(tightQuiet, tightQuiet) != code.black(quiet, quiet) {
			t.Errorf("the tight code of %s is %d×%d", text, tight.Columns(), tight.Rows())
		}
	}
	for text, want := range map[string]string{
		"https://h:1/#A.B": "https://h:1#A.B", "https://h:1/p/#A": "https://h:1/p/#A", "https://h:1/": "https://h:1/", "/#": "/#",
	} {
		if got := withoutPath(text); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}

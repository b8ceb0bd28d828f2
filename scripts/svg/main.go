// Svg draws screens as an SVG picture on stdout: the state of a terminal of this size after the output of a
// program, which tmux can record.
//
//	tmux pipe-pane 'cat >output'
//	svg 80 24 <output >screen.svg
//	svg 80 24 1.5:first 0.2:second >film.svg
//
// With files it draws them one after the other, each for so many seconds, without end.
package main

import (
	"bufio"
	"fmt"
	"html"
	"image/color"
	"io"
	"os"
	"strconv"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"
)

const (
	cellWidth, cellHeight = 9, 19 // pixels
	baseline              = 14    // of a cell
	margin                = 8

	// The colors of the terminal: scripts/pictures gives them to tmux.
	foreground = "#cdd6f4"
	background = "#1e1e2e"
)

// first16 are the terminal's first colors: xterm's.
var first16 = [16]int{
	0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5,
	0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff,
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "svg:", err)
		os.Exit(1)
	}
}

// A frame is a screen, and for how long it is shown.
type frame struct {
	screen  *vt.Emulator
	seconds float64
}

func run() error {
	if len(os.Args) < 3 {
		return fmt.Errorf("usage: svg COLUMNS ROWS <output >picture.svg, or svg COLUMNS ROWS SECONDS:FILE... >picture.svg")
	}
	columns, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return fmt.Errorf("columns: %w", err)
	}
	rows, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	var frames []frame
	for _, arg := range os.Args[3:] {
		seconds, file, _ := strings.Cut(arg, ":")
		f := frame{}
		if f.seconds, err = strconv.ParseFloat(seconds, 64); err != nil {
			return fmt.Errorf("the seconds of %q: %w", arg, err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		f.screen = screenOf(text, columns, rows)
		frames = append(frames, f)
	}
	if len(frames) == 0 {
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			return fmt.Errorf("read the output: %w", err)
		}
		frames = []frame{{screen: screenOf(text, columns, rows)}}
	}
	out := bufio.NewWriter(os.Stdout)
	width, height := columns*cellWidth+2*margin, rows*cellHeight+2*margin
	fmt.Fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"15\">\n", width, height)
	fmt.Fprintf(out, "<rect width=\"100%%\" height=\"100%%\" rx=\"6\" fill=\"%s\"/>\n", background)
	if len(frames) == 1 {
		drawScreen(out, frames[0].screen)
	} else {
		drawFilm(out, frames)
	}
	fmt.Fprintln(out, "</svg>")
	return out.Flush()
}

// screenOf returns a terminal after a program's output.
func screenOf(output []byte, columns, rows int) *vt.Emulator {
	screen := vt.NewEmulator(columns, rows)
	go io.Copy(io.Discard, screen) // its answers to queries; they end with this program
	screen.Write(output)           // it never fails
	return screen
}

// drawFilm draws each row once for each run of frames in which it is the same: most rows stay.
func drawFilm(out io.Writer, frames []frame) {
	total, starts := 0.0, make([]float64, len(frames)+1)
	for i, f := range frames {
		total += f.seconds
		starts[i+1] = total
	}
	for y := range frames[0].screen.Height() {
		for first := 0; first < len(frames); {
			row := rowOf(frames[first].screen, y)
			last := first + 1
			for last < len(frames) && rowOf(frames[last].screen, y) == row {
				last++
			}
			if row != "" {
				drawWhile(out, row, starts[first]/total, starts[last]/total, total)
			}
			first = last
		}
	}
}

// drawWhile draws a part of the film, from one share of its length up to another.
func drawWhile(out io.Writer, part string, from, to, seconds float64) {
	if from == 0 && to == 1 {
		fmt.Fprint(out, part)
		return
	}
	values, times := "none;inline;none", fmt.Sprintf("0;%.5f;%.5f", from, to)
	if from == 0 {
		values, times = "inline;none", fmt.Sprintf("0;%.5f", to)
	} else if to == 1 {
		values, times = "none;inline", fmt.Sprintf("0;%.5f", from)
	}
	fmt.Fprintf(out, "<g display=\"none\"><animate attributeName=\"display\" values=\"%s\" keyTimes=\"%s\" dur=\"%.2fs\" calcMode=\"discrete\" repeatCount=\"indefinite\"/>\n%s</g>\n", values, times, seconds, part)
}

func drawScreen(out io.Writer, screen *vt.Emulator) {
	for y := range screen.Height() {
		fmt.Fprint(out, rowOf(screen, y))
	}
}

// rowOf draws row y: each run of cells of one style as one text.
func rowOf(screen *vt.Emulator, y int) string {
	var b strings.Builder
	for x := 0; x < screen.Width(); {
		cell := screen.CellAt(x, y)
		if cell == nil || cell.Width == 0 {
			x++
			continue
		}
		start, text := x, ""
		for x < screen.Width() {
			next := screen.CellAt(x, y)
			if next == nil || !next.Style.Equal(&cell.Style) || next.Width != 1 && text != "" || len(next.Content) > 1 && text != "" {
				break
			}
			text += next.Content
			x += max(next.Width, 1)
			if next.Width > 1 || len(next.Content) > 1 { // no font's width is to be relied on
				break
			}
		}
		draw(&b, text, &cell.Style, start, x-start, y)
	}
	return b.String()
}

// blocks are the characters that fill a part of their cell, from the top and in shares of it.
var blocks = map[string]struct{ from, width, height float64 }{
	"█": {0, 1, 1}, "▀": {0, 1, 0.5}, "▄": {0.5, 1, 0.5}, "▌": {0, 0.5, 1},
}

// draw draws text of one style, which takes so many columns from x.
func draw(out io.Writer, text string, s *uv.Style, x, columns, y int) {
	fg, bg := hex(s.Fg, foreground), hex(s.Bg, background)
	if s.Attrs&uv.AttrReverse != 0 {
		fg, bg = bg, fg
	}
	left, top := margin+x*cellWidth, margin+y*cellHeight
	if bg != background {
		fmt.Fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n", left, top, columns*cellWidth, cellHeight, bg)
	}
	if part, ok := blocks[text]; ok { // fonts leave lines between them
		fmt.Fprintf(out, "<rect x=\"%d\" y=\"%g\" width=\"%g\" height=\"%g\" fill=\"%s\"/>\n",
			left, float64(top)+part.from*cellHeight, part.width*cellWidth, part.height*cellHeight, fg)
		return
	}
	shown := strings.TrimRight(text, " ")
	columns -= len(text) - len(shown)
	for strings.HasPrefix(shown, " ") {
		shown = shown[1:]
		left += cellWidth
		columns--
	}
	if shown == "" {
		return
	}
	more := ""
	if s.Attrs&uv.AttrBold != 0 {
		more += " font-weight=\"bold\""
	}
	if s.Attrs&uv.AttrItalic != 0 {
		more += " font-style=\"italic\""
	}
	if s.Attrs&uv.AttrFaint != 0 {
		more += " opacity=\"0.6\""
	}
	if s.Underline != 0 {
		more += " text-decoration=\"underline\""
	}
	if columns > 1 {
		more += fmt.Sprintf(" textLength=\"%d\"", columns*cellWidth)
	}
	fmt.Fprintf(out, "<text x=\"%d\" y=\"%d\" fill=\"%s\"%s>%s</text>\n", left, top+baseline, fg, more, strings.ReplaceAll(html.EscapeString(shown), " ", "\u00a0")) // SVG joins spaces
}

func hex(c color.Color, otherwise string) string {
	if c == nil {
		return otherwise
	}
	if first, ok := c.(ansi.BasicColor); ok {
		return fmt.Sprintf("#%06x", first16[first])
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

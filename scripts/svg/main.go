// Svg draws the output of `tmux capture-pane -e -p` as an SVG picture on stdout.
//
//	tmux capture-pane -e -p | svg 80 24 >screen.svg
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
)

const (
	cellWidth, cellHeight = 9, 19 // pixels
	baseline              = 14    // of a cell
	margin                = 8
	foreground            = "#d8d8d8"
	background            = "#1b1b1b"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "svg:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 3 {
		return fmt.Errorf("usage: svg COLUMNS ROWS <capture >picture.svg")
	}
	columns, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return fmt.Errorf("columns: %w", err)
	}
	rows, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fmt.Errorf("read the capture: %w", err)
	}
	screen := uv.NewScreenBuffer(columns, rows)
	screen.Method = ansi.GraphemeWidth
	uv.NewStyledString(strings.TrimRight(string(text), "\n")).Draw(screen, screen.Bounds())
	out := bufio.NewWriter(os.Stdout)
	width, height := columns*cellWidth+2*margin, rows*cellHeight+2*margin
	fmt.Fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"15\">\n", width, height)
	fmt.Fprintf(out, "<rect width=\"100%%\" height=\"100%%\" rx=\"6\" fill=\"%s\"/>\n", background)
	for y := range rows {
		for x := range columns {
			if cell := screen.CellAt(x, y); cell != nil && cell.Width > 0 {
				draw(out, cell, margin+x*cellWidth, margin+y*cellHeight)
			}
		}
	}
	fmt.Fprintln(out, "</svg>")
	return out.Flush()
}

// draw draws a cell with its top left corner at x, y.
func draw(out io.Writer, cell *uv.Cell, x, y int) {
	s := &cell.Style
	fg, bg := hex(s.Fg, foreground), hex(s.Bg, background)
	if s.Attrs&uv.AttrReverse != 0 {
		fg, bg = bg, fg
	}
	if bg != background {
		fmt.Fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n", x, y, cell.Width*cellWidth, cellHeight, bg)
	}
	if strings.TrimSpace(cell.Content) == "" {
		return
	}
	more := ""
	if s.Attrs&uv.AttrBold != 0 {
		more += " font-weight=\"bold\""
	}
	if s.Attrs&uv.AttrFaint != 0 {
		more += " opacity=\"0.6\""
	}
	if s.Underline != 0 {
		more += " text-decoration=\"underline\""
	}
	fmt.Fprintf(out, "<text x=\"%d\" y=\"%d\" fill=\"%s\"%s>%s</text>\n", x, y+baseline, fg, more, html.EscapeString(cell.Content))
}

func hex(c color.Color, otherwise string) string {
	if c == nil {
		return otherwise
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

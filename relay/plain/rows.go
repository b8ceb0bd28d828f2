package plain

import (
	"bytes"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// A Rows writes lines to a terminal, wrapped at its width. Rows after the first of a line are
// indented. If the terminal wrapped a line itself, a member could fill the first row with blanks or
// words, and put text at the beginning of the next, where only times, names and notices begin.
// It is not safe for concurrent use.
type Rows struct {
	To    io.Writer
	Width func() int // columns of the terminal now, which may change; 0: unknown, nothing is wrapped

	rest []byte // of a line whose newline has not been written
}

// Width returns the columns of the terminal that stdout is; 0: it is none, or they are unknown.
func Width() int {
	columns, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// rowIndent is how far rows after the first are indented: as far as a message's time.
const rowIndent = 6

// tabStop is the distance between the tab stops of a terminal.
const tabStop = 8

// Write implements io.Writer. It keeps a line until it is complete.
func (r *Rows) Write(b []byte) (int, error) {
	end := bytes.LastIndexByte(b, '\n') + 1
	if end == 0 {
		r.rest = append(r.rest, b...)
		return len(b), nil
	}
	lines := string(r.rest) + string(b[:end])
	r.rest = append(r.rest[:0], b[end:]...)
	var out strings.Builder
	columns := r.Width()
	for line := range strings.Lines(lines) {
		wrap(&out, strings.TrimSuffix(line, "\n"), columns)
	}
	if _, err := io.WriteString(r.To, out.String()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// A wrapper writes one line in rows of at most limit columns.
type wrapper struct {
	out    *strings.Builder
	limit  int
	indent string // of rows after the first
	used   int    // columns of this row
	start  int    // of those, the indent
}

// wrap writes a line in rows of fewer than so many columns: a terminal may begin a new row
// already after the last column. It breaks between words, if it can.
func wrap(out *strings.Builder, line string, columns int) {
	if columns < 3 {
		out.WriteString(line + "\n")
		return
	}
	w := wrapper{out: out, limit: columns - 1}
	w.indent = strings.Repeat(" ", max(1, min(rowIndent, w.limit/3)))
	for line != "" {
		end := strings.IndexAny(line, " \t")
		switch end {
		case 0:
			w.space(line[0])
			line = line[1:]
		case -1:
			w.word(line)
			line = ""
		default:
			w.word(line[:end])
			line = line[end:]
		}
	}
	out.WriteByte('\n')
}

// breakRow begins the next row.
func (w *wrapper) breakRow() {
	w.out.WriteString("\n" + w.indent)
	w.used, w.start = len(w.indent), len(w.indent)
}

// space writes a blank or a tab. If it does not fit, the break replaces it.
func (w *wrapper) space(char byte) {
	width := 1
	if char == '\t' {
		width = tabStop - w.used%tabStop
	}
	if w.used+width > w.limit {
		w.breakRow()
		return
	}
	w.out.WriteString(strings.Repeat(" ", width))
	w.used += width
}

// word writes a word, on the next row if it does not fit, and on several if it fits on none.
func (w *wrapper) word(word string) {
	if w.used > w.start && w.used+widest(word) > w.limit {
		w.breakRow()
	}
	for word != "" {
		char, _ := ansi.FirstGraphemeCluster(word, ansi.GraphemeWidth)
		width := widest(char)
		if len(w.indent)+width > w.limit { // no row has room for it: a terminal would break it, at the left
			_, n := utf8.DecodeRuneInString(word)
			char = word[:n]
			width = widest(char)
		}
		word = word[len(char):]
		if w.used > w.start && w.used+width > w.limit {
			w.breakRow()
		}
		w.out.WriteString(char)
		w.used += width
	}
}

// widest returns how many columns s takes at most: terminals count emoji sequences in two ways.
func widest(s string) int {
	return max(ansi.StringWidth(s), ansi.StringWidthWc(s))
}

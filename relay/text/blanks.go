package text

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A terminal begins a new row where a line is full. So a message with enough blanks in it can
// show whatever it likes at the beginning of a row, where only the host writes times, names
// and notices.

const (
	// maxBlanks is how many blanks in a row a line may have inside, and maxBlankColumns how many
	// columns they may take: two tabs are still a table.
	maxBlanks       = 8
	maxBlankColumns = 16

	// maxIndent is how many columns a line may be indented, as code is.
	maxIndent = 24

	tabColumns = 8
)

// FoldBlanks replaces each long run of blanks in a line by a mark with their number, such as
// ␣×72. Short runs, and the indent of code at the beginning, stay.
func FoldBlanks(line string) string {
	if !mayHaveRun(line) {
		return line
	}
	var b strings.Builder
	kept := 0 // bytes of line that are in b already
	for i := 0; i < len(line); {
		end, blanks, columns := blankRun(line[i:])
		switch {
		case blanks == 0:
			i += end
			continue
		case i == 0 && columns <= maxIndent, i > 0 && blanks <= maxBlanks && columns <= maxBlankColumns:
		default:
			b.WriteString(line[kept:i])
			b.WriteString(" ␣×" + strconv.Itoa(blanks) + " ")
			kept = i + end
		}
		i += end
	}
	if kept == 0 {
		return line
	}
	b.WriteString(line[kept:])
	return b.String()
}

// mayHaveRun reports whether line may have a run of blanks that FoldBlanks replaces. Those have a
// tab, or more than maxBlanks bytes in a row that are spaces or not ASCII. It looks at few
// bytes: it is called for each message.
func mayHaveRun(line string) bool {
	if strings.IndexByte(line, '\t') >= 0 {
		return true
	}
	mayBeBlank := func(i int) bool { return line[i] == ' ' || line[i] >= utf8.RuneSelf }
	for i := maxBlanks; i < len(line); i += maxBlanks + 1 {
		if !mayBeBlank(i) {
			continue
		}
		start, end := i, i
		for start > 0 && mayBeBlank(start-1) {
			start--
		}
		for end < len(line) && mayBeBlank(end) {
			end++
		}
		if end-start > maxBlanks {
			return true
		}
	}
	return false
}

// Title is Clean for the name of a room or a program: it is listed in tables and announced on the network, so
// tabs and runs of blanks become one space, and none are at its ends.
func Title(s string) string {
	s = strings.Join(strings.Fields(Clean(s)), " ")
	if PlainASCII(s) == len(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		end, blanks, _ := blankRun(s[i:])
		switch atEnds := i == 0 || i+end == len(s); {
		case blanks > 1, blanks == 1 && atEnds:
			if !atEnds {
				b.WriteByte(' ')
			}
		default:
			b.WriteString(s[i : i+end])
		}
		i += end
	}
	return b.String()
}

// blankRun returns the length of the run of blanks that s begins with, with their number and the
// columns that they take. If there is none, it returns the length of the first character.
func blankRun(s string) (end, blanks, columns int) {
	for i, r := range s {
		switch {
		case i > 0 && blanks == 0:
			return i, 0, 0
		case isBlank(r):
			blanks++
			columns += blankColumns(r)
		case blanks > 0 && (unicode.Is(unicode.Mn, r) || isJoiner(r)): // a mark on a blank
		case blanks > 0:
			return i, blanks, columns
		}
	}
	return len(s), blanks, columns
}

// isBlank reports whether r is one of the characters that most fonts draw as an empty space: those of the category
// Zs and a few others. Clean removes the invisible ones.
func isBlank(r rune) bool {
	switch r {
	case ' ', '\t':
		return true
	case 0x2800, // braille pattern blank
		0x1d159,          // musical symbol null notehead
		0x13441, 0x13442, // Egyptian hieroglyphs full blank and half blank
		0x115f, 0x1160, 0x3164, 0xffa0: // Hangul fillers
		return true
	}
	return r > 0x7f && unicode.Is(unicode.Zs, r) && r != 0x1680 // the Ogham space mark is a line
}

func blankColumns(r rune) int {
	switch r {
	case '\t':
		return tabColumns
	case 0x3000:
		return 2
	}
	return 1
}

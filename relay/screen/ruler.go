package screen

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/text/unicode/norm"
)

// A ruler measures text in columns, as the terminal does and as Bubble Tea's renderer lays
// it out. Nothing else in this package measures text: if wrapping, the cursor and the
// renderer disagreed by one column, the screen would be garbled.
//
// Text from others goes through show first: all three agree on the width of its result.
type ruler struct {
	method     ansi.Method
	noNewEmoji bool // the terminal gets their width wrong
}

const (
	tabStop = 8 // columns, as on every terminal

	// maxChar is how many bytes one character may have. The longest emoji of Unicode (a
	// kiss, with two skin colors) has 35; anything longer is an attack.
	maxChar = 64

	shy    = 0xad // soft hyphen
	zwj    = 0x200d
	vs15   = 0xfe0e // asks for text presentation
	vs16   = 0xfe0f // asks for emoji presentation
	noBase = "◌"    // U+25CC, by convention the base of a mark without one
)

// first returns the first character of s as the reader sees it, with its marks and
// joiners, and how many columns it takes.
func (r ruler) first(s string) (char string, columns int) {
	if c := s[0]; c >= ' ' && c < 0x7f && (len(s) == 1 || s[1] < utf8.RuneSelf) {
		return s[:1], 1
	}
	if r.method == ansi.WcWidth {
		return r.firstRune(s)
	}
	return ansi.FirstGraphemeCluster(s, r.method)
}

// firstRune returns the first rune of s with those after it that have no width: a
// terminal that counts code points knows nothing of clusters.
func (r ruler) firstRune(s string) (char string, columns int) {
	c, n := utf8.DecodeRuneInString(s)
	columns = r.method.StringWidth(s[:n])
	for c >= ' ' && n < len(s) && s[n] >= utf8.RuneSelf {
		_, more := utf8.DecodeRuneInString(s[n:])
		if r.method.StringWidth(s[n:n+more]) > 0 {
			break
		}
		n += more
	}
	return s[:n], columns
}

// width returns how many columns s takes. It must not contain escape sequences.
func (r ruler) width(s string) (columns int) {
	for s != "" {
		char, n := r.first(s)
		columns += n
		s = s[len(char):]
	}
	return columns
}

// cut returns as much of the start of s as fits in the given number of columns.
func (r ruler) cut(s string, columns int) string {
	for rest := s; rest != ""; {
		char, n := r.first(rest)
		if columns -= n; columns < 0 {
			return s[:len(s)-len(rest)]
		}
		rest = rest[len(char):]
	}
	return s
}

// elide returns s, or if it takes more than the given number of columns, its start and an ellipsis.
func (r ruler) elide(s string, columns int) string {
	if columns <= 0 {
		return ""
	}
	if r.width(s) <= columns {
		return s
	}
	return r.cut(r.cut(s, columns-r.width("…"))+"…", columns)
}

// fit pads s to exactly the given number of columns, or cuts it, with an ellipsis.
func (r ruler) fit(s string, columns int) string {
	s = r.elide(s, columns)
	return s + strings.Repeat(" ", max(columns-r.width(s), 0))
}

// show returns text as it is drawn: with spaces for tabs, and without anything that
// terminals are known to measure differently from the renderer, or that does harm.
func (r ruler) show(text string) string {
	if isPlain(text) {
		return text
	}
	text = r.replaceDisputed(norm.NFC.String(text)) // few terminals compose letters
	var b strings.Builder
	b.Grow(len(text))
	column := 0
	for text != "" {
		char, n := r.first(text)
		text = text[len(char):]
		switch {
		case char == "\n":
			column = -n
		case char == "\t":
			n = tabStop - column%tabStop
			char = strings.Repeat(" ", n)
		case column == 0 && needsBase(char): // it would go on the margin
			b.WriteString(noBase)
			n = 1
		}
		b.WriteString(shortenChar(char))
		column += n
	}
	return b.String()
}

func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c >= 0x7f) && c != '\n' {
			return false
		}
	}
	return true
}

// replaceDisputed replaces or drops the runes on whose width terminals do not agree.
func (r ruler) replaceDisputed(text string) string {
	last := rune(0)
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
		case unicode.IsControl(c):
			c = utf8.RuneError // cleaned text has none; our own might
		case unicode.In(c, unicode.Prepended_Concatenation_Mark, prepended):
			// It is drawn as part of the next character, even on our margin, and measured in many ways.
			c = utf8.RuneError
		case r.noNewEmoji && unicode.Is(newEmoji, c):
			c = utf8.RuneError
		case c == shy: // most terminals show it, the renderer does not
			return -1
		case r.method == ansi.WcWidth && (c == vs15 || c == vs16 || c == zwj && !unicode.In(last, unicode.L, unicode.M)):
			// Without them an emoji is one rune, or several emoji side by side, which all
			// terminals measure alike.
			return -1
		case r.method == ansi.WcWidth && isSkinTone(c) && unicode.Is(unicode.So, last) && string(last) != noBase:
			// Its width is 0 in kitty and Konsole, which do not report that they count
			// clusters, and 2 in other terminals.
			return -1
		}
		last = c
		return c
	}, text)
}

func isSkinTone(c rune) bool { return c >= 0x1f3fb && c <= 0x1f3ff }

// prepended are the letters that are drawn as part of the next one (UAX #29, "Prepend").
// All are of historic scripts or spellings.
var prepended = &unicode.RangeTable{
	R16: []unicode.Range16{{0x0d4e, 0x0d4e, 1}},
	R32: []unicode.Range32{
		{0x111c2, 0x111c3, 1}, {0x113d1, 0x113d1, 1}, {0x1193f, 0x1193f, 1}, {0x11941, 0x11941, 1},
		{0x11a3a, 0x11a3a, 1}, {0x11a84, 0x11a89, 1}, {0x11d46, 0x11d46, 1}, {0x11f02, 0x11f02, 1},
	},
}

// needsBase reports whether char is drawn as part of the character before it, whatever
// that is.
func needsBase(char string) bool {
	cluster, _ := ansi.FirstGraphemeCluster(" "+char, ansi.GraphemeWidth)
	return len(cluster) > 1
}

// shortenChar cuts a character that is too long, and marks the cut.
func shortenChar(char string) string {
	if len(char) <= maxChar {
		return char
	}
	return cutBytes(char, maxChar) + string(utf8.RuneError)
}

// cutBytes returns the start of s, at most most bytes, without splitting a rune.
func cutBytes(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// A span is text[from:to].
type span struct{ from, to int }

// wrap cuts text into rows of at most the given width: at newlines, between words if
// possible, and within words otherwise. The rows hold all of it except the spaces and
// newlines at which it is cut.
func (r ruler) wrap(text string, columns int) (rows []span) {
	columns = max(columns, 2) // a wide character fits
	for at := 0; ; {
		end := len(text)
		if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i
		}
		for {
			row, next := r.row(text, at, end, columns)
			rows = append(rows, row)
			if at = next; at >= end {
				break
			}
		}
		if at = end + 1; at > len(text) {
			return rows
		}
	}
}

// wrapped returns text in rows of at most the given width.
func (r ruler) wrapped(text string, columns int) (rows []string) {
	for _, row := range r.wrap(text, columns) {
		rows = append(rows, text[row.from:row.to])
	}
	return rows
}

// row returns the first row of text[at:end], and where the next one starts.
func (r ruler) row(text string, at, end, columns int) (row span, next int) {
	gap := at // the last place after at where the row may end
	used, spaced, wide := 0, false, false
	for i := at; i < end; {
		char, n := r.first(text[i:end])
		if i > at && !spaced && (char == " " || wide || n == 2) { // scripts without spaces are wide
			gap = i
		}
		if i > at && used+n > columns {
			if gap == at {
				gap = i
			}
			return span{at, gap}, r.skipSpaces(text, gap, end)
		}
		used += n
		i += len(char)
		spaced, wide = char == " ", n == 2
	}
	return span{at, end}, end
}

// skipSpaces returns where the first character of text[i:end] is that is not a space.
func (r ruler) skipSpaces(text string, i, end int) int {
	for i < end && text[i] == ' ' {
		if char, _ := r.first(text[i:end]); char != " " { // it has a mark
			break
		}
		i++
	}
	return i
}

// lastRune returns the last rune of s; "" if s is empty.
func lastRune(s string) string {
	_, n := utf8.DecodeLastRuneInString(s)
	return s[len(s)-n:]
}

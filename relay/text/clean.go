package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxMarks is how many combining marks stay on one base: of those that take no
// column, and as many of those that take one (Burmese needs both at once). Real
// scripts stack up to four; more serve to paint over the lines above and below.
const maxMarks = 4

// Clean makes one line of text harmless for any terminal. Invalid UTF-8, control
// characters and bidirectional controls become visible stand-ins, so that a
// reader sees that there was something; invisible characters go, but for the
// joiners and selectors that a script or an emoji needs; at most four combining
// marks stay on a base. A tab stays. The result holds no newline.
func Clean(s string) string { return clean(s, false) }

// CleanLines is Clean for text of several lines: "\n" stays, "\r\n" becomes "\n",
// and empty lines at the end go.
func CleanLines(s string) string {
	if strings.IndexByte(s, '\r') >= 0 {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	return strings.TrimRight(clean(s, true), "\n")
}

func clean(s string, lines bool) string {
	i := PlainASCII(s)
	for i < len(s) && (s[i] >= ' ' && s[i] < 0x7f || s[i] == '\t' || lines && s[i] == '\n') {
		i++
	}
	if i == len(s) {
		return s
	}
	var c cleaner
	c.out.Grow(len(s) + 8)
	c.out.WriteString(s[:i])
	if i > 0 {
		c.last = rune(s[i-1])
		c.base = c.last
	}
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if lines && r == '\n' {
			c.put(r)
			continue
		}
		next, _ := utf8.DecodeRuneInString(s[i:])
		c.add(r, next)
	}
	return c.out.String()
}

// A cleaner holds what the decision on a rune needs to know of those before it.
type cleaner struct {
	out     strings.Builder
	last    rune // the rune put last; 0 at the start
	base    rune // the last one that is neither mark nor joiner
	marks   int  // on base, that take no column
	spacing int  // on base, that take one
}

func (c *cleaner) put(r rune) {
	c.out.WriteRune(r)
	c.last, c.base = r, r
	c.marks, c.spacing = 0, 0
}

// marksLike returns the count to which mark r belongs.
func (c *cleaner) marksLike(r rune) *int {
	if unicode.Is(unicode.Mc, r) {
		return &c.spacing
	}
	return &c.marks
}

// add puts r, its stand-in, or nothing. next is the rune behind it.
func (c *cleaner) add(r, next rune) {
	switch {
	case r == '\t' || r >= ' ' && r < 0x7f:
		c.put(r)
	case r < ' ': // U+2400 … are the control pictures
		c.put(0x2400 + r)
	case r == 0x7f:
		c.put(0x2421)
	case r < 0xa0, unicode.Is(unicode.Bidi_Control, r) && !isMark(r), r == 0x2028, r == 0x2029,
		unicode.Is(unicode.Noncharacter_Code_Point, r):
		c.put(utf8.RuneError)
	case isJoiner(r):
		if c.joins(r, next) {
			c.out.WriteRune(r)
			c.last = r
		}
	case isInvisible(r):
	case unicode.Is(unicode.M, r):
		if n := c.marksLike(r); *n < maxMarks {
			c.out.WriteRune(r)
			c.last = r
			*n++
		}
	default:
		c.put(r)
	}
}

// isMark reports the three bidirectional marks: unlike embeddings, overrides and
// isolates they reach no further than themselves, and simply go.
func isMark(r rune) bool { return r == 0x200e || r == 0x200f || r == 0x061c }

const (
	zwnj = 0x200c
	zwj  = 0x200d
	vs15 = 0xfe0e // asks for text presentation
	vs16 = 0xfe0f // asks for emoji presentation
)

func isJoiner(r rune) bool { return r == zwnj || r == zwj || r == vs15 || r == vs16 }

// joins reports whether joiner r has something to do between what was put last
// and next: RFC 5892, appendices A.1 and A.2, somewhat wider (any letter of a
// script that joins), and the emoji sequences of UTS #51.
func (c *cleaner) joins(r, next rune) bool {
	switch r {
	case vs15, vs16:
		return isPictographic(c.last) || isKeycapBase(c.last) && next == keycap
	case zwj:
		if (isPictographic(c.last) || c.last == vs16) && isPictographic(next) {
			return true
		}
	}
	if isVirama(c.last) { // a half form (Malayalam's older chillus) can end a word
		return true
	}
	// The base, not the last rune: Arabic's vowel marks belong to no script.
	return !isJoiner(c.last) && usesJoiners(c.base) && usesJoiners(next) && c.stays(next)
}

// stays reports whether next, of a script that joins, will be put: a joiner
// before a rune that goes would be left with nothing to do.
func (c *cleaner) stays(next rune) bool {
	if unicode.Is(unicode.M, next) && *c.marksLike(next) >= maxMarks {
		return false
	}
	return !isInvisible(next)
}

// isPictographic reports whether r can be part of an emoji sequence. Go has no
// table of Extended_Pictographic; its runes are one block, also where it has room
// for younger emoji than Go knows, and symbols (So), a few arrows (Sm), dingbats,
// a letter (ℹ) and a dash (〰) outside of it.
func isPictographic(r rune) bool {
	switch {
	case r == utf8.RuneError: // a symbol by its category, but also what follows the end
		return false
	case r >= 0x1f000 && r <= 0x1faff, r == 0x2139, r == 0x3030:
		return true
	}
	return r > 0x7f && unicode.In(r, unicode.So, unicode.Sm, unicode.Po)
}

// keycap encloses one of # * 0 … 9 with vs16 between them: 1️⃣.
const keycap = 0x20e3

func isKeycapBase(r rune) bool { return r == '#' || r == '*' || r >= '0' && r <= '9' }

// isVirama reports the signs that take a consonant's vowel (combining class 9).
func isVirama(r rune) bool { return norm.NFC.PropertiesString(string(r)).CCC() == 9 }

// joining are the scripts in which ZWJ and ZWNJ change what is read.
var joining = []*unicode.RangeTable{
	unicode.Arabic, unicode.Syriac, unicode.Mongolian, unicode.Nko, unicode.Mandaic, unicode.Hanifi_Rohingya, unicode.Adlam,
	unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil,
	unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}

func usesJoiners(r rune) bool { return r > 0x7f && unicode.In(r, joining...) }

// isInvisible reports the code points that show nothing and can hide text: the
// Unicode property Default_Ignorable_Code_Point, derived as
// DerivedCoreProperties.txt says, and the rest of category Cf, but for the few
// format characters that are drawn.
func isInvisible(r rune) bool {
	if unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// PlainASCII returns how many bytes at the start of s are ASCII that means nothing
// special to a terminal or in a JSON string: neither a control character nor a
// quote or backslash. It looks at eight bytes at a time while all are plain.
func PlainASCII(s string) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		quote, backslash := w^'"'*ones, w^'\\'*ones
		if (w|(w+ones)|(w-' '*ones)|(quote-ones)|(backslash-ones))&highs != 0 {
			break
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] < 0x7f && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

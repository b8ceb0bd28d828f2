package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxMarks is how many combining marks a base character keeps: marks that take no column,
// and as many that take one (Burmese needs both). Real scripts stack up to four; more
// would only paint over the lines above and below.
const maxMarks = 4

// Clean returns one line of text that cannot harm a terminal. Invalid UTF-8, control
// characters and bidirectional controls become visible stand-ins, so that a reader sees
// that something was there. Invisible characters are removed, except joiners and selectors
// that a script or an emoji needs, and so are combining marks beyond four on one base. Tabs
// are kept. The result has no newline.
func Clean(s string) string { return clean(s, false) }

// CleanLines is Clean for text of several lines: it keeps "\n", replaces "\r\n" by "\n",
// and removes empty lines at the end.
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

// A cleaner has the output and the state on which the decision about the next rune
// depends.
type cleaner struct {
	out     strings.Builder
	last    rune // the last rune of out; 0 at the start
	base    rune // the last rune of out that is neither a mark nor a joiner
	marks   int  // marks on base that take no column
	spacing int  // marks on base that take one
}

func (c *cleaner) put(r rune) {
	c.out.WriteRune(r)
	c.last, c.base = r, r
	c.marks, c.spacing = 0, 0
}

// marksLike returns the counter of marks like r.
func (c *cleaner) marksLike(r rune) *int {
	if unicode.Is(unicode.Mc, r) {
		return &c.spacing
	}
	return &c.marks
}

// add writes r, its stand-in, or nothing. next is the rune after r.
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

// isMark reports whether r is one of the three bidirectional marks. Unlike embeddings,
// overrides and isolates they affect no other text, so they are removed without a stand-in.
func isMark(r rune) bool { return r == 0x200e || r == 0x200f || r == 0x061c }

const (
	zwnj = 0x200c
	zwj  = 0x200d
	vs15 = 0xfe0e // asks for text presentation
	vs16 = 0xfe0f // asks for emoji presentation
)

func isJoiner(r rune) bool { return r == zwnj || r == zwj || r == vs15 || r == vs16 }

// joins reports whether joiner r has an effect between the last rune written and next:
// as in RFC 5892, appendices A.1 and A.2, but for any letter of a script that joins, and
// as in the emoji sequences of UTS #51.
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

// stays reports whether next, of a script that joins, will be written. If not, a joiner
// before it has no effect.
func (c *cleaner) stays(next rune) bool {
	if unicode.Is(unicode.M, next) && *c.marksLike(next) >= maxMarks {
		return false
	}
	return !isInvisible(next)
}

// isPictographic reports whether r can be part of an emoji sequence. Go has no table of
// Extended_Pictographic. Its runes are one block, including the code points reserved for
// future emoji, and outside of it symbols (So), a few arrows (Sm), dingbats, a letter (ℹ)
// and a dash (〰).
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

// isVirama reports whether r removes a consonant's vowel (combining class 9).
func isVirama(r rune) bool { return norm.NFC.PropertiesString(string(r)).CCC() == 9 }

// joining are the scripts in which ZWJ and ZWNJ change the rendering.
var joining = []*unicode.RangeTable{
	unicode.Arabic, unicode.Syriac, unicode.Mongolian, unicode.Nko, unicode.Mandaic, unicode.Hanifi_Rohingya, unicode.Adlam,
	unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Oriya, unicode.Tamil,
	unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}

func usesJoiners(r rune) bool { return r > 0x7f && unicode.In(r, joining...) }

// isInvisible reports whether r shows nothing and could hide text: it has the Unicode
// property Default_Ignorable_Code_Point, as DerivedCoreProperties.txt derives it, or
// category Cf, except for the few format characters that are drawn.
func isInvisible(r rune) bool {
	if unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// PlainASCII returns how many bytes at the start of s are ASCII without a special meaning
// to a terminal or in a JSON string: no control characters, quotes or backslashes. It
// checks eight bytes at a time while all are plain.
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

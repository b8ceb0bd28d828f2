package text

import (
	"unicode"
	"unicode/utf8"
)

// spaceless are the scripts in which words follow one another without spaces. Korean has spaces, but
// attaches particles to its words and words to each other.
var spaceless = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul, unicode.Yi, unicode.Tibetan,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Javanese, unicode.Balinese, unicode.Tai_Tham, unicode.Tai_Le, unicode.New_Tai_Lue,
}

// firstSpaceless is below all characters of those scripts.
const firstSpaceless = 0x0e00

// IsSpaceless reports whether r belongs to a script in which a word can begin and end beside another one
// without a space.
func IsSpaceless(r rune) bool {
	const longVowel, halfLongVowel = 0x30fc, 0xff70 // of kana, in no script of their own
	return r >= firstSpaceless && (r == longVowel || r == halfLongVowel || unicode.In(r, spaceless...))
}

// isSymbol reports whether r is an emoji or another symbol. ASCII has none.
func isSymbol(r rune) bool {
	switch {
	case r < 0xa0, r == utf8.RuneError, r >= 0x2400 && r <= 0x2421: // the stand-ins of Clean
		return false
	case r >= 0x1f000 && r <= 0x1faff: // as in isPictographic
		return true
	case r == '‼', r == '⁉', r == '〰', r == '〽': // emoji, but punctuation
		return true
	}
	return unicode.In(r, unicode.So, unicode.Sm)
}

package text

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

//go:generate go run makelookalikes.go

// A lookAlike is a character that looks like one or several others.
type lookAlike struct {
	from rune
	to   uint16 // index in lookAlikeTargets
}

// skeleton returns the skeleton of s (UTS #39, section 4): strings that look alike have the same
// one. Joiners, which PRECIS allows, are left out: few terminals show them.
func skeleton(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		if isJoiner(r) {
			continue
		}
		i, found := slices.BinarySearchFunc(lookAlikes[:], r, func(l lookAlike, r rune) int { return int(l.from) - int(r) })
		if found {
			b.WriteString(lookAlikeTargets[lookAlikes[i].to])
		} else {
			b.WriteRune(r)
		}
	}
	return norm.NFD.String(b.String())
}

// maxFolds is how often a skeleton is folded at most. Each time more characters become equal,
// so it ends; the longest chain in Unicode 15 has 3 steps.
const maxFolds = 8

// foldedSkeleton returns the skeleton of s without differences of case. A folded skeleton is none
// any more: "Σ" becomes "σ", which looks like "o". So skeletons are folded until they stay the same.
func foldedSkeleton(s string) string {
	for range maxFolds {
		next := fold(skeleton(s))
		if next == s {
			break
		}
		s = next
	}
	return s
}

// capitals returns s with the letters of all alphabets but the Latin one as capitals. Small
// Cyrillic letters look like small capitals, "вов" like "bob", but in Unicode's table only "ВОВ"
// does; and the small palochka looks like "i" there, though its capital looks like "l".
func capitals(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= unicode.MaxASCII || unicode.Is(unicode.Latin, r) {
			return r
		}
		return unicode.ToUpper(r)
	}, s)
}

// lettersOf returns the letters and digits of s, without marks on them.
func lettersOf(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return r
		}
		return -1
	}, norm.NFKD.String(s))
}

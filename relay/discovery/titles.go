package discovery

import (
	"cmp"
	"strings"
)

// compareTitles compares titles as people sort them: in any case, and numbers by their value, so
// that "room 2" is before "room 10".
func compareTitles(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	for a != "" && b != "" {
		digitsA, digitsB := leadingDigits(a), leadingDigits(b)
		if digitsA > 0 && digitsB > 0 {
			if c := compareNumbers(a[:digitsA], b[:digitsB]); c != 0 {
				return c
			}
			a, b = a[digitsA:], b[digitsB:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

func leadingDigits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// compareNumbers compares numbers of any length by their value, then by their leading zeros.
func compareNumbers(a, b string) int {
	bareA, bareB := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(bareA), len(bareB)), strings.Compare(bareA, bareB), cmp.Compare(len(a), len(b)))
}

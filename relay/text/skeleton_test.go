package text

import (
	"testing"
	"unicode"
)

// A failure after an update of Go: run go generate ./relay/text.
func TestLookAlikesAreOfThisUnicode(t *testing.T) {
	if lookAlikeVersion != unicode.Version {
		t.Errorf("the table of look-alikes is of Unicode %s, Go has %s; run go generate", lookAlikeVersion, unicode.Version)
	}
}

// Every character of the table clashes with what it looks like, and so does its other case: the
// two cases are one nick.
func TestEveryLookAlikeClashes(t *testing.T) {
	for _, l := range lookAlikes {
		a, b := NickKeys(string(l.from)), NickKeys(lookAlikeTargets[l.to])
		if !clash(a[:], b[:]) {
			t.Errorf("keys of %+q and %+q: %+q, %+q", l.from, lookAlikeTargets[l.to], a, b)
		}
		upper := unicode.ToUpper(l.from)
		if unicode.Is(unicode.Latin, l.from) || upper == l.from { // i and I, which looks like l, are one nick, too
			continue
		}
		looks := NickKeys(lookAlikeOf(upper))
		if !clash(a[:], looks[:]) {
			t.Errorf("keys of %+q, and of %+q that its capital looks like: %+q, %+q", l.from, lookAlikeOf(upper), a, looks)
		}
	}
}

func lookAlikeOf(r rune) string {
	for _, l := range lookAlikes {
		if l.from == r {
			return lookAlikeTargets[l.to]
		}
	}
	return string(r)
}

// A folded skeleton is its own, in fewer steps than are made.
func TestFoldedSkeletonIsStable(t *testing.T) {
	t.Parallel()
	longest := 0
	for r := range rune(unicode.MaxRune + 1) {
		steps, s := 0, string(r)
		for next := fold(skeleton(s)); next != s; next = fold(skeleton(s)) {
			if s, steps = next, steps+1; steps > maxFolds {
				t.Fatalf("%+q does not get stable: %+q", r, s)
			}
		}
		if got := foldedSkeleton(string(r)); got != s {
			t.Errorf("the folded skeleton of %+q is %+q, want %+q", r, got, s)
		}
		longest = max(longest, steps)
	}
	if longest >= maxFolds {
		t.Errorf("the longest chain has %d steps", longest)
	}
	t.Logf("the longest chain has %d steps", longest)
}

package screen

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"chat/relay/text"
)

// This file finds links, mentions and other words in a text. The page has the same rules for links and mentions, in
// relay/web/page/words.js, and the table in testdata/words.json holds both to them.

// linksIn returns where text has http and https links.
func linksIn(text string) (at []span) {
	for i := 0; ; {
		sep := strings.Index(text[i:], "://")
		if sep < 0 {
			return at
		}
		scheme := schemeBefore(text[i : i+sep])
		i += sep + len("://")
		if scheme == 0 {
			continue
		}
		if n := linkLength(text[i:]); n > 0 {
			at = append(at, span{i - len("://") - scheme, i + n})
			i += n
		}
	}
}

// schemeBefore returns the length of the scheme of a link at the end of s; 0: none.
func schemeBefore(s string) int {
	for _, scheme := range []string{"https", "http"} {
		if n := len(s) - len(scheme); n >= 0 && strings.EqualFold(s[n:], scheme) && !continues(s[:n], scheme) {
			return len(scheme)
		}
	}
	return 0
}

// linkLength returns how many bytes at the start of s belong to a link. Punctuation at
// the end of a sentence does not, nor does a closing bracket that the link did not open.
func linkLength(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool { return !inLink(r) })
	if n < 0 {
		n = len(s)
	}
	var open [len(closing)]int // brackets without a partner
	for i := range open {
		open[i] = strings.Count(s[:n], opening[i:i+1]) - strings.Count(s[:n], closing[i:i+1])
	}
	for ; n > 0; n-- {
		c := s[n-1]
		i := strings.IndexByte(closing, c)
		switch {
		case i >= 0 && open[i] < 0:
			open[i]++
		case strings.IndexByte(".,;:!?'*_", c) < 0:
			return n
		}
	}
	return 0
}

const opening, closing = "([{", ")]}"

// inLink reports whether r can be part of a link: RFC 3986, and letters of all scripts.
func inLink(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && r < 0x7f && !strings.ContainsRune("<>\"`", r)
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.N)
}

// mentions reports whether s contains nick as a word of its own.
func mentions(s, nick string) bool { return len(mentionsIn(s, nick)) > 0 }

// mentionsIn returns where s contains nick as a word of its own.
func mentionsIn(s, nick string) []span {
	return slices.DeleteFunc(findFold(s, nick), func(at span) bool {
		return continues(s[:at.from], nick) || isContinued(nick, s[at.to:])
	})
}

// inWord reports whether letters beside r are in its word; in scripts without spaces that cannot be known.
func inWord(r rune) bool { return isWord(r) && !text.IsSpaceless(r) }

// continues reports whether nick is part of the word that before ends with.
func continues(before, nick string) bool {
	last, _ := utf8.DecodeLastRuneInString(before)
	first, _ := utf8.DecodeRuneInString(nick)
	return before != "" && inWord(last) && !text.IsSpaceless(first)
}

// isContinued reports whether rest is part of the word that starts with nick: "alice-2" is
// another member.
func isContinued(nick, rest string) bool {
	if len(rest) > 1 && rest[0] == '-' && rest[1] >= '0' && rest[1] <= '9' {
		return true
	}
	last, _ := utf8.DecodeLastRuneInString(nick)
	next, _ := utf8.DecodeRuneInString(rest)
	return rest != "" && inWord(next) && !text.IsSpaceless(last)
}

// findFold returns where s contains want, ignoring case and how accents are encoded.
func findFold(s, want string) (at []span) {
	if want == "" {
		return nil
	}
	want = norm.NFC.String(want)
	composed, starts := compose(s)
	for i := 0; i < len(composed); {
		if n := foldedPrefix(composed[i:], want); n > 0 {
			if starts == nil {
				at = append(at, span{i, i + n})
			} else {
				at = append(at, span{starts[i], starts[i+n]})
			}
			i += n
			continue
		}
		for i++; i < len(composed) && !utf8.RuneStart(composed[i]); i++ {
		}
	}
	return at
}

// compose returns s in NFC, and where in s the character starts that each of its bytes belongs to; nil: s is
// in NFC.
func compose(s string) (composed string, starts []int) {
	if norm.NFC.IsNormalString(s) {
		return s, nil
	}
	var b strings.Builder
	var segments norm.Iter
	segments.InitString(norm.NFC, s)
	for !segments.Done() {
		at := segments.Pos()
		segment := segments.Next()
		b.Write(segment)
		for range segment {
			starts = append(starts, at)
		}
	}
	return b.String(), append(starts, len(s))
}

// foldedPrefix returns how many bytes at the start of text are want, ignoring case; 0:
// none. The two can differ in length, as the Kelvin sign and "k" do.
func foldedPrefix(text, want string) int {
	n := 0
	for want != "" {
		if n == len(text) {
			return 0
		}
		a, alen := utf8.DecodeRuneInString(text[n:])
		b, blen := utf8.DecodeRuneInString(want)
		if a != b && !sameFold(a, b) {
			return 0
		}
		n += alen
		want = want[blen:]
	}
	return n
}

func sameFold(a, b rune) bool {
	if a < utf8.RuneSelf && b < utf8.RuneSelf {
		return a|0x20 == b|0x20 && a|0x20 >= 'a' && a|0x20 <= 'z'
	}
	for r := unicode.SimpleFold(a); r != a; r = unicode.SimpleFold(r) {
		if r == b {
			return true
		}
	}
	return false
}

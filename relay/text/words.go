package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// This file defines which messages a search finds, on the host and in a client.

// A Query is a list of words to search for, folded.
type Query []string

const (
	// maxQueryWords is the number of words in a query at most; further words are ignored.
	maxQueryWords = 16

	// PrefixBytes is the length, in bytes, from which a word of a query also matches longer
	// words that begin with it. One or two letters would match most of a history.
	PrefixBytes = 3
)

// NewQuery returns the query for words as people type them.
func NewQuery(words string) Query {
	q := Query(Words(words))
	return q[:min(len(q), maxQueryWords)]
}

// Matches reports whether text contains all words of the query. An empty query matches
// every text.
func (q Query) Matches(text string) bool {
	var found [maxQueryWords]bool
	left := len(q)
	eachWord(text, func(_, _ int, word string) bool {
		for i, wanted := range q {
			if !found[i] && begins(word, wanted) {
				found[i] = true
				left--
			}
		}
		return left > 0
	})
	return left == 0
}

// Find calls found for each word of text, text[from:to], that matches a word of the query.
func (q Query) Find(text string, found func(from, to int)) {
	eachWord(text, func(from, to int, word string) bool {
		for _, wanted := range q {
			if begins(word, wanted) {
				found(from, to)
				break
			}
		}
		return true
	})
}

func begins(word, wanted string) bool {
	return word == wanted || len(wanted) >= PrefixBytes && strings.HasPrefix(word, wanted)
}

// Words returns the words of text, folded: without case and accents, as SQLite's
// unicode61 tokenizer does (https://www.sqlite.org/fts5.html, section 4.3.1).
func Words(text string) (words []string) {
	eachWord(text, func(_, _ int, word string) bool {
		words = append(words, word)
		return true
	})
	return words
}

// eachWord calls yield for each word, text[from:to], with its folded form, until yield
// returns false.
func eachWord(text string, yield func(from, to int, word string) bool) {
	for from := 0; from < len(text); {
		to := from
		for to < len(text) {
			r, n := utf8.DecodeRuneInString(text[to:])
			if !inWord(r) {
				break
			}
			to += n
		}
		if word := folded(text[from:to]); word != "" && !yield(from, to, word) {
			return
		}
		_, n := utf8.DecodeRuneInString(text[to:])
		from = to + n
	}
}

func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9'
	}
	return unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Co)
}

// folded returns word without case and accents.
func folded(word string) string {
	for i := range len(word) {
		if word[i] >= utf8.RuneSelf {
			word = norm.NFD.String(cases.Fold().String(word))
			return strings.Map(func(r rune) rune {
				if unicode.Is(unicode.Mn, r) {
					return -1
				}
				return r
			}, word)
		}
	}
	return strings.ToLower(word)
}

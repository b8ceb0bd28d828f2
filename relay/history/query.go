package history

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// A query is the words to search for, folded.
type query []string

// maxQueryWords bounds a query; what is typed behind them does not count.
const maxQueryWords = 16

// prefixBytes is from how many bytes on a word of a query stands for all that begin
// with it. Beginnings of one or two letters are most of a history.
const prefixBytes = 3

func newQuery(words string) query {
	q := query(wordsOf(words))
	return q[:min(len(q), maxQueryWords)]
}

// wordsOf splits text into its words, folded: without case and accents, as SQLite's
// unicode61 tokenizer does (https://www.sqlite.org/fts5.html, section 4.3.1).
func wordsOf(text string) []string {
	text = norm.NFD.String(cases.Fold().String(text))
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, text)
	return strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Co)
	})
}

// matches reports whether text has all words of the query.
func (q query) matches(text string) bool {
	words := wordsOf(text)
	for _, wanted := range q {
		if !contains(words, wanted) {
			return false
		}
	}
	return true
}

func contains(words []string, wanted string) bool {
	for _, w := range words {
		if w == wanted || len(wanted) >= prefixBytes && strings.HasPrefix(w, wanted) {
			return true
		}
	}
	return false
}

// fts returns the query as FTS5 takes it: all words, each quoted.
func (q query) fts() string {
	var b strings.Builder
	for _, w := range q {
		b.WriteString(` "` + w + `"`) // no quote is in a word
		if len(w) >= prefixBytes {
			b.WriteByte('*')
		}
	}
	return b.String()
}

// foldedWords returns the words of text as they are found by a query.
func foldedWords(text string) string { return strings.Join(wordsOf(text), " ") }

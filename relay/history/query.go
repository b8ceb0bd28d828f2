package history

import (
	"strings"

	"chat/relay/text"
)

// A query is the words of a search, folded as the file's index has them.
type query text.Query

func newQuery(words string) query { return query(text.NewQuery(words)) }

// matches reports whether s has all words of the query.
func (q query) matches(s string) bool { return text.Query(q).Matches(s) }

// fts returns the query in the syntax of FTS5: all words, each quoted.
func (q query) fts() string {
	var b strings.Builder
	for _, w := range q {
		b.WriteString(` "` + w + `"`) // words have no quotes
		if len(w) >= text.PrefixBytes {
			b.WriteByte('*')
		}
	}
	return b.String()
}

// foldedWords returns the words of s in the form that queries match.
func foldedWords(s string) string { return strings.Join(text.Words(s), " ") }

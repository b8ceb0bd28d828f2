package history

import (
	"strings"

	"chat/relay/text"
)

// A query is the words to search for, as the file's index and the lines in memory have
// them.
type query text.Query

func newQuery(words string) query { return query(text.NewQuery(words)) }

// matches reports whether text has all words of the query.
func (q query) matches(s string) bool { return text.Query(q).Matches(s) }

// fts returns the query as FTS5 takes it: all words, each quoted.
func (q query) fts() string {
	var b strings.Builder
	for _, w := range q {
		b.WriteString(` "` + w + `"`) // no quote is in a word
		if len(w) >= text.PrefixBytes {
			b.WriteByte('*')
		}
	}
	return b.String()
}

// foldedWords returns the words of text as they are found by a query.
func foldedWords(s string) string { return strings.Join(text.Words(s), " ") }

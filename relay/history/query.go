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

// fts returns the query in the syntax of FTS5: all words, each quoted. If it is not exact, it also finds
// messages that do not match.
func (q query) fts() (words string, isExact bool) {
	var b strings.Builder
	lookups, isExact := text.Query(q).Lookups()
	for _, l := range lookups {
		b.WriteString(` "` + l.Word + `"`) // words have no quotes
		if l.Prefix {
			b.WriteByte('*')
		}
	}
	return b.String(), isExact
}

// indexedWords returns the words of s as the file's index has them.
func indexedWords(s string) string { return strings.Join(text.IndexWords(s), " ") }

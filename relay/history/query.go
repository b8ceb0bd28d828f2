package history

import (
	"strings"

	"chat/relay/wire"
)

// A query is the words to search for, as the file's index and the lines in memory have
// them.
type query wire.Query

func newQuery(words string) query { return query(wire.NewQuery(words)) }

// matches reports whether text has all words of the query.
func (q query) matches(text string) bool { return wire.Query(q).Matches(text) }

// fts returns the query as FTS5 takes it: all words, each quoted.
func (q query) fts() string {
	var b strings.Builder
	for _, w := range q {
		b.WriteString(` "` + w + `"`) // no quote is in a word
		if len(w) >= wire.PrefixBytes {
			b.WriteByte('*')
		}
	}
	return b.String()
}

// foldedWords returns the words of text as they are found by a query.
func foldedWords(text string) string { return strings.Join(wire.Words(text), " ") }

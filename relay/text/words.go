package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// This file defines which messages a search finds, on the host and in a client.
//
// A text is split into words, at spaces and punctuation, and into runs of single characters: those of
// scripts without spaces ([IsSpaceless]), and symbols such as emoji. A word matches a whole word, or
// the beginning of one. A run matches anywhere in a longer run.

// A Query is a list of words and runs to search for.
type Query []Term

// A Term is a word or a run of a query, folded.
type Term struct {
	word string // "": it is a run
	run  string // as joinRun joins it
}

const (
	// maxQueryTerms is the number of terms in a query at most; further ones are ignored.
	maxQueryTerms = 16

	// maxRun is the number of characters of a run in a query at most; further ones are ignored.
	maxRun = 64

	// PrefixBytes is the length, in bytes, from which a word of a query also matches longer
	// words that begin with it. One or two letters would match most of a history.
	PrefixBytes = 3
)

// NewQuery returns the query for words as people type them.
func NewQuery(words string) (q Query) {
	s := scanner{text: words}
	for len(q) < maxQueryTerms && s.next() {
		if s.word != "" {
			q = append(q, Term{word: s.word})
		} else {
			q = append(q, Term{run: joinRun(s.run[:min(len(s.run), maxRun)])})
		}
	}
	return q
}

// Matches reports whether text contains all terms of the query. An empty query matches
// every text.
func (q Query) Matches(text string) bool {
	var found [maxQueryTerms]bool
	left := len(q)
	for s := (scanner{text: text}); left > 0 && s.next(); {
		run := ""
		for i := range q {
			if !found[i] && q[i].matches(&s, &run) {
				found[i] = true
				left--
			}
		}
	}
	return left == 0
}

// matches reports whether the item at s has the term. run keeps the item's joined run from one term to
// the next.
func (t *Term) matches(s *scanner, run *string) bool {
	switch {
	case t.word != "":
		return s.word != "" && begins(s.word, t.word)
	case s.word != "":
		return false
	case *run == "":
		*run = joinRun(s.run)
	}
	return strings.Contains(*run, t.run)
}

// Find calls found for each part of text, text[from:to], that matches a term of the query, in order.
func (q Query) Find(text string, found func(from, to int)) {
	for s := (scanner{text: text}); s.next(); {
		if s.word == "" {
			q.findInRun(&s, found)
			continue
		}
		for i := range q {
			if q[i].word != "" && begins(s.word, q[i].word) {
				found(s.from, s.to)
				break
			}
		}
	}
}

// findInRun is Find for the characters of one run. Terms that overlap are found as one part.
func (q Query) findInRun(s *scanner, found func(from, to int)) {
	run := joinRun(s.run)
	marked := make([]bool, len(s.run))
	for i := range q {
		if q[i].run == "" {
			continue
		}
		count := strings.Count(q[i].run, runEdge) - 1
		first, end := 0, 0 // the character at run[at:], and the first one that is not marked yet
		for at := 0; ; at, first = at+len(runEdge), first+1 {
			n := strings.Index(run[at:], q[i].run)
			if n < 0 {
				break
			}
			first += strings.Count(run[at:at+n], runEdge)
			at += n
			for end = max(end, first); end < first+count; end++ {
				marked[end] = true
			}
		}
	}
	for i := 0; i < len(marked); i++ {
		if !marked[i] {
			continue
		}
		end := i
		for end < len(marked) && marked[end] {
			end++
		}
		found(s.starts[i], s.ends[end-1])
		i = end
	}
}

func begins(word, wanted string) bool {
	return word == wanted || len(wanted) >= PrefixBytes && strings.HasPrefix(word, wanted)
}

// runEdge is before, between and after the characters of a joined run, so that no part of a character
// matches. It is in no run.
const runEdge = "\x00"

func joinRun(chars []string) string {
	return runEdge + strings.Join(chars, runEdge) + runEdge
}

// --- for an index ----------------------------------------------------------------------

// IndexWords returns the words by which an index finds text: its words, the characters of its runs,
// and each two neighbours in a run.
func IndexWords(text string) (words []string) {
	for s := (scanner{text: text}); s.next(); {
		if s.word != "" {
			words = append(words, s.word)
			continue
		}
		for i, char := range s.run {
			words = append(words, char)
			if i > 0 {
				words = append(words, s.run[i-1]+char)
			}
		}
	}
	return words
}

// A Lookup is a word to look up in an index.
type Lookup struct {
	Word   string
	Prefix bool // it matches longer words, too
}

// Lookups returns the words that the index has for each text that matches. isExact is whether it has them
// for those texts only; if not, each text that the index finds is to be checked with Matches.
func (q Query) Lookups() (lookups []Lookup, isExact bool) {
	isExact = true
	for _, t := range q {
		if t.word != "" {
			lookups = append(lookups, Lookup{t.word, len(t.word) >= PrefixBytes})
			continue
		}
		chars := strings.Split(strings.Trim(t.run, runEdge), runEdge)
		if len(chars) == 1 {
			lookups = append(lookups, Lookup{Word: chars[0]})
		}
		for i := 1; i < len(chars); i++ {
			lookups = append(lookups, Lookup{Word: chars[i-1] + chars[i]})
		}
		isExact = isExact && len(chars) <= 2
	}
	return lookups, isExact
}

// --- splitting -------------------------------------------------------------------------

// A scanner splits a text into words and runs.
type scanner struct {
	text string
	at   int // where the next item is looked for

	// The current item: a word, text[from:to], or a run.
	word         string // folded; "": a run
	from, to     int
	run          []string // its characters, folded
	starts, ends []int    // of the characters
}

// next goes to the next item. It returns false at the end.
func (s *scanner) next() bool {
	for s.at < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[s.at:])
		switch {
		case inWord(r):
			s.readWord()
			if s.word != "" {
				return true
			}
		case isSingle(r):
			s.readRun()
			return true
		default:
			s.at += n
		}
	}
	return false
}

// readWord reads a word. If only marks are there, it is "".
func (s *scanner) readWord() {
	s.from = s.at
	for s.at < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[s.at:])
		if !inWord(r) {
			break
		}
		s.at += n
	}
	s.to = s.at
	s.word = folded(s.text[s.from:s.to])
}

// readRun reads characters that stand for themselves.
func (s *scanner) readRun() {
	s.word, s.run, s.starts, s.ends = "", s.run[:0], s.starts[:0], s.ends[:0]
	for s.at < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[s.at:])
		if !isSingle(r) {
			return
		}
		from := s.at
		for s.at += n; s.at < len(s.text); s.at += n {
			if r, n = utf8.DecodeRuneInString(s.text[s.at:]); !extends(r) {
				break
			}
		}
		s.run = append(s.run, foldedSingle(s.text[from:s.at]))
		s.starts, s.ends = append(s.starts, from), append(s.ends, s.at)
	}
}

func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9'
	}
	return unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Co) && !IsSpaceless(r)
}

// isSingle reports whether r is in a run.
func isSingle(r rune) bool {
	if r < 0xa0 {
		return false
	}
	return isSymbol(r) || IsSpaceless(r) && unicode.In(r, unicode.L, unicode.N, unicode.M)
}

// extends reports whether r belongs to the character before it in a run: it is a mark, a joiner or a
// variation selector of an emoji, or a vowel or final consonant of a Korean syllable.
func extends(r rune) bool {
	return r >= firstMark && (isJoiner(r) || r >= 0x1160 && r <= 0x11ff || r >= 0xd7b0 && r <= 0xd7ff || unicode.Is(unicode.M, r))
}

const firstMark = 0x0300

// foldedSingle returns a character of a run without case and without what only chooses how an emoji
// looks. Accents stay: they are letters in these scripts.
func foldedSingle(char string) string {
	char = strings.ToLower(norm.NFC.String(char))
	if strings.IndexFunc(char, isJoiner) < 0 {
		return char
	}
	return strings.Map(func(r rune) rune {
		if isJoiner(r) {
			return -1
		}
		return r
	}, char)
}

// folded returns word without case and accents, as SQLite's unicode61 tokenizer does
// (https://www.sqlite.org/fts5.html, section 4.3.1).
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

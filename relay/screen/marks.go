package screen

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file finds the marks that people write in messages: `code`, **bold** and _italic_. They
// are a convention of clients; the host and other members get the text as it was typed. The
// page has the same rules, and the table in testdata/marks.json holds both to them.
//
//   - A delimiter (one backtick, two asterisks or one underscore; a longer or shorter run is not
//     one) opens a marked text at the start of a row or after a space or "(", if a character
//     other than a space follows.
//   - It closes the text anywhere else, if it is at the end of the row or before a space or
//     punctuation. So __init__, snake_case and **/*.go are not marked.
//   - An opening and the next delimiter of its kind form a mark, if that closes. Of two openings in
//     succession only the second can.
//   - Code and links contain no marks. Code is found first, and text around code is neither bold
//     nor italic. Marks do not nest.

// A markKind is the meaning of a mark.
type markKind uint8

const (
	codeMark markKind = iota
	boldMark
	italicMark
)

// delimiters are those before and after a marked text, by kind.
var delimiters = [...]string{codeMark: "`", boldMark: "**", italicMark: "_"}

// An inlineMark is a marked text, with the delimiters around it.
type inlineMark struct {
	span
	kind markKind
}

// inner returns the marked text without its delimiters.
func (w inlineMark) inner() span {
	n := len(delimiters[w.kind])
	return span{w.from + n, w.to - n}
}

// A delimiter is a run of characters that can begin or end a marked text.
type delimiter struct {
	at            int
	kind          markKind
	opens, closes bool
}

// inlineMarksIn returns the marked texts in row, which has no newlines, in order. It takes time in
// proportion to the row's length, whatever is in it.
func inlineMarksIn(row string) (found []inlineMark) {
	if !strings.ContainsAny(row, "`*_") {
		return nil
	}
	delims := delimitersIn(row)
	code := pairs(delims, nil, codeMark)
	found = append(code, pairs(delims, code, boldMark, italicMark)...)
	slices.SortFunc(found, func(a, b inlineMark) int { return a.from - b.from })
	return found
}

// delimitersIn returns the delimiters in row. Those in links are none.
func delimitersIn(row string) (found []delimiter) {
	links := linksIn(row)
	for i := 0; i < len(row); {
		next := strings.IndexAny(row[i:], "`*_")
		if next < 0 {
			break
		}
		i += next
		end := i + 1
		for end < len(row) && row[end] == row[i] {
			end++
		}
		for len(links) > 0 && links[0].to <= i {
			links = links[1:]
		}
		if len(links) == 0 || links[0].from > i {
			if s, ok := delimiterAt(row, i, end); ok {
				found = append(found, s)
			}
		}
		i = end
	}
	return found
}

// delimiterAt returns the delimiter that the run of equal characters row[from:to] is, if it is one.
func delimiterAt(row string, from, to int) (delimiter, bool) {
	s := delimiter{at: from}
	switch row[from:to] {
	case delimiters[codeMark]:
		s.kind = codeMark
	case delimiters[boldMark]:
		s.kind = boldMark
	case delimiters[italicMark]:
		s.kind = italicMark
	default:
		return s, false
	}
	before, _ := utf8.DecodeLastRuneInString(row[:from])
	after, n := utf8.DecodeRuneInString(row[to:])
	if n > 1 && needsBase(row[to:to+n]) { // the run's last character has a mark of its own
		return s, false
	}
	atStart, atEnd := from == 0, to == len(row)
	s.opens = (atStart || before == '(' || unicode.IsSpace(before)) && !atEnd && !unicode.IsSpace(after)
	s.closes = !atStart && before != '(' && !unicode.IsSpace(before) && (atEnd || unicode.IsSpace(after) || unicode.IsPunct(after))
	return s, s.opens || s.closes
}

// pairs returns the marked texts of the given kinds between delimiters, outside of code and not
// around it.
func pairs(delims []delimiter, code []inlineMark, kinds ...markKind) (found []inlineMark) {
	next := nextOfKind(delims)
	for i := 0; i < len(delims); i++ {
		s, n := delims[i], next[i]
		for len(code) > 0 && code[0].to <= s.at {
			code = code[1:]
		}
		switch {
		case !s.opens || n == 0 || !delims[n].closes || !slices.Contains(kinds, s.kind):
		case len(code) > 0 && code[0].from < delims[n].at: // one is in code, or it is between them
		default:
			found = append(found, inlineMark{span{s.at, delims[n].at + len(delimiters[s.kind])}, s.kind})
			i = n
		}
	}
	return found
}

// nextOfKind returns for each delimiter the next one of its kind; 0: there is none.
func nextOfKind(delims []delimiter) []int {
	next := make([]int, len(delims))
	var last [len(delimiters)]int
	for i := len(delims) - 1; i >= 0; i-- {
		next[i], last[delims[i].kind] = last[delims[i].kind], i
	}
	return next
}

// inlineMarksInRows returns the marked texts in all rows of text.
func inlineMarksInRows(text string) (found []inlineMark) {
	for at := 0; at < len(text); at = rowEnd(text, at) + 1 {
		for _, w := range inlineMarksIn(text[at:rowEnd(text, at)]) {
			found = append(found, inlineMark{span{at + w.from, at + w.to}, w.kind})
		}
	}
	return found
}

package screen

import (
	"slices"
	"strings"

	"chat/relay/screen/theme"
)

// A passage is the text of an entry as it is drawn: without the delimiters and fences that marks
// and blocks are drawn for.
type passage struct {
	text   string
	marks  []mark // in order
	blocks []codeBlock
}

// A codeBlock is the rows of a block of code in a passage.
type codeBlock struct {
	span
	language string // to be drawn; "": none, or a fence shows it
	grounded bool   // it is drawn on the ground of code
}

// passage returns shown, the text of an entry, with the marks and blocks that its author wrote.
// Where the terminal cannot draw them, they are as they were typed.
func (p *painter) passage(e *entry, shown string) passage {
	if p.printed || !strings.ContainsAny(shown, "`*_") {
		return passage{text: shown}
	}
	r := passageReader{painter: p, entry: e, source: shown}
	for _, b := range blocksIn(shown) {
		r.readRows(b.from)
		r.readBlock(b)
	}
	r.readRows(len(shown))
	r.passage.text = r.kept.String()
	return r.passage
}

// unmarked returns text without its delimiters and fences, as a terminal shows it that can draw all
// marks. Searches and mentions look for words in it.
func unmarked(text string) string {
	if !strings.ContainsAny(text, "`*_") { // most texts, and a search looks at all of them
		return text
	}
	return drawsAll.passage(&entry{}, text).text
}

var drawsAll = &painter{theme: &theme.Theme{Code: "48;5;235"}}

// A passageReader reads a text from start to end.
type passageReader struct {
	painter *painter
	entry   *entry
	source  string
	at      int // in source
	kept    strings.Builder
	passage passage
}

// keep keeps the source up to a byte.
func (r *passageReader) keep(to int) {
	r.kept.WriteString(r.source[r.at:to])
	r.at = to
}

// readRows reads rows of text, up to a byte.
func (r *passageReader) readRows(to int) {
	start := r.at
	for _, w := range inlineMarksInRows(r.source[start:to]) {
		s, ok := r.painter.inlineStyle(r.entry, w.kind)
		if !ok {
			continue
		}
		r.keep(start + w.from)
		r.at = start + w.inner().from
		from := r.kept.Len()
		r.keep(start + w.inner().to)
		r.passage.marks = append(r.passage.marks, mark{span: span{from, r.kept.Len()}, style: s})
		r.at = start + w.to
	}
	r.keep(to)
}

// readBlock reads a block of code.
func (r *passageReader) readBlock(b block) {
	p := r.painter
	if p.theme.Code == "" {
		from := r.kept.Len()
		r.keep(b.to)
		dim := p.unlessCurrent(r.entry, p.theme.Dim, theme.Plain)
		for _, fence := range []span{{b.from, b.code.from}, {b.code.to, b.to}} {
			fence.from, fence.to = fence.from-b.from+from, fence.to-b.from+from
			r.passage.marks = append(r.passage.marks, mark{span: fence, style: dim})
		}
		r.passage.blocks = append(r.passage.blocks, codeBlock{span: span{from, r.kept.Len()}})
		return
	}
	r.keep(b.from)
	r.at = b.code.from
	from := r.kept.Len()
	r.keep(b.code.to)
	r.at = b.to
	r.passage.blocks = append(r.passage.blocks, codeBlock{span{from, r.kept.Len()}, b.language, true})
}

// inlineStyle returns how a marked text is drawn, and whether the terminal can draw it.
func (p *painter) inlineStyle(e *entry, kind markKind) (theme.Style, bool) {
	switch kind {
	case boldMark:
		return theme.Bold, true
	case italicMark:
		return theme.Italic, !p.noItalic
	default:
		return p.codeGround(e), p.theme.Code != ""
	}
}

// codeGround returns the ground of code in an entry.
func (p *painter) codeGround(e *entry) theme.Style {
	return p.unlessCurrent(e, p.theme.Code, theme.Plain)
}

// precede puts a text before the passage. A block of code starts on a row of its own.
func (s *passage) precede(before string) {
	if len(s.blocks) > 0 && s.blocks[0].from == 0 && before != "" {
		before = strings.TrimRight(before, " ") + "\n"
	}
	s.text = before + s.text
	for i := range s.marks {
		s.marks[i].from += len(before)
		s.marks[i].to += len(before)
	}
	for i := range s.blocks {
		s.blocks[i].from += len(before)
		s.blocks[i].to += len(before)
	}
}

// A markQueue gives the marks of one row after the other, so that no row takes longer because
// of those of others.
type markQueue struct {
	open  []mark // that began in earlier rows
	later []mark // in order
}

// in returns the marks in a row that is not above the last one.
func (q *markQueue) in(row span) []mark {
	q.open = slices.DeleteFunc(q.open, func(m mark) bool { return m.to <= row.from })
	for len(q.later) > 0 && q.later[0].from < row.to {
		if m := q.later[0]; m.to > row.from {
			q.open = append(q.open, m)
		}
		q.later = q.later[1:]
	}
	return q.open
}

// --- blocks of code --------------------------------------------------------------------

// codeRows draws a block of code in an entry's text. marks are those of the entry in it.
func (p *painter) codeRows(e *entry, text string, b codeBlock, marks []mark) (rows []string) {
	margin, ground := 0, theme.Plain
	if b.grounded && !p.copying {
		ground = p.codeGround(e)
		if p.layout().length >= 4 { // a wide character fits between the margins
			margin = 1
		}
	}
	spans := p.ruler.wrapCode(text, b.span, p.layout().length-2*margin)
	columns, label := p.codeColumns(text, spans, b.language, p.layout().length-2*margin)
	q := markQueue{later: p.codeMarks(e, text, b, marks)}
	for i, row := range spans {
		drawn := drawMarked(text, row, ground, q.in(row))
		if margin > 0 {
			end := strings.Repeat(" ", columns-p.ruler.width(text[row.from:row.to]))
			if i == 0 {
				end = end[len(label):]
				drawn = ground.Draw(" ") + drawn + ground.Draw(end) + ground.With(p.unlessCurrent(e, p.theme.Dim, theme.Plain)).Draw(label) + ground.Draw(" ")
			} else {
				drawn = ground.Draw(" ") + drawn + ground.Draw(end+" ")
			}
		}
		rows = append(rows, drawn)
	}
	return rows
}

// codeColumns returns how wide a block of code is without its margins, and the language to be
// drawn at the end of its first row; "" if it does not fit.
func (p *painter) codeColumns(text string, rows []span, language string, most int) (columns int, label string) {
	for i, row := range rows {
		w := p.ruler.width(text[row.from:row.to])
		if withLabel := w + 1 + len(language); i == 0 && language != "" && withLabel <= most { // it is ASCII
			w, label = withLabel, language
		}
		columns = max(columns, w)
	}
	return columns, label
}

// codeMarks returns the marks in a block: those of the entry, over the colors of the code.
func (p *painter) codeMarks(e *entry, text string, b codeBlock, marks []mark) (all []mark) {
	code := text[b.from:b.to]
	if b.grounded && !p.isCurrent(e) {
		for _, t := range p.colors.of(code, b.language) {
			all = append(all, mark{span: span{int(t.From), int(t.To)}, style: codeStyle(p.theme, t.Class)})
		}
	}
	for _, m := range marks {
		m.from, m.to = max(m.from, b.from)-b.from, min(m.to, b.to)-b.from
		all = append(all, m)
	}
	all = p.inOrder(code, all)
	for i := range all {
		all[i].from += b.from
		all[i].to += b.from
	}
	return all
}

// wrapCode cuts a part of a text into rows of at most the given width, at newlines and
// otherwise wherever they are full. The rows hold all of it but the newlines.
func (r ruler) wrapCode(text string, part span, columns int) (rows []span) {
	columns = max(columns, 2) // a wide character fits
	for at := part.from; ; {
		end := min(rowEnd(text, at), part.to)
		used := 0
		row := span{at, at}
		for row.to < end {
			char, n := r.first(text[row.to:end])
			if used += n; used > columns {
				rows = append(rows, row)
				row.from, used = row.to, n
			}
			row.to += len(char)
		}
		rows = append(rows, row)
		if at = end + 1; at > part.to {
			return rows
		}
	}
}

// codeTab is how many columns a tab at the start of a row of code takes: with eight, code in
// Go leaves little room for itself beside the nicks.
const codeTab = 4

// untabbed returns text with spaces for the tabs at the start of rows of code.
func untabbed(text string) string {
	if !strings.Contains(text, "\t") {
		return text
	}
	var b strings.Builder
	at := 0
	for _, block := range blocksIn(text) {
		b.WriteString(text[at:block.code.from])
		for row := range strings.SplitAfterSeq(text[block.code.from:block.code.to], "\n") {
			code := strings.TrimLeft(row, "\t")
			b.WriteString(strings.Repeat(" ", codeTab*(len(row)-len(code))))
			b.WriteString(code)
		}
		at = block.code.to
	}
	b.WriteString(text[at:])
	return b.String()
}

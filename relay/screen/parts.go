package screen

// A PartKind is the kind of a part of a message.
type PartKind uint8

const (
	PlainPart  PartKind = iota
	CodePart            // `code`
	BoldPart            // **bold**
	ItalicPart          // _italic_
	BlockPart           // rows between fences
	LinkPart            // an http or https link; in plain text
)

// A Part is a part of the text of a message, without its marks.
type Part struct {
	Kind     PartKind
	Text     string
	Language string // of a block, as it was written
}

// PartsOf returns the parts of a message's text by the rules of the screen and the page. The newlines before and
// after a block belong to no part.
func PartsOf(text string) (parts []Part) {
	at := 0
	for _, b := range blocksIn(text) {
		if b.from > at {
			parts = appendInline(parts, text[at:b.from-1])
		}
		parts = append(parts, Part{BlockPart, text[b.code.from:b.code.to], b.language})
		at = b.to + 1
	}
	if at < len(text) {
		parts = appendInline(parts, text[at:])
	}
	return parts
}

// appendInline appends the parts of a text without blocks.
func appendInline(parts []Part, text string) []Part {
	kinds := [...]PartKind{codeMark: CodePart, boldMark: BoldPart, italicMark: ItalicPart}
	plain := 0
	for _, w := range inlineMarksInRows(text) {
		parts = appendLinked(parts, text[plain:w.from])
		parts = append(parts, Part{Kind: kinds[w.kind], Text: text[w.inner().from:w.inner().to]})
		plain = w.to
	}
	return appendLinked(parts, text[plain:])
}

// appendLinked appends plain text and the links in it.
func appendLinked(parts []Part, text string) []Part {
	at := 0
	add := func(kind PartKind, to int) {
		if to > at {
			parts = append(parts, Part{Kind: kind, Text: text[at:to]})
		}
		at = to
	}
	for _, l := range linksIn(text) {
		add(PlainPart, l.from)
		add(LinkPart, l.to)
	}
	add(PlainPart, len(text))
	return parts
}

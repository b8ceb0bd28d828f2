package screen

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// A markedText is a line of testdata/marks.json, which the page's test reads too: a message and
// its parts. A block stands on rows of its own.
type markedText struct {
	Text  string
	Parts []markedPart
}

type markedPart struct{ Text, Code, Bold, Italic, Block, Language string }

func TestMarks(t *testing.T) {
	b, err := os.ReadFile("testdata/marks.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []markedText
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) == 0 {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		if got := partsOf(c.Text); !slices.Equal(got, c.Parts) {
			t.Errorf("%q:\n got %+v\nwant %+v", c.Text, got, c.Parts)
		}
	}
}

// partsOf returns the parts of a message, as the table has them.
func partsOf(text string) (parts []markedPart) {
	add := func(s string) {
		if s != "" {
			parts = append(parts, markedPart{Text: s})
		}
	}
	inRows := func(text string) {
		plain := 0
		for _, w := range inlineMarksInRows(text) {
			add(text[plain:w.from])
			inner := text[w.inner().from:w.inner().to]
			switch w.kind {
			case codeMark:
				parts = append(parts, markedPart{Code: inner})
			case boldMark:
				parts = append(parts, markedPart{Bold: inner})
			case italicMark:
				parts = append(parts, markedPart{Italic: inner})
			}
			plain = w.to
		}
		add(text[plain:])
	}
	at := 0
	for _, b := range blocksIn(text) {
		if at < b.from {
			inRows(text[at : b.from-1])
		}
		parts = append(parts, markedPart{Block: text[b.code.from:b.code.to], Language: b.language})
		at = b.to + 1
	}
	if at < len(text) {
		inRows(text[at:])
	}
	return parts
}

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

// partsOf returns the parts of a message, as the table has them: without links.
func partsOf(text string) (parts []markedPart) {
	wasText := false
	for _, p := range PartsOf(text) {
		isText := p.Kind == PlainPart || p.Kind == LinkPart
		switch {
		case isText && wasText:
			parts[len(parts)-1].Text += p.Text
		case isText:
			parts = append(parts, markedPart{Text: p.Text})
		case p.Kind == CodePart:
			parts = append(parts, markedPart{Code: p.Text})
		case p.Kind == BoldPart:
			parts = append(parts, markedPart{Bold: p.Text})
		case p.Kind == ItalicPart:
			parts = append(parts, markedPart{Italic: p.Text})
		case p.Kind == BlockPart:
			parts = append(parts, markedPart{Block: p.Text, Language: p.Language})
		}
		wasText = isText
	}
	return parts
}

func TestLinkParts(t *testing.T) {
	want := []Part{{Kind: PlainPart, Text: "see "}, {Kind: LinkPart, Text: "http://a.b/c_d"}, {Kind: PlainPart, Text: ", "}, {Kind: CodePart, Text: "http://e"}}
	if got := PartsOf("see http://a.b/c_d, `http://e`"); !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

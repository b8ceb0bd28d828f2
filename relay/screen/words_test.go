package screen

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// The screen and the page find the same mentions and links. The page's test reads this table, too.
func TestWordsOfThePageToo(t *testing.T) {
	b, err := os.ReadFile("testdata/words.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Mentions []struct {
			Text, Nick string
			Mentioned  bool
		}
		Links []struct {
			Text  string
			Links []string
		}
	}
	if err := json.Unmarshal(b, &table); err != nil || len(table.Mentions) == 0 || len(table.Links) == 0 {
		t.Fatalf("%+v, %v", table, err)
	}
	for _, test := range table.Mentions {
		if got := mentions(test.Text, test.Nick); got != test.Mentioned {
			t.Errorf("%q mentions %q: %v", test.Text, test.Nick, got)
		}
	}
	for _, test := range table.Links {
		var got []string
		for _, s := range linksIn(test.Text) {
			got = append(got, test.Text[s.from:s.to])
		}
		if !slices.Equal(got, test.Links) {
			t.Errorf("links in %q: %q, want %q", test.Text, got, test.Links)
		}
	}
}

// A match is where it is in the text as it came, composed or not.
func TestFindFoldDecomposed(t *testing.T) {
	const text = "e\u0301te\u0301 Jose\u0301!"
	if at := findFold(text, "José"); len(at) != 1 || text[at[0].from:at[0].to] != "Jose\u0301" {
		t.Errorf("found at %v", at)
	}
}

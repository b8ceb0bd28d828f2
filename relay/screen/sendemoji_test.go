package screen

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"chat/relay/wire"
)

// The messages in testdata/emoji.json are those that the page's test reads, too.
func TestWithEmoji(t *testing.T) {
	table, err := os.ReadFile("testdata/emoji.json")
	if err != nil {
		t.Fatal(err)
	}
	var messages map[string]string
	if err := json.Unmarshal(table, &messages); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		"/me parties :tada:":                       "/me parties 🎉",
		"/msg bob :tada: :100:":                    "/msg bob 🎉 💯",
		"/msg :tada: hi":                           "/msg :tada: hi",
		"/msg  bob  :tada:":                        "/msg  bob  🎉",
		"/topic :tada:":                            "/topic :tada:",
		"/nick :tada:":                             "/nick :tada:",
		"//who :tada:":                             "//who 🎉",
		"/nosuch :tada:":                           "/nosuch :tada:",
		strings.Repeat(":v:", wire.MessageBytes/3): strings.Repeat(":v:", wire.MessageBytes/3), // they would be twice as long
	}
	maps.Copy(cases, messages)
	for typed, want := range cases {
		if got := withEmoji(typed); got != want {
			t.Errorf("%.80q: %.80q, want %.80q", typed, got, want)
		}
	}
}

// Every name that Tab completes works, and a text of nothing but colons takes no longer than others.
func TestExpandEmoji(t *testing.T) {
	for _, e := range emoji {
		for name := range strings.FieldsSeq(e.names) {
			if got := expandEmoji(":" + name + ":"); got != e.text {
				t.Errorf(":%s: is %q, want %q", name, got, e.text)
			}
		}
	}
	for _, unit := range []string{":", ":tada", ":tada:", ":x:y"} {
		expandEmoji(strings.Repeat(unit, wire.MessageBytes/len(unit)))
	}
}

package screen

import (
	"strings"
	"testing"

	"chat/relay/text"
)

func TestEmoji(t *testing.T) {
	named, shown := make(map[string]string), make(map[string]bool)
	for _, e := range emoji {
		if shown[e.text] {
			t.Errorf("%s is in the table twice", e.text)
		}
		shown[e.text] = true
		if character(e.text) != e.text || rulers["clusters"].width(e.text) != 2 {
			t.Errorf("%s (%+q) is not one character of two columns", e.text, e.text)
		}
		if cleaned := text.CleanLines(e.text); cleaned != e.text {
			t.Errorf("%+q is cleaned to %+q", e.text, cleaned)
		}
		if e.names == "" {
			t.Errorf("%s has no name", e.text)
		}
		for name := range strings.FieldsSeq(e.names) {
			if named[name] != "" {
				t.Errorf("%s and %s are both named %s", named[name], e.text, name)
			}
			named[name] = e.text
			if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_+-") != "" {
				t.Errorf("%s cannot be typed", name)
			}
			if fits := completeEmoji(":" + name + ":"); len(fits) != 1 || fits[0].text != e.text {
				t.Errorf(":%s: is %v", name, fits)
			}
		}
	}
}

// The name itself comes first, then the common ones, then those with the word inside.
func TestEmojiOrder(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{":x", "❌"},
		{":cat", "🐱"},
		{":heart", "❤️ 🫶 😍 🥰 😘 💔"},
		{":thumbs", "👍 👎"},
		{":zzzz", ""},
	} {
		var got []string
		for _, c := range completeEmoji(test.name) {
			got = append(got, c.text)
		}
		if !strings.HasPrefix(strings.Join(got, " "), test.want) || test.want == "" && got != nil {
			t.Errorf("%s: %v, want %s", test.name, got, test.want)
		}
	}
}

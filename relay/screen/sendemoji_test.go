package screen

import (
	"strings"
	"testing"

	"chat/relay/wire"
)

func TestWithEmoji(t *testing.T) {
	for typed, want := range map[string]string{
		":tada:":                                   "🎉",
		"done :tada:, :+1::-1:!":                   "done 🎉, 👍👎!",
		"行った:tada:":                                "行った🎉",
		"(:tada:) \n:fire:":                        "(🎉) \n🔥",
		":Tada: :nosuch: : :: :tada tada:":         ":Tada: :nosuch: : :: :tada tada:",
		":nosuch:tada: :tada:nosuch:":              ":nosuch:tada: :tada:nosuch:",
		"10:100:20 std::x::y a:x: :x:b ::x:: :x::": "10:100:20 std::x::y a:x: :x:b ::x:: :x::",
		"`:tada:` :tada: https://a.b/:tada:/c":     "`:tada:` 🎉 https://a.b/:tada:/c",
		"```\n:tada:\n```\n:tada:":                 "```\n:tada:\n```\n🎉",
		"/me parties :tada:":                       "/me parties 🎉",
		"/msg bob :tada: :100:":                    "/msg bob 🎉 💯",
		"/msg :tada: hi":                           "/msg :tada: hi",
		"/msg  bob  :tada:":                        "/msg  bob  🎉",
		"/topic :tada:":                            "/topic :tada:",
		"/nick :tada:":                             "/nick :tada:",
		"//who :tada:":                             "//who 🎉",
		"/nosuch :tada:":                           "/nosuch :tada:",
		strings.Repeat(":v:", wire.MessageBytes/3): strings.Repeat(":v:", wire.MessageBytes/3), // they would be twice as long
	} {
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

package text

import "testing"

func TestProposeNick(t *testing.T) {
	for nick, want := range map[string]string{
		"Anna Maria":                    "Anna-Maria",
		"  Zoë   K. ":                   "Zoë-K.",
		"a@b":                           "a-b",
		"<b>bob</b>":                    "b-bob-b",
		"🦊 Fox":                         "Fox",
		"🦊":                             "",
		"张 伟":                           "张-伟",
		"Bob\u202e":                     "Bob",
		"a name of more than two dozen": "a-name-of-more-than-two",
		"会议会议会议会议会议会议会议": "会议会议会议会议会议会议",
		"host":      "",
		"guest-7":   "",
		"@everyone": "",
		"---":       "",
		"":          "",
	} {
		got := ProposeNick(nick)
		if got != want {
			t.Errorf("for %q: %q, want %q", nick, got, want)
		}
		if valid, err := NormalizeNick(got); got != "" && (err != nil || valid != got) {
			t.Errorf("the proposal %q is not valid: %v", got, err)
		}
	}
}

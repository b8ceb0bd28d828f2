package screen

import (
	"testing"

	tea "charm.land/bubbletea/v2"
)

// Delete deletes in st, where it sends the sequence that is F1 elsewhere.
func TestDeleteOfST(t *testing.T) {
	for terminal, erases := range map[string]bool{"st-256color": true, "st": true, "xterm-256color": false, "": false} {
		inRoom(t, 80, 24, func(t *testing.T, r *rig) {
			r.update(tea.EnvMsg{"TERM=" + terminal})
			r.typed("abc")
			r.keys("home", "ctrl+a", "f1")
			if got := r.m.conversation.composer.editor.text == "bc"; got != erases || r.m.conversation.sheet.isOpen() == erases {
				t.Errorf("TERM=%s: it deletes: %v, want %v", terminal, got, erases)
			}
		})
	}
}

// GNU screen gets no emoji whose width it gets wrong. tmux, whose TERM says screen too, does
// not get them wrong.
func TestNewEmojiInScreen(t *testing.T) {
	for _, test := range []struct {
		env  tea.EnvMsg
		want string
	}{
		{tea.EnvMsg{"TERM=screen.xterm-256color", "STY=1234.pts-0"}, "soup \ufffd🫶\ufffd🍲"},
		{tea.EnvMsg{"TERM=screen-256color", "TMUX=/tmp/tmux"}, "soup 🫨🫶🪿🍲"},
		{tea.EnvMsg{"TERM=xterm", "STY=1234.pts-0"}, "soup 🫨🫶🪿🍲"},
	} {
		inRoom(t, 80, 24, func(t *testing.T, r *rig) {
			r.update(test.env)
			r.say("alice", "soup 🫨🫶🪿🍲")
			r.typed("and 🪿")
			r.want(test.want, "› and "+string([]rune(test.want)[7]))
		})
	}
}

package screen

import (
	"testing"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/wire"
)

// The title of the window says that there are messages until the person looks: how many name
// them, or that there are any.
func TestTitle(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		want := func(title string) {
			t.Helper()
			if got := r.m.view().WindowTitle; got != title {
				t.Errorf("the title is %q, want %q", got, title)
			}
		}
		r.say("alice", "bob: you see this")
		want("kitchen – chat")
		r.update(tea.BlurMsg{})
		r.say("bob", "from another terminal")
		want("kitchen – chat")
		r.say("alice", "soup")
		want("• kitchen – chat")
		r.say("alice", "bob: soup")
		r.happen(client.Received{Event: wire.Event{Type: wire.TypePrivate, Time: noon, From: "carol", To: "bob", Text: "soup"}})
		want("(2) kitchen – chat")
		for range 200 {
			r.say("alice", "bob!")
		}
		want("(99+) kitchen – chat")
		r.update(tea.FocusMsg{})
		want("kitchen – chat")
		r.update(tea.BlurMsg{})
		r.say("alice", "soup")
		want("• kitchen – chat")
		r.keys("x") // the terminal may not report the focus
		want("kitchen – chat")
	})
}

package screen

import (
	"slices"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// openTestField opens a field that notes what it is told.
func openTestField(r *rig) (f *field, events *[]string) {
	events = new([]string)
	f = newField(r.m.ruler, "find")
	f.changed = func(typed string) tea.Cmd { *events = append(*events, typed); return nil }
	f.closed = func() { *events = append(*events, "closed") }
	r.m.conversation.composer.openField(f)
	return f, events
}

// A field takes the composer's row. The message waits, and comes back on every way out.
func TestFieldKeepsTheMessage(t *testing.T) {
	for name, leave := range map[string]func(r *rig){
		"Esc":           func(r *rig) { r.keys("esc") },
		"Ctrl-C":        func(r *rig) { r.keys("ctrl+c") },
		"Ctrl-D":        func(r *rig) { r.keys("ctrl+u", "ctrl+d") },
		"another field": func(r *rig) { openTestField(r); r.keys("esc") },
		"another room":  func(r *rig) { r.update(roomJoined{r.room, Place{Title: "kitchen"}}) },
	} {
		t.Run(name, func(t *testing.T) {
			inRoom(t, 80, 24, func(t *testing.T, r *rig) {
				r.typed("half a line")
				r.keys("left", "left")
				_, events := openTestField(r)
				r.typed("soup")
				r.want("find › soup")
				leave(r)
				if got := r.m.conversation.composer.editor; got.text != "half a line" || got.cursor != len("half a li") {
					t.Errorf("the message is %q, the cursor at %d", got.text, got.cursor)
				}
				r.want("half a line")
				if n := len(*events) - 1; n < 4 || (*events)[3] != "soup" || slices.Index(*events, "closed") != n {
					t.Errorf("the field reported %q", *events)
				}
			})
		})
	}
}

// A field has one line. Keys that scroll still do, and those of the message do nothing.
func TestFieldKeys(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		for range 60 {
			r.say("alice", "x")
		}
		f, _ := openTestField(r)
		f.key = func(name string) (tea.Cmd, bool) { return nil, name == "x" }
		r.typed("soxup")
		r.keys("alt+enter", "ctrl+j", "up", "ctrl+p", "enter", "home")
		r.update(tea.PasteMsg{Content: "one\r\n two "})
		if f.editor.text != "one twosoup" {
			t.Errorf("the field has %q", f.editor.text)
		}
		if r.keys("pgup"); r.m.conversation.view.following {
			t.Error("PgUp does not scroll")
		}
		if len(r.room.asked) > 0 {
			t.Errorf("requested %+v", r.room.asked)
		}
	})
}

package screen

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"chat/relay/client"
	"chat/relay/wire"
)

// In copy mode a row has text only, from edge to edge.
func TestCopying(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		words := strings.TrimSpace(strings.Repeat("soup ", 40))
		r.say("alice", words)
		r.say("alice", "bob: and bread")
		r.happen(client.Received{Event: wire.Event{Type: wire.TypePrivate, Time: noon, From: "carol", To: "bob", Text: "save me some"}})
		r.happen(client.Received{Event: wire.Event{Type: wire.TypeAction, ID: 9, Time: noon, From: "carol", Text: "waves"}})
		r.keys("f2", "f3")
		frame := r.frame()
		for _, want := range []string{
			"\nalice  12:00\nsoup soup", "\nbob: and bread\ncarol → you  12:00\nsave me some\n* carol waves\n", "F3 or Esc goes back.",
		} {
			if !strings.Contains(frame, want) {
				t.Fatalf("no %q in\n%s", want, frame)
			}
		}
		_, text, _ := strings.Cut(frame, "alice  12:00\n")
		if text, _, _ = strings.Cut(text, "\nbob: and bread"); strings.ReplaceAll(text, "\n", " ") != words {
			t.Errorf("there is something else in the text of a message:\n%s", text)
		}
		r.keys("esc")
		r.want("alice   soup", "▌", "│")
	})
}

// The window stays where it is, and follows the end again after copy mode.
func TestCopyingHoldsTheWindow(t *testing.T) {
	for _, leave := range []string{"f3", "esc"} {
		inRoom(t, 60, 12, func(t *testing.T, r *rig) {
			for n := range 30 {
				r.say([]string{"alice", "carol"}[n%2], fmt.Sprint("line ", n))
			}
			r.keys("f3")
			before := r.frame()
			if !strings.Contains(before, "line 29") {
				t.Fatalf("the last message is not shown\n%s", before)
			}
			r.say("alice", "one more")
			after := strings.Replace(r.frame(), "↓ 1 new message below · End: jump there", "line 29", 1)
			if text, _, _ := strings.Cut(before, "line 29"); !strings.HasPrefix(after, text) {
				t.Errorf("a new message moved the text\n%s\nit was\n%s", after, before)
			}
			r.keys(leave)
			r.want("one more", "alice   one more")
			r.keys("pgup", "f3")
			before = r.frame()
			r.keys(leave)
			if r.keys("f3"); r.frame() != before {
				t.Errorf("in and out of copy mode the window moved\n%s\nit was\n%s", r.frame(), before)
			}
		})
	}
}

// It stays where it is even if its rows do not fill the window.
func TestCopyingHoldsAShortTranscript(t *testing.T) {
	inRoom(t, 60, 24, func(t *testing.T, r *rig) {
		r.say("alice", "soup")
		r.keys("f3")
		before, _, _ := strings.Cut(r.frame(), "────\n bob ›")
		r.say("carol", "bread")
		if frame := r.frame(); !strings.HasPrefix(frame, before[:strings.LastIndex(before, "soup")+len("soup")]) || strings.Contains(frame, "bread") {
			t.Errorf("a new message moved the text\n%s\nit was\n%s", frame, before)
		}
		r.want("1 new")
		r.keys("f3")
		r.want("alice   soup", "carol   bread")
		if strings.Contains(r.frame(), "1 new") {
			t.Errorf("it does not follow the end\n%s", r.frame())
		}
	})
}

// The terminal gets the mouse.
func TestCopyingLeavesTheMouse(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.m.opts.Mouse = true
		for _, want := range []tea.MouseMode{tea.MouseModeCellMotion, tea.MouseModeNone, tea.MouseModeCellMotion} {
			if got := r.m.view().MouseMode; got != want {
				t.Errorf("the mouse mode is %v, want %v", got, want)
			}
			r.keys("f3")
		}
	})
}

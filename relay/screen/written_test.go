package screen

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"chat/relay/screen/syntax"
	"chat/relay/wire"
)

// Tokens that are found color the code that is on the screen.
func TestCodeGetsItsColors(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.m.colors, r.m.theme = newCodeColors(), testTheme
		r.say("alice", "look:\n```go\nreturn x\n```")
		keyword := string(testTheme.Code.With(testTheme.Keyword)) + "mreturn"
		r.want("look:", " return x go")
		if strings.Contains(r.m.view().Content, keyword) {
			t.Error("code has colors before they are found")
		}
		job := <-r.m.colors.jobs
		if job != (codeJob{"return x", "go"}) {
			t.Errorf("asked for the colors of %+v", job)
		}
		if r.update(codeColored{codeJob: job, tokens: []syntax.Token{{From: 0, To: 6, Class: syntax.Keyword}}}) == nil {
			t.Error("nothing waits for the next block")
		}
		if !strings.Contains(r.m.view().Content, keyword) {
			t.Errorf("no %q in %q", keyword, r.m.view().Content)
		}
	})
}

// A mention is one however it is written.
func TestMarkedMention(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		for _, text := range []string{"_bob_: soup", "**bob** soup", "`bob`", "```\nbob\n```"} {
			r.say("alice", text)
			if last := r.m.conversation.transcript.entries; !last[len(last)-1].highlight {
				t.Errorf("%q mentions no one", text)
			}
		}
		r.say("alice", "```bob\nsoup\n```")
		if last := r.m.conversation.transcript.entries; last[len(last)-1].highlight {
			t.Error("the language of code mentions someone")
		}
	})
}

func TestSendingEmoji(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.say("alice", "hi")
		for typed, want := range map[string]wire.Request{
			"done :tada:":      {Type: wire.TypeSay, Text: "done 🎉"},
			"`:tada:`":         {Type: wire.TypeSay, Text: "`:tada:`"},
			"/me is :fire:":    {Type: "me", Text: "is 🔥"},
			"/msg alice :+1:":  {Type: "msg", To: "alice", Text: "👍"},
			"/topic :tada: on": {Type: "command", Text: "/topic :tada: on"},
		} {
			r.typed(typed)
			r.keys("enter")
			if n := len(r.room.asked); n == 0 || fmt.Sprint(r.room.asked[n-1]) != fmt.Sprint(want) {
				t.Errorf("%q sends %+v, want %+v", typed, r.room.asked, want)
			}
		}
	})
}

func TestPastingCode(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		r.update(tea.PasteMsg{Content: pastedGo})
		r.want("pasted as code · Ctrl-_ undoes it", "func f() error {")
		r.keys("enter")
		if n := len(r.room.asked); n == 0 || r.room.asked[n-1].Text != "```go\n"+pastedGo+"\n```" {
			t.Errorf("sent %+v", r.room.asked)
		}
	})
}

func TestCopyCode(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		copyCode := func() tea.Cmd {
			r.typed("/copy code")
			return r.keys("enter")
		}
		if copyCode(); !r.shows("No block of code to copy.") {
			t.Errorf("nothing says that there is no code:\n%s", r.frame())
		}
		r.say("alice", "```go\na\n\tb\n```\nthat is it")
		cmd := copyCode()
		r.want("Copied 2 lines of code.")
		if cmd == nil || fmt.Sprint(cmd()) != "a\n\tb" {
			t.Error("another text is copied")
		}
	})
}

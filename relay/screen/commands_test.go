package screen

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"chat/relay/wire"
)

// The screen has a function for exactly the commands that the table leaves to it; those it
// takes over from the host are commands of the host.
func TestCommandsOfTheScreen(t *testing.T) {
	for i := range wire.Commands {
		c := &wire.Commands[i]
		if ours := c.Local&wire.Screen != 0; ours != (screenCommands[c.Name] != nil) {
			t.Errorf("/%s: the table leaves it to the screen: %v; it has a function: %v", c.Name, ours, !ours)
		}
	}
	for name := range screenCommands {
		if wire.CommandNamed(name) == nil {
			t.Errorf("/%s has a function and is not in the table", name)
		}
	}
	for name := range hostCommandsHere {
		if c := wire.CommandNamed(name); c == nil || c.Local != 0 {
			t.Errorf("/%s is not a command of the host", name)
		}
	}
}

func TestCommandBefore(t *testing.T) {
	for _, test := range []struct {
		text, name, rest string
		isCommand        bool
	}{
		{"hello", "", "hello", false},
		{"", "", "", false},
		{"//etc/hosts is a file", "", "//etc/hosts is a file", false},
		{" /who", "", " /who", false},
		{"/", "", "", true},
		{"/who", "who", "", true},
		{"/WHO", "who", "", true},
		{"/msg bob hi  there", "msg", "bob hi  there", true},
		{"/msg  bob", "msg", "bob", true},
		{"/me\nwaves\nand goes", "me", "waves\nand goes", true},
	} {
		name, rest, isCommand := commandBefore(test.text)
		if name != test.name || rest != test.rest || isCommand != test.isCommand {
			t.Errorf("%q is %q %q %v", test.text, name, rest, isCommand)
		}
	}
}

func TestHint(t *testing.T) {
	for _, test := range []struct {
		text     string
		operator bool
		want     string
	}{
		{"hello", false, ""},
		{"//ms", false, ""},
		{"/ms", false, "/msg"},
		{"/m", false, "/me /msg /members"},
		{"/m", true, "/me /msg /members /mute"},
		{"/msg", false, "/msg NICK TEXT  Send a private message."},
		{"/MSG bob hi", false, "/msg NICK TEXT  Send a private message."},
		{"/who", false, "/who  List the members."},
		{"/kick", true, "/kick NICK [REASON]  Disconnect a member."},
		{"/kick bob", false, "/kick NICK [REASON]  only operators can use it"},
		{"/ki", false, "unknown command /ki; put // in front to send it"},
		{"/ms bob", false, "unknown command /ms; put // in front to send it"},
		{"/etc/hosts is", false, "unknown command /etc/hosts; put // in front to send it"},
		{"/who/are/you", false, "unknown command /who/are/you; put // in front to send it"},
		{"/etc/hosts\nis", false, ""},
		{"/quit now\nis", false, ""},
		{"/me is\nhere", false, "/me TEXT  Send an action: /me waves."},
		{"// TODO", false, ""},
	} {
		if got := commandHint(test.text, test.operator); got != test.want {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
	if got := commandHint("/", false); !strings.HasPrefix(got, "/me /msg /r") || strings.Contains(got, "/kick") {
		t.Errorf("a slash: %q", got)
	}
}

// What looks like a command and is none stays in the input, and nothing is sent. A text of several
// lines is a message.
func TestTextThatLooksLikeACommand(t *testing.T) {
	inRoom(t, 80, 24, func(t *testing.T, r *rig) {
		for _, text := range []string{"/usr/lib/foo.so: error", "/nosuch", "/whois bob"} {
			r.typed(text)
			r.keys("enter")
			e := &r.m.conversation.composer.editor
			if len(r.room.asked) > 0 || e.text != text {
				t.Fatalf("%q: sent %v, the input has %q", text, r.room.asked, e.text)
			}
			r.want("unknown command " + strings.Fields(text)[0] + "; put // in front to send it")
			r.keys("/", "enter")
			if n := len(r.room.asked); n != 1 || r.room.asked[0].Text != text || e.text != "" {
				t.Errorf("%q with a slash in front: sent %v", text, r.room.asked)
			}
			r.room.asked = nil
		}
		for _, text := range []string{"/quit now\nand more", "/usr/lib/foo.so: error\n/usr/lib/bar.so", "// TODO: fix", "/kick bob\nplease"} {
			r.update(tea.PasteMsg{Content: text})
			r.keys("enter")
			if n := len(r.room.asked); n != 1 || r.room.asked[0].Text != text || r.room.asked[0].Type != wire.TypeSay {
				t.Errorf("%q: sent %v", text, r.room.asked)
			}
			r.room.asked = nil
		}
	})
}

package screen

import (
	"strings"
	"testing"

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

func TestParseTyped(t *testing.T) {
	for _, test := range []struct {
		text, name, rest string
		isCommand        bool
	}{
		{"hello", "", "hello", false},
		{"", "", "", false},
		{"//etc/hosts is a file", "", "/etc/hosts is a file", false},
		{"//", "", "/", false},
		{" /who", "", " /who", false},
		{"/", "", "", true},
		{"/who", "who", "", true},
		{"/WHO", "who", "", true},
		{"/msg bob hi  there", "msg", "bob hi  there", true},
		{"/msg  bob", "msg", "bob", true},
		{"/me\nwaves\nand goes", "me", "waves\nand goes", true},
	} {
		name, rest, isCommand := parseTyped(test.text)
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
		{"/ki", false, "unknown command /ki; start with // to send a slash"},
		{"/ms bob", false, "unknown command /ms; start with // to send a slash"},
		{"/etc/hosts\nis", false, "unknown command /etc/hosts; start with // to send a slash"},
	} {
		if got := commandHint(test.text, test.operator); got != test.want {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
	if got := commandHint("/", false); !strings.HasPrefix(got, "/nick /me /msg") || strings.Contains(got, "/kick") {
		t.Errorf("a slash: %q", got)
	}
}

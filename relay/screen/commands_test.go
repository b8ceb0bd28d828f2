package screen

import (
	"slices"
	"strings"
	"testing"
)

func TestCommandsTable(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range commands {
		switch {
		case seen[c.name]:
			t.Errorf("/%s is there twice", c.name)
		case c.help == "" || strings.ContainsAny(c.help, "\n"):
			t.Errorf("the help of /%s is %q, and has to be a line", c.name, c.help)
		case c.own && locals[c.name] == nil:
			t.Errorf("nobody carries /%s out", c.name)
		}
		seen[c.name] = true
	}
	for name := range locals {
		if !seen[name] {
			t.Errorf("/%s is carried out and not in the table", name)
		}
	}
	if usages := HostUsages(); !slices.Contains(usages, "/msg NICK TEXT") || slices.Contains(usages, "/invite") {
		t.Errorf("the host's are %q", usages)
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
		text string
		host bool
		want string
	}{
		{"hello", false, ""},
		{"//ms", false, ""},
		{"/ms", false, "/msg"},
		{"/m", false, "/me /msg /members"},
		{"/m", true, "/me /msg /members /mute"},
		{"/msg", false, "/msg NICK TEXT  say something to NICK alone"},
		{"/MSG bob hi", false, "/msg NICK TEXT  say something to NICK alone"},
		{"/who", false, "/who  list who is here"},
		{"/kick", true, "/kick NICK [REASON]  end the session of NICK"},
		{"/kick bob", false, "/kick NICK [REASON]  is for the hosting person alone"},
		{"/ki", false, "there is no command /ki; // at the start says a slash"},
		{"/ms bob", false, "there is no command /ms; // at the start says a slash"},
		{"/etc/hosts\nis", false, "there is no command /etc/hosts; // at the start says a slash"},
	} {
		if got := hint(test.text, test.host); got != test.want {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
	}
	if got := hint("/", false); !strings.HasPrefix(got, "/nick /me /msg") || strings.Contains(got, "/kick") {
		t.Errorf("a slash: %q", got)
	}
}

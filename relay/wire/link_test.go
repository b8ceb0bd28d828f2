package wire

import (
	"reflect"
	"strings"
	"testing"
)

func TestLinked(t *testing.T) {
	const home = "http://192.168.1.9:24280"
	soup := &File{Number: 3, Name: "soup.png", Path: "/files/3/soup.png"}
	for name, test := range map[string]struct {
		text, home, want string
		file             *File
	}{
		"a path":                         {"sent soup.png (1 B): /files/3/soup.png", home, "sent soup.png (1 B): http://192.168.1.9:24280/files/3/soup.png", soup},
		"the link of an older host":      {"sent soup.png (1 B): http://10.0.0.1:1/files/3/soup.png", home, "sent soup.png (1 B): http://192.168.1.9:24280/files/3/soup.png", soup},
		"for programs":                   {"sent soup.png (1 B): http://10.0.0.1:1/files/3/soup.png", "", "sent soup.png (1 B): /files/3/soup.png", soup},
		"a path for programs":            {"sent soup.png (1 B): /files/3/soup.png", "", "", soup},
		"a link that is right":           {"sent soup.png (1 B): http://192.168.1.9:24280/files/3/soup.png", home, "", soup},
		"no file":                        {"see /files/3/soup.png", home, "", nil},
		"another text":                   {"sent soup.png", home, "", soup},
		"words before the path":          {"sent x/files/3/soup.png", home, "", soup},
		"a link to another place":        {"sent http://evil.example/x/files/3/soup.png", home, "", soup},
		"a path that is no upload's":     {"sent /etc/passwd", home, "", &File{Path: "/etc/passwd"}},
		"nothing but a path":             {"/files/3/soup.png", home, home + "/files/3/soup.png", soup},
		"a name with a space is escaped": {"sent a b (1 B): /files/4/a%20b", home, "sent a b (1 B): " + home + "/files/4/a%20b", &File{Path: "/files/4/a%20b"}},
	} {
		e := Event{Type: TypeAction, Text: test.text, File: test.file}
		got := e.Linked(test.home)
		switch {
		case test.want == "" && got != &e:
			t.Errorf("%s: %q became %q", name, test.text, got.Text)
		case test.want != "" && got.Text != test.want:
			t.Errorf("%s: %q became %q, want %q", name, test.text, got.Text, test.want)
		}
		if e.Text != test.text {
			t.Errorf("%s: the event itself changed", name)
		}
	}
	history := Event{Type: TypeHistory, Events: History{{Text: "a"}, {Text: "sent soup: /files/3/soup.png", File: soup}, {Text: "b"}}}
	before := history.Events[1]
	if got := history.Linked(home); got.Events[1].Text != "sent soup: "+home+soup.Path || got.Events[2].Text != "b" {
		t.Errorf("the history became %+v", got.Events)
	}
	if !reflect.DeepEqual(history.Events[1], before) {
		t.Error("the history itself changed")
	}
}

func TestHome(t *testing.T) {
	for addr, want := range map[string]string{
		"192.168.1.5:24280":   "http://192.168.1.5:24280",
		"[fd00::5]:24280":     "http://[fd00::5]:24280",
		"laptop.local:24280":  "http://laptop.local:24280",
		"[fe80::5%eth0]:2428": "", // the zone is this machine's
		"pipe":                "",
		":24280":              "",
		"":                    "",
	} {
		if got := Home(addr, false); got != want {
			t.Errorf("Home(%q) = %q, want %q", addr, got, want)
		}
		if got := Home(addr, true); got != strings.Replace(want, "http:", "https:", 1) {
			t.Errorf("Home(%q, true) = %q", addr, got)
		}
	}
}

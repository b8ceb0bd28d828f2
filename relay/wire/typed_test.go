package wire

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// A typedCase is a line of testdata/typed.json, which the page's test reads too.
type typedCase struct {
	Text    string
	Message string
	Command string
	Args    string
	Unknown bool
}

func TestParseTyped(t *testing.T) {
	b, err := os.ReadFile("testdata/typed.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []typedCase
	if err := json.Unmarshal(b, &cases); err != nil || len(cases) == 0 {
		t.Fatal(len(cases), err)
	}
	for _, want := range cases {
		typed, err := ParseTyped(want.Text, Page)
		got := typedCase{Text: want.Text, Message: typed.Message, Args: typed.Args, Unknown: err != nil}
		if typed.Command != nil {
			got.Command = typed.Command.Name
		}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// What looks like a command and is none comes back whole, with what to do.
func TestUnknownCommand(t *testing.T) {
	for line, want := range map[string]string{
		"/etc/hosts looks wrong": "unknown command /etc/hosts; /help lists them\nput // in front to send it: //etc/hosts looks wrong",
		"/copy 2":                "unknown command /copy; /help lists them\nput // in front to send it: //copy 2", // the screen's
		"/" + strings.Repeat("é", 100): "unknown command /" + strings.Repeat("é", 31) +
			"…; /help lists them\nput // in front to send it: //" + strings.Repeat("é", 100),
	} {
		if _, err := ParseTyped(line, 0); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
	if _, err := ParseTyped("/copy 2", Screen); err != nil {
		t.Errorf("the screen has /copy: %v", err)
	}
}

func TestEscapeSlash(t *testing.T) {
	for _, message := range []string{
		"hello", "/", "//", "/who", "//who", "/etc/hosts", "///x", "// TODO", "/quit\nnow", "/me\nnow", "//msg bob\nnow", "/copy", "/nosuch",
	} {
		for _, client := range []Client{0, Screen, Plain, Page} {
			if typed, err := ParseTyped(EscapeSlash(message), client); err != nil || typed.Message != message {
				t.Errorf("%q, typed as %q: %+v, %v", message, EscapeSlash(message), typed, err)
			}
		}
	}
}

package completion

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"chat/relay/limits"
	"chat/relay/manual"
)

func TestWrite(t *testing.T) {
	app := &cli.App{Commands: []*cli.Command{
		{
			Name: "host", Usage: "Open a room.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "room", Aliases: []string{"r"}, Usage: "Name the room `TITLE`."},
				&cli.BoolFlag{Name: "headless", Usage: "Do not join."},
				&cli.StringSliceFlag{Name: "limit", Usage: "Set a limit: `NAME=VALUE`."},
				&cli.StringFlag{Name: "log-format", Category: manual.Advanced, Hidden: true},
				&cli.StringFlag{Name: "max-sessions", Category: manual.Deprecated, Hidden: true},
			},
		},
		{Name: "help", Usage: "Show help."},
		{Name: "completion", Usage: "Print a script."},
		{Name: "secret", Hidden: true},
		{Name: "notes", Usage: "Print notes."},
		{Name: "notes send", Usage: "Send notes.", Flags: []cli.Flag{&cli.BoolFlag{Name: "all", Usage: "Send all."}}},
		{Name: "notes lose", Hidden: true},
	}}
	var allLimits []string
	for _, l := range limits.Table {
		allLimits = append(allLimits, l.Name+"=")
	}
	for _, test := range []struct{ args, want string }{
		{"=", "host help completion notes"},
		{"=h", "host help"},
		{"=-", "--help --version"},
		{"=- host", "--room --headless --limit --log-format --help"},
		{"=--h host", "--headless --help"},
		{"=- host --room x --limit line=1KiB", "--headless --limit --log-format --help"},
		{"=- host -r x", "--headless --limit --log-format --help"},
		{"=- host --room=x", "--headless --limit --log-format --help"},
		{"= host", ""},
		{"= host --room", ""},
		{"=- host --room", ""},
		{"= host --limit", strings.Join(allLimits, " ")},
		{"=conn host --limit", "connections= connections-per-address="},
		{"=j host --log-format", "json"},
		{"= help", "host help completion notes advanced limits settings"},
		{"=l help", "limits"},
		{"= help limits", ""},
		{"= completion", "bash zsh fish powershell"},
		{"= completion bash", ""},
		{"=- host --", ""},
		{"= notes", "send"},
		{"=- notes send", "--all --help"},
		{"=- notes", "--help"},
		{"= notes send", ""},
		{"=- nonsense", "--help --version"},
	} {
		var out bytes.Buffer
		if err := Write(&out, app, strings.Split(test.args, " ")); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			name, _, ok := strings.Cut(line, "\t")
			if !ok {
				t.Errorf("%q: no tab in %q", test.args, line)
			}
			got = append(got, name)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%q: %q, want %q", test.args, got, test.want)
		}
	}
}

func TestScript(t *testing.T) {
	for _, shell := range Shells {
		if script, ok := Script(shell); !ok || !strings.Contains(script, Command) {
			t.Errorf("%s: %q, %v", shell, script, ok)
		}
	}
	for _, shell := range []string{"", "tcsh", "../main"} {
		if _, ok := Script(shell); ok {
			t.Errorf("there is a script for %q", shell)
		}
	}
}

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

var update = flag.Bool("update", false, "write the table of flags into README.md")

// README.md lists every flag of every command, as --help words it.
func TestReadmeListsEveryFlag(t *testing.T) {
	var want strings.Builder
	for _, command := range newApp(nil, nil).Commands {
		if len(command.Flags) == 0 {
			continue
		}
		fmt.Fprintf(&want, "| `chat %s` | | default |\n| --- | --- | --- |\n", strings.TrimSpace(command.Name+" "+command.ArgsUsage))
		for _, f := range command.Flags {
			doc := f.(cli.DocGenerationFlag)
			placeholder, usage := placeholderOf(doc)
			names := f.Names()
			fmt.Fprintf(&want, "| `--%s%s` | %s | %s |\n", names[0], placeholder, usage, defaultOf(doc))
		}
		want.WriteString("\n")
	}
	const begin, end = "<!-- flags -->\n", "<!-- /flags -->"
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(page), begin)
	table, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("README.md has no %q … %q", begin, end)
	}
	if table == want.String() {
		return
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("README.md lists other flags than --help; go test -run Readme -update . writes it anew:\n%s", want.String())
}

// placeholderOf splits a usage text with a `NAME` in it, as urfave/cli does.
func placeholderOf(f cli.DocGenerationFlag) (placeholder, usage string) {
	usage = f.GetUsage()
	if _, rest, ok := strings.Cut(usage, "`"); ok {
		name, _, _ := strings.Cut(rest, "`")
		placeholder = " " + name
	}
	return placeholder, strings.ReplaceAll(usage, "`", "")
}

func defaultOf(f cli.DocGenerationFlag) string {
	if !f.TakesValue() {
		return ""
	}
	return strings.Trim(f.GetDefaultText(), `"`)
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		says string
	}{
		{"", 0, "COMMANDS:"},
		{"--help", 0, "COMMANDS:"},
		{"version", 0, "protocol 1"},
		{"--version", 0, "protocol 1"},
		{"help", 0, "COMMANDS:"},
		{"help join", 0, "chat join kitchen"},
		{"help nonsense", 2, "no command"},
		{"join --addr=", 2, "is no address"},
		{"join --timeout=-1s", 2, "--timeout is a time"},
		{"join --backlog=-5", 2, "cannot be negative"},
		{"man", 0, ".TH"},
		{"completion bash", 0, "complete "},
		{"completion zsh", 0, "#compdef chat"},
		{"completion fish", 0, "complete -c chat"},
		{"completion powershell", 0, "Register-ArgumentCompleter"},
		{"completion", 2, "name one shell"},
		{"completion tcsh", 2, "name one shell"},
		{"nonsense", 2, `no command "nonsense"`},
		{"--nonsense", 2, "hint: chat --help"},
		{"host --nonsense", 2, "hint: chat host --help"},
		{"host kitchen", 2, "chat host --help"},
		{"host --backlog=-1", 2, "cannot be negative"},
		{"host --rate=-1", 2, "cannot be negative"},
		{"host --stall-timeout=-1s", 2, "cannot be negative"},
		{"host --log-format=xml", 2, "text or json"},
		{"host --room " + strings.Repeat("x", 101), 2, "at most 100 bytes"},
		{"join a b", 2, "one room at a time"},
		{"join a --addr x", 2, "not both"},
		{"join --addr a:b:c", 2, "is no address"},
		{"join --timeout", 2, "flag needs an argument"},
		{"rooms x", 2, "chat rooms --help"},
		{"doctor x", 2, "chat doctor --help"},
		{"join --addr 127.0.0.1:1", 1, "nobody listens at 127.0.0.1:1"},
	} {
		t.Run(test.args, func(t *testing.T) {
			var out bytes.Buffer
			code := run(t.Context(), append([]string{"chat"}, strings.Fields(test.args)...), &out, &out)
			if code != test.code || !strings.Contains(out.String(), test.says) {
				t.Errorf("exit code %d, want %d; it says\n%s\nwant %q in it", code, test.code, out.String(), test.says)
			}
			if lines := strings.Count(out.String(), "\n"); code != 0 && lines > 2 {
				t.Errorf("an error of %d lines:\n%s", lines, out.String())
			}
		})
	}
}

func TestFlagsFirst(t *testing.T) {
	app := newApp(nil, nil)
	for args, want := range map[string]string{
		"chat join kitchen --nick bob -f":                   "chat join --nick bob -f kitchen",
		"chat join kitchen -fn bob":                         "chat join -fn bob kitchen",
		"chat join kitchen --nick=bob x":                    "chat join --nick=bob kitchen x",
		"chat join -- --nick bob":                           "chat join -- --nick bob",
		"chat join kitchen --generate-bash-completion":      "chat join kitchen --generate-bash-completion",
		"chat nonsense x --y":                               "chat nonsense x --y",
		"chat host --iface eth0 --headless --addr :1 stray": "chat host --iface eth0 --headless --addr :1 stray",
	} {
		if got := strings.Join(flagsFirst(app, strings.Fields(args)), " "); got != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", args, got, want)
		}
	}
}

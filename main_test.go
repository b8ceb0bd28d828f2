package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"chat/relay"
	"chat/relay/screen"
	"chat/relay/wire"
)

var update = flag.Bool("update", false, "rewrite the tables of flags in relay/docs")

// flagDocs are the documents that list the flags of each command.
var flagDocs = map[string]string{
	"host": "relay/docs/hosting.md", "doctor": "relay/docs/hosting.md",
	"join": "relay/docs/guide.md", "rooms": "relay/docs/guide.md",
	"history": "relay/docs/history.md",
}

// The documents list every flag of every command, as --help words it.
func TestDocsListEveryFlag(t *testing.T) {
	for _, command := range newApp(nil, nil).Commands {
		if len(command.Flags) > 0 {
			checkFlagTable(t, flagDocs[command.Name], command)
		}
	}
}

func checkFlagTable(t *testing.T, path string, command *cli.Command) {
	var want strings.Builder
	usage := strings.TrimSpace(command.Name + " " + command.ArgsUsage)
	for _, group := range groupsOf(command) {
		fmt.Fprintf(&want, "| `chat %s`%s | | default |\n| --- | --- | --- |\n", usage, group.title)
		for _, f := range group.flags {
			placeholder, help := placeholderOf(f)
			fmt.Fprintf(&want, "| `--%s%s` | %s | %s |\n", f.Names()[0], placeholder, help, defaultOf(f))
		}
		want.WriteString("\n")
	}
	begin, end := "<!-- flags "+command.Name+" -->\n", "<!-- /flags -->"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("chat %s: %v", command.Name, err)
	}
	head, rest, ok1 := strings.Cut(string(page), begin)
	table, tail, ok2 := strings.Cut(rest, end)
	switch {
	case !ok1 || !ok2:
		t.Errorf("%s has no %q … %q", path, begin, end)
	case table == want.String():
	case *update:
		if err := os.WriteFile(path, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s lists other flags than --help; go test -run Docs -update . rewrites it:\n%s", path, want.String())
	}
}

// A flagGroup is the flags of a command that --help lists together.
type flagGroup struct {
	title string // ": NAME", or "" for the first group
	flags []cli.DocGenerationFlag
}

// groupsOf returns a command's flags by their categories, without deprecated ones.
func groupsOf(command *cli.Command) (groups []flagGroup) {
	for _, f := range command.Flags {
		title := f.(cli.CategorizableFlag).GetCategory()
		switch title {
		case "Deprecated":
			continue
		case "":
		default:
			title = ": " + strings.ToLower(title)
		}
		i := slices.IndexFunc(groups, func(g flagGroup) bool { return g.title == title })
		if i < 0 {
			i = len(groups)
			groups = append(groups, flagGroup{title: title})
		}
		groups[i].flags = append(groups[i].flags, f.(cli.DocGenerationFlag))
	}
	return groups
}

// What the screen hints at while somebody types is what the host understands.
func TestScreenKnowsTheHostsCommands(t *testing.T) {
	srv := relay.New(relay.Options{HostToken: "hosting-person"})
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() { srv.ServeConn(t.Context(), theirs); close(done) }()
	defer func() { ours.Close(); <-done }()
	fmt.Fprintln(ours, `{"type":"hello","nick":"alice","token":"hosting-person"}`)
	lines := bufio.NewScanner(ours)
	lines.Scan() // the welcome
	fmt.Fprintln(ours, `{"type":"help"}`)
	var usages []string
	for lines.Scan() {
		e, err := wire.ParseEvent(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if e.Type != wire.TypeNotice {
			continue
		}
		for _, line := range strings.Split(e.Text, "\n")[1:] {
			usage, _, _ := strings.Cut(line, "  ")
			usages = append(usages, strings.TrimSpace(usage))
		}
		break
	}
	want := screen.HostUsages()
	slices.Sort(usages)
	slices.Sort(want)
	if !slices.Equal(usages, want) {
		t.Errorf("the host has\n%q\nthe screen\n%q", usages, want)
	}
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

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"chat/relay/limits"
	"chat/relay/manual"
)

var update = flag.Bool("update", false, "rewrite the tables of options in relay/docs")

// optionDocs are the documents that list the options of each command.
var optionDocs = map[string]string{
	"admin": "relay/docs/hosting.md", "admin members": "relay/docs/hosting.md",
	"host": "relay/docs/hosting.md", "doctor": "relay/docs/hosting.md", "invite": "relay/docs/hosting.md",
	"join": "relay/docs/guide.md", "rooms": "relay/docs/guide.md",
	"history": "relay/docs/history.md", "history export": "relay/docs/history.md", "history import": "relay/docs/history.md",
}

// The documents list every option of every command, as --help words it.
func TestDocsListEveryOption(t *testing.T) {
	app := newApp(nil, nil)
	adminOptions := manual.OptionsOf(app.Command("admin members"))
	for _, command := range app.Commands {
		if strings.HasPrefix(command.Name, "admin ") && command.Name != "admin members" {
			if !reflect.DeepEqual(manual.OptionsOf(command), adminOptions) {
				t.Errorf("chat %s has other options than chat admin members", command.Name)
			}
			continue
		}
		if options := manual.OptionsOf(command); len(options) > 0 {
			checkOptionTable(t, optionDocs[command.Name], command, options)
		}
	}
}

func checkOptionTable(t *testing.T, path string, command *cli.Command, options []manual.Option) {
	t.Helper()
	var want strings.Builder
	usage := strings.TrimSpace(command.Name + " " + command.ArgsUsage)
	variables := slices.ContainsFunc(options, func(o manual.Option) bool { return len(o.Env) > 0 })
	for i, o := range options {
		if i == 0 || o.Category != options[i-1].Category {
			fmt.Fprintf(&want, "\n| `chat %s`", usage)
			if o.Category != "" {
				fmt.Fprintf(&want, ": %s", strings.ToLower(o.Category))
			}
			if want.WriteString(" | | default |"); variables {
				want.WriteString(" variable |\n| --- | --- | --- | --- |\n")
			} else {
				want.WriteString("\n| --- | --- | --- |\n")
			}
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |", strings.TrimSpace(o.Names[0]+" "+o.Placeholder), o.Help, o.Default)
		if variables {
			fmt.Fprintf(&want, " %s |", strings.Join(o.Env, ", "))
		}
		want.WriteString("\n")
	}
	want.WriteString("\n")
	begin, end := "<!-- options of "+command.Name+" -->\n", "<!-- /options -->"
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
		t.Errorf("%s lists other options than --help; go test -run Docs -update . rewrites it:\n%s", path, want.String())
	}
}

// The help of an option is a full sentence. chat host has at most 20 options, each in a
// category.
func TestOptions(t *testing.T) {
	app := newApp(nil, nil)
	for _, command := range app.Commands {
		if !strings.HasSuffix(command.Usage, ".") {
			t.Errorf("chat %s: %q is not a sentence", command.Name, command.Usage)
		}
		for _, o := range manual.OptionsOf(command) {
			if !strings.HasSuffix(o.Help, ".") || strings.ToUpper(o.Help[:1]) != o.Help[:1] {
				t.Errorf("chat %s %s: %q is not a sentence", command.Name, o.Names[0], o.Help)
			}
			if o.Placeholder != "" && !strings.Contains(o.Help, o.Placeholder) {
				t.Errorf("chat %s %s: %q does not say what %s is", command.Name, o.Names[0], o.Help, o.Placeholder)
			}
			if command.Name == "host" && o.Category == "" {
				t.Errorf("%s has no category", o.Names[0])
			}
		}
	}
	host := app.Command("host")
	if n := len(manual.VisibleOptions(host)) + 1; n > 20 { // and --help
		t.Errorf("chat host --help lists %d options, want 20 at most", n)
	}
	help := manual.CommandHelp(host)
	visible := make(map[string]bool)
	for _, o := range manual.VisibleOptions(host) {
		visible[o.Names[0]] = true
		if !strings.Contains(help, "\n   "+o.Usage()) {
			t.Errorf("chat host --help does not list %s", o.Names[0])
		}
	}
	for _, f := range host.Flags {
		name, hidden := "--"+f.Names()[0], !f.(cli.VisibleFlag).IsVisible()
		if hidden == visible[name] {
			t.Errorf("%s: hidden is %v, listed is %v", name, hidden, visible[name])
		}
	}
}

// hostOptionsFrom returns the options of a command line, and its output.
func hostOptionsFrom(t *testing.T, args ...string) (opts hostOptions, stderr string, err error) {
	t.Helper()
	var out bytes.Buffer
	app := newApp(&out, &out)
	app.Command("host").Action = func(c *cli.Context) error {
		opts, err = hostOptionsOf(c)
		opts.Out, opts.LogTo, opts.Sealing.Signer = nil, nil, nil // a function is equal to no other
		opts.settings = nil                                       // the sources of values may differ
		return nil
	}
	if err := app.RunContext(t.Context(), append([]string{"chat", "host"}, args...)); err != nil {
		t.Fatal(err)
	}
	return opts, out.String(), err
}

func TestLimits(t *testing.T) {
	defaults, printed, err := hostOptionsFrom(t)
	if err != nil || printed != "" {
		t.Fatalf("%v, printed %q", err, printed)
	}
	if defaults.MaxSessions != 1000 || defaults.MaxLine != 8<<10 || defaults.Rate != 20 || defaults.Stall != 30*time.Second || defaults.FileLimits.MaxTotal != 10<<30 {
		t.Errorf("defaults: %+v", defaults)
	}
	opts, printed, err := hostOptionsFrom(t, "--limit", "connections=500", "--limit=line=1KiB,rate=none", "--limit", "file=2GB", "--limit", "connections=600")
	if err != nil || printed != "" {
		t.Fatalf("%v, printed %q", err, printed)
	}
	want := defaults
	want.MaxSessions, want.MaxLine, want.Rate, want.FileLimits.MaxFile = 600, 1024, -1, 2_000_000_000
	if !reflect.DeepEqual(opts, want) {
		t.Errorf("got  %+v\nwant %+v", opts, want)
	}
}

// fieldsOf splits a command line, with two single quotes for an empty argument.
func fieldsOf(line string) []string {
	fields := strings.Fields(line)
	for i, f := range fields {
		if f == "''" {
			fields[i] = ""
		}
	}
	return fields
}

// A deprecated flag still works, and names its replacement in one line.
func TestDeprecatedFlags(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--max-sessions", "500"}, "chat: --max-sessions is deprecated; use --limit connections=500\n"},
		{[]string{"--max-per-address=0"}, "chat: --max-per-address is deprecated; use --limit connections-per-address=none\n"},
		{[]string{"--keep-bytes", "16777216"}, "chat: --keep-bytes is deprecated; use --limit memory=16MiB\n"},
		{[]string{"--dead-peer-timeout", "3s"}, "chat: --dead-peer-timeout is deprecated; use --limit keepalive-timeout=3s\n"},
		{[]string{"--rate", "0", "--burst", "5"}, "chat: --rate is deprecated; use --limit rate=none\nchat: --burst is deprecated; use --limit burst=5\n"},
		{[]string{"--max-file", "500MB"}, "chat: --max-file is deprecated; use --limit file=500MB\n"},
	} {
		old, printed, err := hostOptionsFrom(t, test.args...)
		if err != nil || printed != test.want {
			t.Errorf("%q: %v, printed %q, want %q", test.args, err, printed, test.want)
		}
		var args []string
		for line := range strings.Lines(printed) {
			_, replacement, _ := strings.Cut(line, "; use ")
			args = append(args, strings.Fields(replacement)...)
		}
		if opts, printed, err := hostOptionsFrom(t, args...); err != nil || printed != "" || !reflect.DeepEqual(opts, old) {
			t.Errorf("%q means %+v,\nbut %q %+v (%v, printed %q)", test.args, old, args, opts, err, printed)
		}
	}
	opts, _, err := hostOptionsFrom(t, "--limit", "burst=7", "--burst", "5")
	if err != nil || opts.Burst != 7 {
		t.Errorf("burst is %d, %v; --limit overrides a deprecated flag", opts.Burst, err)
	}
	for _, l := range limits.Table {
		if l.OldFlag == "" {
			continue
		}
		value := map[limits.Unit]string{limits.Count: "5", limits.Size: "5", limits.Time: "5s", limits.Rate: "5"}[l.Unit]
		if _, printed, err := hostOptionsFrom(t, "--"+l.OldFlag, value); err != nil || strings.Count(printed, "\n") != 1 {
			t.Errorf("--%s %s: %v, printed %q", l.OldFlag, value, err, printed)
		}
	}
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
		{"help nonsense", 2, `unknown command "nonsense"`},
		{"help limits", 0, "connections-per-address=COUNT (default: 64)"},
		{"help advanced", 0, "--web-name NAME"},
		{"help settings", 0, "--addr                   CHAT_LISTEN\n"},
		{"host --config", 2, "--config needs a value"},
		{"host --config no-such-file", 2, "cannot read the settings: "},
		{"help help", 0, "TOPIC"},
		{"help join host", 2, "one command or topic"},
		{"join --addr=", 2, "--addr needs a value"},
		{"join kitchen --nick", 2, "--nick needs a value"},
		{"version --jsn", 2, "unknown option --jsn\nhint: chat version --help"},
		{"hots", 2, `unknown command "hots"; did you mean chat host?` + "\nhint: "},
		{"join --timeout=-1s", 2, "--timeout must be positive"},
		{"join --secret-file -", 2, "--secret-file cannot be stdin, which has your messages\nhint: "},
		{"join --backlog=-5", 2, "cannot be negative"},
		{"man", 0, ".TH"},
		{"completion bash", 0, "complete "},
		{"completion zsh", 0, "#compdef chat"},
		{"completion fish", 0, "complete -c chat"},
		{"__complete =rat host --limit", 0, "rate=\t"},
		{"completion powershell", 0, "Register-ArgumentCompleter"},
		{"completion", 2, "needs the name of one shell"},
		{"completion tcsh", 2, "hint: bash, zsh, fish or powershell"},
		{"nonsense", 2, `unknown command "nonsense"`},
		{"https://h:1/#K7QZABCDEFGHIJKLMNOPQRSTUV.CTT4VQEXIGG7MWNP", 2, `unknown command "https://h:1/#K7QZABCDEFGHIJKLMNOPQRSTUV.…"`},
		{"--nonsense", 2, "unknown option --nonsense\nhint: chat --help"},
		{"host --nonsense", 2, "unknown option --nonsense\nhint: chat host --help"},
		{"host kitchen table", 2, "takes one room, not 2\nhint: "},
		{"host kitchen --room table", 2, "exclude each other\nhint: "},
		{"host --backlog=many", 2, `invalid value "many" for option --backlog` + "\nhint: "},
		{"host --limit sessions=5", 2, `unknown limit "sessions"` + "\nhint: chat help limits"},
		{"host --limit line=10K", 2, "ambiguous\nhint: "},
		{"host --limit write-timeout=30", 2, "the unit is missing\nhint: "},
		{"host --limit connections=1.5", 2, "not a whole number\nhint: "},
		{"host --max-sessions many", 2, `invalid value "many" for option --max-sessions` + "\nhint: use --limit connections=COUNT"},
		{"host --history-keep 30d", 2, "--history-keep needs --history\n"},
		{"host --history x --history-keep much", 2, `invalid --history-keep "much": it is not an age, a size, or one of each` + "\nhint: "},
		{"history x --since yesterday", 2, `invalid --since "yesterday"` + "\nhint: "},
		{"history x --until much", 2, `invalid --until "much"` + "\nhint: "},
		{"history x --grep (", 2, "invalid --grep: "},
		{"history", 2, "needs one file, not 0\nhint: "},
		{"host --files-dir x --no-files", 2, "exclude each other"},
		{"host --files-dir x --no-web", 2, "--files-dir needs the web server"},
		{"host --headless --log x", 2, "--log needs a member"},
		{"host --secret-file x", 2, "--secret-file needs --secure\nhint: "},
		{"host --cert x", 2, "--cert needs --secure\nhint: "},
		{"host --key x", 2, "--key needs --secure\nhint: "},
		{"host --members x", 2, "--members needs --secure\nhint: "},
		{"host --operators x", 2, "--operators needs --secure\nhint: "},
		{"host --secure --cert x", 2, "--cert and --key need each other\nhint: "},
		{"host --secure --key x", 2, "--cert and --key need each other\nhint: "},
		{"host --secure --secret-file x --members y", 2, "exclude each other\nhint: "},
		{"invite a b", 2, "takes one room, not 2\nhint: "},
		{"invite --listen --operator", 2, "exclude each other\nhint: "},
		{"host --backlog=-1", 2, "cannot be negative"},
		{"host --rate=-1", 2, "cannot be negative"},
		{"host --stall-timeout=-1s", 2, "cannot be negative"},
		{"host --log-format=xml", 2, "use text or json"},
		{"host --room " + strings.Repeat("x", 101), 2, "at most 100 bytes"},
		{"join a b", 2, "takes one room, not 2"},
		{"join ''", 2, "the room is empty\nhint: "},
		{"join '' --nick ci", 2, "the room is empty\nhint: "},
		{"join a --addr x", 2, "exclude each other"},
		{"join --addr a:b:c", 2, `invalid address "a:b:c"`},
		{"join --addr 31040", 2, `invalid address "31040": it is only a port` + "\nhint: "},
		{"join --addr [fe80::1]:5", 2, `invalid address "[fe80::1]:5": a link-local address needs its interface` + "\nhint: "},
		{"join 127.0.0.1:1", 1, "connection refused by 127.0.0.1:1"},
		{"join http://127.0.0.1:1/", 1, "connection refused by 127.0.0.1:1"},
		{"join https://127.0.0.1:1:2/#K7QZABCDEFGHIJKLMNOPQRSTUV.M2V8ABCDEFGHIJKL", 2, "chat: the invite is incomplete: it has the form https://HOST:PORT/#PIN.SECRET\nhint: "},
		{"join 127.0.0.1 --addr x", 2, "exclude each other"},
		{"join --timeout", 2, "--timeout needs a value"},
		{"rooms x", 2, "chat rooms --help"},
		{"doctor x", 2, "chat doctor --help"},
		{"join --addr 127.0.0.1:1", 1, "connection refused by 127.0.0.1:1"},
	} {
		t.Run(test.args, func(t *testing.T) {
			var out bytes.Buffer
			code := run(t.Context(), append([]string{"chat"}, fieldsOf(test.args)...), &out, &out)
			if code != test.code || !strings.Contains(out.String(), test.says) {
				t.Errorf("exit code %d, want %d; output\n%s\nwant %q in it", code, test.code, out.String(), test.says)
			}
			if lines := strings.Count(out.String(), "\n"); code != 0 && lines != 2 {
				t.Errorf("an error of %d lines:\n%s", lines, out.String())
			}
		})
	}
}

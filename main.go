// Chat is a chat for the people on one network: one hosts, the others join.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"chat/relay/discovery"
	"chat/relay/text"
	"chat/relay/wire"
)

// version is set by the build: go build -ldflags "-X main.version=1.2.3".
var version = "dev"

// appVersion is what this program calls itself to others.
func appVersion() string { return "chat " + version }

// Exit codes, as the README lists them.
const (
	exitFailed = 1
	exitUsage  = 2
	exitNoRoom = 3

	exitInterrupted = 130 // as shells count SIGINT
)

// An exitError is an error that ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usageErrorf(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func main() {
	// The first Ctrl-C or SIGTERM ends what runs in good order, the second at once.
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup sets it
		ends = append(ends, syscall.SIGHUP) // the terminal was closed
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	err := app.RunContext(ctx, flagsFirst(app, asCommands(args)))
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = &exitError{exitInterrupted, errors.New("interrupted")}
	}
	fmt.Fprintln(stderr, "chat: "+text.CleanLines(err.Error()))
	var exit *exitError
	var none *discovery.NoRoomError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &none):
		return exitNoRoom
	default:
		return exitFailed
	}
}

// asCommands reads what people type for help and version as the commands there are:
// `chat help join` is `chat join --help`.
func asCommands(args []string) []string {
	switch {
	case len(args) == 2 && args[1] == "--version":
		return []string{args[0], "version"}
	case len(args) >= 2 && args[1] == "help":
		return append(append(args[:1:1], args[2:]...), "--help")
	}
	return args
}

func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:  "chat",
		Usage: "chat with everybody on your network",
		Description: "One person hosts a room, the others join it: chat join finds it by itself.\n" +
			"Anyone with nc is welcome too. Nothing leaves the network.\n\n" +
			"chat host --room kitchen\n" +
			"chat join\n" +
			"nc 192.168.1.5 24280",
		Version:                appVersion(),
		HideVersion:            true, // `chat version`
		HideHelpCommand:        true,
		EnableBashCompletion:   true,
		UseShortOptionHandling: true,
		Writer:                 stdout,
		ErrWriter:              stderr,
		ExitErrHandler:         func(*cli.Context, error) {}, // run tells the error and the code
		OnUsageError:           onUsageError,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usageErrorf("there is no command %q\nhint: chat --help lists them", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		Commands: []*cli.Command{hostCommand(), joinCommand(), roomsCommand(), historyCommand(), doctorCommand(), versionCommand(), completionCommand(), manCommand()},
	}
	for _, c := range app.Commands {
		c.HideHelpCommand = true // `chat join help` joins a room of that name
	}
	return app
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	command := "chat"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != "chat" {
		command += " " + c.Command.Name
	}
	return usageErrorf("%w\nhint: %s --help lists the flags", err, command)
}

var ifaceFlag = &cli.StringSliceFlag{Name: "iface", Usage: "use the network interface `NAME` alone; may be given again (default: all that lead to a LAN)"}

// How a person at a terminal meets the room.
var (
	plainFlag      = &cli.BoolFlag{Name: "plain", EnvVars: []string{"CHAT_PLAIN"}, Usage: "lines only, no full screen (also where TERM is dumb)"}
	accessibleFlag = &cli.BoolFlag{Name: "accessible", EnvVars: []string{"CHAT_ACCESSIBLE"}, Usage: "plain lines worded for a screen reader"}
	quietFlag      = &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, EnvVars: []string{"CHAT_QUIET"}, Usage: "no bell and no notification when somebody names you"}
	mouseFlag      = &cli.BoolFlag{Name: "mouse", EnvVars: []string{"CHAT_MOUSE"}, Usage: "the mouse wheel scrolls (selecting text then needs Shift)"}
)

func nickFlag() cli.Flag {
	return &cli.StringFlag{Name: "nick", Aliases: []string{"n"}, EnvVars: []string{"CHAT_NICK"}, Usage: "be called `NAME`", DefaultText: "your login name"}
}

func hostCommand() *cli.Command {
	return &cli.Command{
		Name:  "host",
		Usage: "open a room on this network and take part in it",
		Description: "chat host                                a room named after this machine\n" +
			"chat host --room kitchen --nick alice\n" +
			"chat host --addr 192.168.1.5:24280       on one address alone\n" +
			"chat host --headless --log-format json   only the relay, log lines on stderr\n\n" +
			"Limits take 0 for none.",
		OnUsageError: onUsageError,
		Flags:        hostFlags(),
		Action: func(c *cli.Context) error {
			opts, err := hostOptionsOf(c)
			if err != nil {
				return err
			}
			return runHost(c.Context, opts)
		},
	}
}

func hostFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "room", Aliases: []string{"r"}, EnvVars: []string{"CHAT_ROOM"}, Usage: "call the room `TITLE`", DefaultText: "this machine's name"},
		&cli.StringFlag{Name: "addr", Aliases: []string{"a"}, Usage: "listen on `[HOST]:PORT`", DefaultText: fmt.Sprintf(":%d, or the next free port", wire.DefaultPort)},
		nickFlag(),
		&cli.BoolFlag{Name: "headless", Usage: "only relay: take no part, log to stderr (also when stdin or stdout is no terminal)"},
		plainFlag, accessibleFlag, quietFlag, mouseFlag,
		&cli.StringFlag{Name: "log", Usage: "append what is said to `FILE`"},
		&cli.BoolFlag{Name: "no-discovery", Usage: "do not announce the room by mDNS"},
		ifaceFlag,
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "`FORMAT` of log lines: text or json"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "log more"},
		&cli.IntFlag{Name: "backlog", Value: 50, Usage: "a newcomer begins with the last `N` messages"},
		&cli.StringFlag{Name: "history", EnvVars: []string{"CHAT_HISTORY"}, Usage: "keep the room in `FILE`, and go on with it the next time"},
		&cli.StringFlag{Name: "history-keep", Usage: "of that, keep at most so much, as in 30d, 12h, 500MB or 30d,500MB: `LIMIT`", DefaultText: "all"},
		&cli.StringFlag{Name: "files-dir", Usage: "keep files that are sent in `DIR`, also for the next host on it; without it they go when the host ends"},
		&cli.StringFlag{Name: "max-file", Value: "1GiB", Usage: "a file has at most `SIZE`"},
		&cli.StringFlag{Name: "max-files-total", Value: "10GiB", Usage: "all files have at most `SIZE`"},
		&cli.BoolFlag{Name: "no-files", Usage: "nobody can send files"},
		&cli.BoolFlag{Name: "no-web", Usage: "no page for browsers, and nothing else by HTTP"},
		&cli.StringSliceFlag{Name: "web-name", Usage: "browsers may also ask for the page by `NAME`, which is not this machine's"},
		&cli.BoolFlag{Name: "metrics", Usage: "serve /metrics to other machines, too"},
		&cli.IntFlag{Name: "keep", Value: 10_000, Usage: "keep the last `N` events in memory, to catch up on"},
		&cli.IntFlag{Name: "keep-bytes", Value: 16 << 20, Usage: "keep at most `BYTES` of them"},
		&cli.IntFlag{Name: "max-sessions", Value: 1000, Usage: "at most `N` connections"},
		&cli.IntFlag{Name: "max-per-address", Value: 64, Usage: "at most `N` connections of one address (this machine is exempt)"},
		&cli.IntFlag{Name: "max-line", Value: 8 << 10, Usage: "a person's line has at most `BYTES`"},
		&cli.IntFlag{Name: "max-json-line", Value: 32 << 10, Usage: "a program's line has at most `BYTES`"},
		&cli.IntFlag{Name: "max-text", Value: 16 << 10, Usage: "a message has at most `BYTES`"},
		&cli.IntFlag{Name: "max-text-lines", Value: 100, Usage: "a message has at most `N` lines"},
		&cli.Float64Flag{Name: "rate", Value: 20, Usage: "one session may say `N` lines a second for long; past it it is read more slowly"},
		&cli.IntFlag{Name: "burst", Value: 200, Usage: "and `N` at once"},
		&cli.DurationFlag{Name: "stall-timeout", Value: 30 * time.Second, Usage: "close a session that takes no byte for `TIME`"},
		&cli.DurationFlag{Name: "first-line-timeout", Value: 30 * time.Second, Usage: "close one whose first line does not end within `TIME`"},
		&cli.DurationFlag{Name: "dead-peer-timeout", Value: 45 * time.Second, Usage: "notice a peer that is gone without a word within `TIME`"},
	}
}

func joinCommand() *cli.Command {
	return &cli.Command{
		Name:      "join",
		Usage:     "join a room on this network",
		ArgsUsage: "[ROOM]",
		Description: "chat join                            the room that is there, or a choice of several\n" +
			"chat join kitchen                    the one of this title, or whose id begins so\n" +
			"chat join --addr 192.168.1.5         without looking for it; the port may follow\n" +
			"make 2>&1 | chat join --nick ci      say every line of a program\n" +
			"chat join --json --follow </dev/null what happens, as JSON lines",
		OnUsageError: onUsageError,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "addr", Aliases: []string{"a"}, EnvVars: []string{"CHAT_ADDR"}, Usage: "join the host at `HOST[:PORT]`", DefaultText: "found by mDNS"},
			nickFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print events as JSON lines"},
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "stay when stdin ends"},
			plainFlag, accessibleFlag, quietFlag, mouseFlag,
			&cli.StringFlag{Name: "log", Usage: "append what is said to `FILE`"},
			&cli.IntFlag{Name: "backlog", Value: -1, Usage: "begin with the last `N` messages", DefaultText: "as the host has it"},
			&cli.DurationFlag{Name: "timeout", Value: 5 * time.Second, Usage: "look for a room for `TIME`"},
			ifaceFlag,
		},
		Action: func(c *cli.Context) error {
			opts, err := joinOptionsOf(c)
			if err != nil {
				return err
			}
			return runJoin(c.Context, opts)
		},
	}
}

func roomsCommand() *cli.Command {
	return &cli.Command{
		Name:         "rooms",
		Usage:        "list the rooms on this network",
		Description:  "chat rooms\nchat rooms --json   one object a line, for programs",
		OnUsageError: onUsageError,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print one JSON object a line"},
			&cli.DurationFlag{Name: "timeout", Value: discovery.ListWindow, Usage: "look for `TIME`"},
			ifaceFlag,
		},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			return listRooms(c.Context, c.App.Writer, roomsOptions{JSON: c.Bool("json"), Timeout: c.Duration("timeout"), Ifaces: c.StringSlice("iface")})
		},
	}
}

func historyCommand() *cli.Command {
	return &cli.Command{
		Name:      "history",
		Usage:     "print what was said in a room that was kept in a file",
		ArgsUsage: "FILE",
		Description: "chat history kitchen.chat\n" +
			"chat history kitchen.chat --since 2h --grep 'soup|bread'\n" +
			"chat history kitchen.chat --since 2026-11-24 --until 2026-11-25 --from alice --json\n\n" +
			"The file is that of chat host --history; the room may be open meanwhile.",
		OnUsageError: onUsageError,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "since", Usage: "from `TIME` on: 2026-11-25, \"2026-11-25 10:02\", or 2h, 30d ago"},
			&cli.StringFlag{Name: "until", Usage: "before `TIME`"},
			&cli.StringFlag{Name: "from", Usage: "what `NICK` said"},
			&cli.StringFlag{Name: "grep", Usage: "what matches the regular expression `RE` (RE2; (?i) in front: whatever the case)"},
			&cli.BoolFlag{Name: "private", Usage: "private messages, too"},
			&cli.BoolFlag{Name: "all", Usage: "who came and went, too"},
			&cli.BoolFlag{Name: "json", Usage: "print events as JSON lines"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return usageErrorf("name one file, as in: chat history kitchen.chat")
			}
			wanted, err := selectionOf(c, time.Now())
			if err != nil {
				return err
			}
			return readHistory(c.App.Writer, c.Args().First(), wanted, c.Bool("json"))
		},
	}
}

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:         "doctor",
		Usage:        "find out why rooms are not found here, and what mends it",
		Description:  "chat doctor\nchat doctor --iface wlan0",
		OnUsageError: onUsageError,
		Flags:        []cli.Flag{ifaceFlag},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			return runDoctor(c.Context, c.App.Writer, doctorOptions{Ifaces: c.StringSlice("iface")})
		},
	}
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version",
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			revision := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = " " + s.Value[:min(len(s.Value), 12)]
					}
				}
			}
			_, err := fmt.Fprintf(c.App.Writer, "%s%s (protocol %d, %s, %s/%s)\n",
				appVersion(), revision, wire.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a completion script for a shell",
		ArgsUsage: "bash|zsh|fish|powershell",
		Description: "source <(chat completion bash)\n" +
			"source <(chat completion zsh)\n" +
			"chat completion fish | source\n" +
			"chat completion powershell | Out-String | Invoke-Expression",
		BashComplete: func(c *cli.Context) { fmt.Fprintln(c.App.Writer, "bash\nzsh\nfish\npowershell") },
		Action: func(c *cli.Context) error {
			shell := c.Args().First()
			if shell == "fish" {
				script, err := c.App.ToFishCompletion()
				if err == nil {
					_, err = fmt.Fprint(c.App.Writer, script)
				}
				return err
			}
			script, ok := completions[shell]
			if !ok || c.NArg() != 1 {
				return usageErrorf("name one shell: bash, zsh, fish or powershell")
			}
			_, err := fmt.Fprint(c.App.Writer, script)
			return err
		},
	}
}

// completions ask the program itself, by a flag of urfave/cli's: what could stand
// where the cursor is. Of a flag that is not whole they pass on the first "-" alone:
// urfave/cli breaks on an unknown flag, and behind "--" it would run the command.
var completions = map[string]string{
	"bash": `_chat() {
  local cur=${COMP_WORDS[COMP_CWORD]} words word IFS=$'\n'
  words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  for word in "${words[@]}"; do [[ $word == -- ]] && return; done
  [[ $cur == -* ]] && words+=(-)
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o bashdefault -o default -F _chat chat
`,
	"zsh": `#compdef chat
_chat() {
  local -a ask options
  ask=("${(@)words[1,CURRENT-1]}")
  (( ${ask[(Ie)--]} )) && return 1
  [[ ${words[CURRENT]} == -* ]] && ask+=(-)
  options=("${(@f)$("${ask[@]}" --generate-bash-completion 2>/dev/null)}")
  if [[ -n ${options[1]} ]]; then _describe 'chat' options; else _files; fi
}
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then _chat "$@"; else compdef _chat chat; fi
`,
	"powershell": `Register-ArgumentCompleter -Native -CommandName chat -ScriptBlock {
  param($word, $ast, $position)
  $ask = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  if ($word) { $ask = @($ask | Select-Object -SkipLast 1) }
  if ($ask -contains '--') { return }
  if ($word -like '-*') { $ask += '-' }
  & chat @ask --generate-bash-completion 2>$null | Where-Object { $_ -like "$word*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`,
}

func manCommand() *cli.Command {
	return &cli.Command{
		Name:        "man",
		Usage:       "print the man page",
		Description: "chat man | man -l -",
		Action: func(c *cli.Context) error {
			page, err := c.App.ToManWithSection(1)
			if err == nil {
				_, err = fmt.Fprint(c.App.Writer, page)
			}
			return err
		},
	}
}

// noArgs refuses arguments where there is nothing to do with them.
func noArgs(c *cli.Context) error {
	if c.Args().Present() {
		return usageErrorf("what is %q for? chat %s takes flags only\nhint: chat %s --help lists them", c.Args().First(), c.Command.Name, c.Command.Name)
	}
	return nil
}

// flagsFirst moves a command's flags before its arguments, where the flag package
// looks for them, so that `chat join kitchen --nick bob` means what it says.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) < 3 || args[len(args)-1] == "--generate-bash-completion" { // that one wants to be last
		return args
	}
	command := app.Command(args[1])
	if command == nil {
		return args
	}
	takesValue := make(map[string]bool)
	for _, f := range command.Flags {
		documented, ok := f.(cli.DocGenerationFlag)
		for _, name := range f.Names() {
			takesValue[name] = ok && documented.TakesValue()
		}
	}
	var flags, rest []string
	for i := 2; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			rest = append(rest, args[i:]...)
			i = len(args)
		case len(arg) > 1 && arg[0] == '-':
			flags = append(flags, arg)
			name := strings.TrimLeft(arg, "-")
			if !strings.HasPrefix(arg, "--") { // short ones may stand together: -fn bob
				name = name[len(name)-1:]
			}
			if takesValue[name] && i+1 < len(args) {
				i++
				flags = append(flags, args[i])
			}
		default:
			rest = append(rest, arg)
		}
	}
	return append(append(args[:2:2], flags...), rest...)
}

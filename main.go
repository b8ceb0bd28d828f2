// Chat is a chat for the people on one network: one hosts a room, the others join it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"chat/relay/archive"
	"chat/relay/cmdline"
	"chat/relay/completion"
	"chat/relay/discovery"
	"chat/relay/endpoint"
	"chat/relay/limits"
	"chat/relay/manual"
	"chat/relay/plain"
	"chat/relay/screen"
	"chat/relay/supervisor"
	"chat/relay/text"
	"chat/relay/timezone"
	"chat/relay/wire"
)

// version is set by the build: go build -ldflags "-X main.version=1.2.3".
var version = "dev"

// appVersion returns the program's name and version, as peers see it.
func appVersion() string { return "chat " + version }

const (
	exitFailed      = 1
	exitUsage       = 2
	exitNoRoom      = 3
	exitUnconfirmed = 4
	exitInterrupted = 130 // 128 + SIGINT, as shells report it
)

// exitCodes explains the exit codes in the man page.
var exitCodes = []manual.Entry{
	{Term: "0", Text: "Success."},
	{Term: "1", Text: "Failure: the error is on stderr."},
	{Term: "2", Text: "Usage error: an unknown command or option, or an invalid value."},
	{Term: "3", Text: "No room found, or none whose host answers."},
	{Term: "4", Text: "The outcome is unknown: some lines were sent, and not confirmed."},
	{Term: "130", Text: "Interrupted before the room was joined."},
}

// An exitError is an error with the exit code that it ends the program with.
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
	// The first Ctrl-C or SIGTERM shuts down in order, the second ends the program at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	ctx = supervisor.EndOnHangup(ctx)
	if err := timezone.Init(); err != nil {
		fmt.Fprintln(os.Stderr, "chat: "+text.CleanLines(err.Error()))
	}
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := runCommand(ctx, newApp(stdout, stderr), args)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = errInterrupted
	}
	fmt.Fprintln(stderr, "chat: "+text.CleanLines(err.Error()))
	if exit, ok := errors.AsType[*exitError](err); ok {
		return exit.code
	}
	if _, ok := errors.AsType[*cmdline.UsageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*endpoint.AddressError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*discovery.NoRoomError](err); ok {
		return exitNoRoom
	}
	if _, ok := errors.AsType[*plain.UnconfirmedError](err); ok {
		return exitUnconfirmed
	}
	return exitFailed
}

// runCommand runs the command that args begin with.
func runCommand(ctx context.Context, app *cli.App, args []string) error {
	if len(args) > 2 && args[1] == completion.Command {
		return completion.Write(app.Writer, app, args[2:])
	}
	if err := cmdline.ReadSwitches(app); err != nil {
		return usageErrorf("%w", err)
	}
	args, err := cmdline.Canonical(app, cmdline.JoinNames(app, versionCommandOf(args)))
	if err != nil {
		return usageErrorf("%w", err)
	}
	return app.RunContext(ctx, args)
}

// versionCommandOf turns chat --version into chat version.
func versionCommandOf(args []string) []string {
	if len(args) == 2 && args[1] == "--version" {
		return []string{args[0], "version"}
	}
	return args
}

func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:  "chat",
		Usage: "Chat with everyone on your network.",
		Description: manual.Describe("One person hosts a room, everyone else joins it. chat without a command, on a terminal, finds the room by mDNS and joins it, lets you choose one, or offers to host one. A browser or nc works too. Nothing leaves the network.",
			"chat                      # join, choose or host",
			"chat host --room kitchen",
			"chat join",
			"nc 192.168.1.5 24280"),
		Version:                appVersion(),
		HideVersion:            true,                     // chat version prints it
		HideHelpCommand:        true,                     // helpCommand replaces it
		Flags:                  []cli.Flag{cli.HelpFlag}, // with which urfave/cli leaves this out
		UseShortOptionHandling: true,
		Writer:                 stdout,
		ErrWriter:              stderr,
		ExitErrHandler:         func(*cli.Context, error) {}, // run prints the error and returns the code
		OnUsageError:           onUsageError,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return unknownCommand(c.App, c.Args().First())
			}
			if isTerminal(os.Stdin) && isTerminal(os.Stdout) {
				return arrive(c)
			}
			return cli.ShowAppHelp(c)
		},
		Commands: []*cli.Command{hostCommand(), joinCommand(), roomsCommand(), inviteCommand(), doctorCommand(), versionCommand(), completionCommand(), manCommand(), helpCommand()},
	}
	app.Commands = slices.Insert(app.Commands, 4, archive.Commands()...)
	for _, c := range app.Commands {
		c.HideHelpCommand = true // chat join help joins the room "help"
		c.OnUsageError = onUsageError
		c.CustomHelpTemplate = manual.CommandHelp(c, app.Commands...)
	}
	app.CustomAppHelpTemplate = manual.AppHelp(app)
	return app
}

// commandDefaults returns the context of a command that was called without options: they have
// their defaults, or the values of their environment variables.
func commandDefaults(c *cli.Context, command *cli.Command) (*cli.Context, error) {
	set := flag.NewFlagSet(command.Name, flag.ContinueOnError)
	for _, f := range command.Flags {
		if err := f.Apply(set); err != nil {
			return nil, usageErrorf("%w", err)
		}
	}
	defaults := cli.NewContext(c.App, set, nil)
	defaults.Context, defaults.Command = c.Context, command
	return defaults, nil
}

func unknownCommand(app *cli.App, name string) error {
	var names []string
	for _, c := range app.Commands {
		names = append(names, c.Name)
	}
	if near := cmdline.Nearest(name, names); near != "" {
		return usageErrorf("unknown command %q; did you mean chat %s?\nhint: chat --help lists the commands", name, near)
	}
	return usageErrorf("unknown command %q\nhint: chat --help lists the commands", name)
}

// flagName finds the flag in an error of package flag, which writes it with one dash.
var flagName = regexp.MustCompile(`^(.*[: ])-([a-z][-a-z]+)((?:: .*)?)$`)

// flagWords replaces words of package flag.
var flagWords = strings.NewReplacer(
	"flag provided but not defined: ", "unknown option ",
	" for flag ", " for option ",
	": parse error", "",
)

// onUsageError words an error of package flag.
func onUsageError(c *cli.Context, err error, _ bool) error {
	command := "chat"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != "chat" {
		command += " " + c.Command.Name
	}
	message := flagWords.Replace(flagName.ReplaceAllString(err.Error(), "$1--$2$3"))
	return usageErrorf("%s\nhint: %s --help lists the options", message, command)
}

// The categories of options in --help.
const (
	categoryAccess  = "Access"
	categoryFiles   = "Files"
	categoryHistory = "History"
	categoryLogging = "Logging"
	categoryNetwork = "Network"
	categoryRoom    = "Room"
	categoryScreen  = "Screen"
	categoryScripts = "Scripts"
)

// Each command gets flags of its own: urfave/cli keeps state in them.

func ifaceFlag(category string) cli.Flag {
	return &cli.StringSliceFlag{Name: "iface", Category: category, Usage: "Use only the network interface `NAME`. Repeat to use several.", DefaultText: "all interfaces on a LAN"}
}

func nickFlag() cli.Flag {
	return &cli.StringFlag{Name: "nick", Aliases: []string{"n"}, Category: categoryRoom, EnvVars: []string{"CHAT_NICK"}, Usage: "Use `NAME` as your nick.", DefaultText: "your login name"}
}

func identityFlag(category string) cli.Flag {
	return &cli.StringFlag{
		Name: "identity", Category: category, Hidden: category == manual.Advanced, EnvVars: []string{"CHAT_IDENTITY"}, DefaultText: "a key that chat makes",
		Usage: "Use the SSH key in `FILE` in sealed rooms. With a .pub file, or the word agent, the SSH agent signs.",
	}
}

func boolFlag(category, name, usage string, aliases ...string) *cli.BoolFlag {
	return &cli.BoolFlag{Name: name, Aliases: aliases, Category: category, Usage: usage, DisableDefaultText: true}
}

// screenFlags are the options of a person at a terminal.
func screenFlags() []cli.Flag {
	plain := boolFlag(categoryScreen, "plain", "Print plain lines instead of the full screen. Implied if TERM is dumb.")
	plain.EnvVars = []string{"CHAT_PLAIN"}
	accessible := boolFlag(categoryScreen, "accessible", "Print plain lines worded for a screen reader.")
	accessible.EnvVars = []string{"CHAT_ACCESSIBLE"}
	quiet := boolFlag(categoryScreen, "quiet", "Turn off the bell and the notification when a message mentions you.", "q")
	quiet.EnvVars = []string{"CHAT_QUIET"}
	mouse := boolFlag(categoryScreen, "mouse", "Scroll with the mouse wheel. Selecting text then needs Shift.")
	mouse.EnvVars = []string{"CHAT_MOUSE"}
	return []cli.Flag{plain, accessible, quiet, mouse}
}

func hostCommand() *cli.Command {
	return &cli.Command{
		Name:      "host",
		Usage:     "Open a room on this network and join it.",
		ArgsUsage: "[ROOM]",
		Description: manual.Describe("The room closes when you leave. chat help limits lists the limits, chat help advanced the options for special cases.",
			"chat host                               # named after this machine",
			"chat host --room kitchen --nick alice",
			"chat host --addr 192.168.1.5:24280      # only on one address",
			"chat host --secure                      # encrypted, by invite",
			"chat host --history kitchen.chat        # the room survives a restart",
			"chat host --limit connections=50",
			"chat host --headless --log-format json  # no screen, log to stderr"),
		Flags: hostFlags(),
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
	flags := slices.Concat([]cli.Flag{
		&cli.StringFlag{Name: "room", Aliases: []string{"r"}, Category: categoryRoom, EnvVars: []string{"CHAT_ROOM"}, Usage: "Name the room `TITLE`.", DefaultText: "this machine's name"},
		nickFlag(),
		boolFlag(categoryRoom, "headless", "Host without joining the room, and log to stderr. Implied if stdin or stdout is not a terminal."),
		boolFlag(categoryAccess, "secure", "Seal the room: connections are encrypted, and only those with its invite can join."),
		&cli.StringFlag{Name: "members", Category: categoryAccess, Usage: "Let only the SSH keys in `FILE` join the sealed room as members. It is like authorized_keys."},
		&cli.StringSliceFlag{Name: "limit", Category: categoryAccess, Usage: "Set a limit: `NAME=VALUE`, e.g. connections=500. Repeat to set several; chat help limits lists them."},
		boolFlag(categoryAccess, "no-web", "Do not serve the web page or anything else over HTTP."),
		&cli.StringFlag{Name: "addr", Aliases: []string{"a"}, Category: categoryNetwork, Usage: "Listen on `[HOST]:PORT`.", DefaultText: fmt.Sprintf(":%d, or the next free port", wire.DefaultPort)},
		ifaceFlag(categoryNetwork),
		boolFlag(categoryNetwork, "no-discovery", "Do not announce the room by mDNS."),
	}, screenFlags(), []cli.Flag{
		&cli.StringFlag{Name: "history", Category: categoryHistory, EnvVars: []string{"CHAT_HISTORY"}, Usage: "Keep the room in `FILE`, and reopen it from there."},
		&cli.StringFlag{Name: "history-keep", Category: categoryHistory, Usage: "Delete history beyond `LIMIT`, an age, a size or both: 30d, 500MB or 30d,500MB.", DefaultText: "keep all"},
		&cli.StringFlag{Name: "files-dir", Category: categoryFiles, Usage: "Store uploads in `DIR`, and keep them when the host ends.", DefaultText: "a temporary directory"},
		&cli.StringFlag{Name: "log", Category: categoryLogging, Usage: "Append the transcript to `FILE`."},
		boolFlag(categoryLogging, "verbose", "Log debug messages too.", "v"),
	})
	advanced := []cli.Flag{
		&cli.IntFlag{Name: "backlog", Category: manual.Advanced, Hidden: true, Value: 50, Usage: "Send new members the last `N` messages."},
		&cli.StringFlag{Name: "cert", Category: manual.Advanced, Hidden: true, Usage: "Use the certificate in `FILE` for the sealed room. It is read again when it changes.", DefaultText: "made by the host"},
		identityFlag(manual.Advanced),
		&cli.StringFlag{Name: "key", Category: manual.Advanced, Hidden: true, Usage: "Read the key of --cert from `FILE`."},
		&cli.StringFlag{Name: "log-format", Value: "text", Category: manual.Advanced, Hidden: true, Usage: "Write log lines in `FORMAT`, text or json."},
		&cli.BoolFlag{Name: "metrics", Category: manual.Advanced, Hidden: true, Usage: "Serve /metrics to other machines too.", DisableDefaultText: true},
		&cli.BoolFlag{Name: "no-files", Category: manual.Advanced, Hidden: true, Usage: "Reject all uploads.", DisableDefaultText: true},
		&cli.StringFlag{Name: "operators", Category: manual.Advanced, Hidden: true, Usage: "Make those with the SSH keys in `FILE` operators of the sealed room. It is like authorized_keys."},
		&cli.StringFlag{Name: "secret-file", Category: manual.Advanced, Hidden: true, Usage: "Take the secret of the sealed room from `FILE`, which only you can read; - is stdin.", DefaultText: "$CHAT_SECRET, or generated"},
		&cli.StringSliceFlag{Name: "trusted-proxy", Category: manual.Advanced, Hidden: true, Usage: "Take the client's address from X-Forwarded-For or Forwarded in requests from `ADDRESS[/BITS]`, a reverse proxy. Repeat to set several."},
		&cli.StringSliceFlag{Name: "web-name", Category: manual.Advanced, Hidden: true, Usage: "Serve the page also to browsers that know this host as `NAME`. Repeat to set several.", DefaultText: "this machine's name and addresses"},
	}
	flags = append(flags, advanced...)
	for _, l := range limits.Table {
		if l.OldFlag != "" {
			flags = append(flags, &cli.StringFlag{Name: l.OldFlag, Category: manual.Deprecated, Hidden: true, Usage: "Use --limit " + l.Name + "=`" + l.Unit.String() + "`."})
		}
	}
	return flags
}

func joinCommand() *cli.Command {
	flags := slices.Concat([]cli.Flag{
		nickFlag(),
		identityFlag(categoryRoom),
		&cli.IntFlag{Name: "backlog", Category: categoryRoom, Value: -1, Usage: "Start with the last `N` messages.", DefaultText: "set by the host"},
		&cli.StringFlag{Name: "addr", Aliases: []string{"a"}, Category: categoryNetwork, EnvVars: []string{"CHAT_ADDR"}, Usage: "Join the host at `HOST[:PORT]`.", DefaultText: "found by mDNS"},
		&cli.DurationFlag{Name: "timeout", Category: categoryNetwork, Value: 5 * time.Second, Usage: "Stop searching for a room after `TIME`."},
		ifaceFlag(categoryNetwork),
		&cli.StringFlag{Name: "secret-file", Category: categoryAccess, Usage: "Take the secret of a sealed room from `FILE`, which only you can read.", DefaultText: "$CHAT_SECRET, or chat asks"},
		&cli.StringFlag{Name: "operator", Category: categoryAccess, Usage: "Join as an operator, with the `FILE` that chat host --headless writes and names in its log."},
	}, screenFlags(), []cli.Flag{
		boolFlag(categoryScripts, "json", "Print events as JSON lines."),
		boolFlag(categoryScripts, "follow", "Stay in the room after stdin ends.", "f"),
		&cli.StringFlag{Name: "log", Category: categoryLogging, Usage: "Append the transcript to `FILE`."},
	})
	return &cli.Command{
		Name:      "join",
		Usage:     "Join a room on this network.",
		ArgsUsage: "[ROOM]",
		Description: manual.Describe("ROOM is a title or the start of an ID. If there are several rooms and you name none, chat asks which one to join. For a sealed room, ROOM is its invite. Other users of this machine can see the arguments of a program while it runs: with - chat reads the invite from stdin, or set CHAT_INVITE.",
			"chat join",
			"chat join kitchen",
			"chat join 'https://192.168.1.5:24280/#PIN.SECRET'",
			"chat join -                             # asks for the invite",
			"chat join --addr 192.168.1.5            # without discovery",
			"chat join --operator kitchen.chat.operator",
			"make 2>&1 | chat join --nick ci         # send a program's output",
			"chat join --json --follow </dev/null    # print events as JSON lines"),
		Flags: flags,
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
		Name:        "rooms",
		Usage:       "List the rooms on this network.",
		Description: manual.Describe("", "chat rooms", "chat rooms --json"),
		Flags: []cli.Flag{
			boolFlag("", "json", "Print one JSON object per line."),
			&cli.DurationFlag{Name: "timeout", Value: discovery.ListWindow, Usage: "Search for `TIME`."},
			ifaceFlag(""),
		},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			return listRooms(c.Context, c.App.Writer, roomsOptions{JSON: c.Bool("json"), Timeout: c.Duration("timeout"), Ifaces: c.StringSlice("iface"), Err: c.App.ErrWriter})
		},
	}
}

func inviteCommand() *cli.Command {
	return &cli.Command{
		Name:      "invite",
		Usage:     "Print the invite to a sealed room that you host on this machine.",
		ArgsUsage: "[ROOM]",
		Description: manual.Describe("ROOM is a title or the start of an ID. A terminal also shows the QR code; a program gets only the link.",
			"chat invite",
			"chat invite lab --listen      # for guests who only read",
			"chat invite --json | jq -r .invite"),
		Flags: []cli.Flag{
			boolFlag("", "listen", "Print the invite for guests who may only read."),
			boolFlag("", "operator", "Print the invite for operators, who may kick and ban."),
			boolFlag("", "json", "Print one JSON object per room."),
		},
		Action: func(c *cli.Context) error {
			opts, err := inviteOptionsOf(c)
			if err != nil {
				return err
			}
			return printInvites(c.App.Writer, c.App.ErrWriter, opts)
		},
	}
}

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:        "doctor",
		Usage:       "Find out why rooms are not found, and how to fix it.",
		Description: manual.Describe("", "chat doctor", "chat doctor --iface wlan0", "chat doctor --addr 10.8.0.1"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "addr", Aliases: []string{"a"}, Usage: "Check the host at `HOST[:PORT]` too."},
			ifaceFlag(""),
		},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			return runDoctor(c.Context, c.App.Writer, doctorOptions{Ifaces: c.StringSlice("iface"), Addr: c.String("addr")})
		},
	}
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "Print the version.",
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
		Usage:     "Print the completion script of a shell.",
		ArgsUsage: strings.Join(completion.Shells, "|"),
		Description: manual.Describe("",
			"source <(chat completion bash)",
			"source <(chat completion zsh)",
			"chat completion fish | source",
			"chat completion powershell | Out-String | Invoke-Expression"),
		Action: func(c *cli.Context) error {
			script, ok := completion.Script(c.Args().First())
			if !ok || c.NArg() != 1 {
				return usageErrorf("chat completion needs the name of one shell\nhint: bash, zsh, fish or powershell")
			}
			_, err := io.WriteString(c.App.Writer, script)
			return err
		},
	}
}

func manCommand() *cli.Command {
	return &cli.Command{
		Name:        "man",
		Usage:       "Print the man page.",
		Description: manual.Describe("", "chat man | man -l -"),
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			page := manual.Page{App: c.App, Variables: variables, Files: fileLocations, ExitCodes: exitCodes}
			for _, k := range screen.KeyHelp(true) {
				page.Keys = append(page.Keys, manual.Entry{Group: string(k.Group), Term: k.Usage, Text: k.Help})
			}
			return page.Write(c.App.Writer)
		},
	}
}

// Parts of the man page that no table of the program holds.
var (
	variables = []manual.Entry{
		{Term: "CHAT_INVITE", Text: "The invite that chat join uses if it gets no room and no address."},
		{Term: "CHAT_ROOM", Text: "Also the room that chat join joins."},
		{Term: "CHAT_SECRET", Text: "The secret of a sealed room, for chat host --secure and chat join without --secret-file."},
		{Term: "NO_COLOR", Text: "If set, the screen has no colors."},
		{Term: "TERM", Text: "If dumb or empty, chat prints plain lines instead of the full screen."},
	}
	fileLocations = []manual.Entry{
		{Term: "FILE of --history", Text: "An SQLite database with all events of the room in the clear, private messages too. A new file is readable only by its owner, on Windows by whoever may read its folder. One host at a time can use it, on a local disk."},
		{Term: "FILE of --log", Text: "The transcript as text, one line per message with its date. A new file is readable only by its owner, on Windows by whoever may read its folder."},
		{Term: "~/.local/state/chat", Text: "The secrets by which rooms recognize chat join after a crash, in $XDG_STATE_HOME/chat if that is set; on macOS in ~/Library/Application Support/chat, on Windows in %LocalAppData%\\chat. Only the user can read them; deleting them makes chat join a new member of its rooms. key.pem there is the key of the user's sealed rooms, and rooms has their secrets. known_hosts there lists the hosts of sealed rooms that the user trusted, one a line: room ID PIN TITLE, or addr HOST:PORT PIN TITLE."},
		{Term: "DIR of --files-dir", Text: "The uploads. Without the option they are in a temporary directory under the user's cache directory, e.g. ~/.cache, and are deleted when the host ends."},
	}
)

func helpCommand() *cli.Command {
	return &cli.Command{
		Name:        "help",
		Usage:       "Show the help of a command or a topic.",
		ArgsUsage:   "[COMMAND|TOPIC]",
		Description: manual.Describe("", "chat help host", "chat help limits    # limits of chat host, with defaults and units", "chat help advanced  # options of chat host for special cases"),
		Action: func(c *cli.Context) error {
			name := strings.Join(c.Args().Slice(), " ")
			topic := manual.TopicNamed(name)
			switch {
			case c.NArg() > 1 && c.App.Command(name) == nil:
				return usageErrorf("chat help takes one command or topic, not %d\nhint: e.g. chat help join", c.NArg())
			case name == "":
				return cli.ShowAppHelp(c)
			case topic != nil:
				return topic.Write(c.App.Writer, c.App)
			case c.App.Command(name) == nil:
				return unknownCommand(c.App, name)
			}
			return c.App.RunContext(c.Context, []string{"chat", name, "--help"})
		},
	}
}

// noArgs refuses arguments of a command that takes none.
func noArgs(c *cli.Context) error {
	if !c.Args().Present() {
		return nil
	}
	return usageErrorf("unexpected argument %q\nhint: chat %s takes only options; chat %[2]s --help lists them", c.Args().First(), c.Command.Name)
}

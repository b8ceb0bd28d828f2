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
	"os/user"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"chat/relay/admin"
	admincommands "chat/relay/admin/commands"
	"chat/relay/archive"
	"chat/relay/cmdline"
	"chat/relay/completion"
	"chat/relay/discovery"
	"chat/relay/endpoint"
	"chat/relay/invites"
	"chat/relay/manual"
	"chat/relay/plain"
	"chat/relay/screen"
	"chat/relay/seal"
	"chat/relay/settings"
	"chat/relay/supervisor"
	"chat/relay/text"
	"chat/relay/timezone"
	"chat/relay/wire"
)

// version is set by builds that have no repository: go build -ldflags "-X main.version=1.2.3".
var version string

// appVersion returns the program's name and version, as peers see it. Without [version]
// go build takes it from the repository: 1.2.3 at the tag v1.2.3. Without a repository it is dev.
func appVersion() string {
	if version != "" {
		return "chat " + version
	}
	if info, ok := debug.ReadBuildInfo(); ok && strings.HasPrefix(info.Main.Version, "v") {
		return "chat " + info.Main.Version[1:]
	}
	return "chat dev"
}

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
	fmt.Fprintln(stderr, "chat: "+text.CleanLines(seal.HideSecrets(err.Error())))
	return exitCode(err)
}

// exitCode returns the code with which the program ends because of err.
func exitCode(err error) int {
	switch {
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case is[*cmdline.UsageError](err), is[*endpoint.AddressError](err), is[*admin.ChoiceError](err):
		return exitUsage
	case is[*discovery.NoRoomError](err), is[*admin.NoRoomError](err), is[*invites.NoRoomError](err):
		return exitNoRoom
	case is[*plain.UnconfirmedError](err):
		return exitUnconfirmed
	}
	return exitFailed
}

// is reports whether err wraps an error of type E.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// runCommand runs the command that args begin with.
func runCommand(ctx context.Context, app *cli.App, args []string) error {
	if len(args) > 2 && args[1] == completion.Command {
		return completion.Write(app.Writer, app, args[2:])
	}
	args, err := cmdline.Canonical(app, cmdline.JoinNames(app, versionCommandOf(args)))
	if err != nil {
		return cmdline.UsageErrorf("%w", err)
	}
	if len(args) > 1 {
		if command := app.Command(args[1]); command != nil {
			if err := settings.CheckEnvironment(command); err != nil {
				return cmdline.UsageErrorf("%w", err)
			}
		}
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
		Commands: slices.Concat(
			[]*cli.Command{hostCommand(), joinCommand(), roomsCommand(), invites.Command()},
			archive.Commands(),
			admincommands.Commands(),
			[]*cli.Command{doctorCommand(), versionCommand(), completionCommand(), manCommand(), helpCommand()},
		),
	}
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
	if err := settings.CheckEnvironment(command); err != nil {
		return nil, cmdline.UsageErrorf("%w", err)
	}
	set := flag.NewFlagSet(command.Name, flag.ContinueOnError)
	for _, f := range command.Flags {
		if err := f.Apply(set); err != nil {
			return nil, cmdline.UsageErrorf("%w", err)
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
		return cmdline.UsageErrorf("unknown command %q; did you mean chat %s?\nhint: chat --help lists the commands", name, near)
	}
	return cmdline.UsageErrorf("unknown command %q\nhint: chat --help lists the commands", name)
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
	return cmdline.UsageErrorf("%s\nhint: %s --help lists the options", message, command)
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
					if short := s.Value[:min(len(s.Value), 12)]; s.Key == "vcs.revision" && !strings.Contains(appVersion(), short) {
						revision = " " + short
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
				return cmdline.UsageErrorf("chat completion needs the name of one shell\nhint: bash, zsh, fish or powershell")
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
		{Term: "FILE of --config", Text: "Settings of chat host in TOML, at most 64 KiB: the names of its options, and limits in the table [limit]. Names of files in it are relative to its folder. chat host --print-config writes one. No file is read unless --config or CHAT_CONFIG names it."},
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
				return cmdline.UsageErrorf("chat help takes one command or topic, not %d\nhint: e.g. chat help join", c.NArg())
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
	return cmdline.UsageErrorf("unexpected argument %q\nhint: chat %s takes only options; chat %[2]s --help lists them", c.Args().First(), c.Command.Name)
}

// --- options that several commands have ---------------------------------------------

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

func nickFlag() cli.Flag {
	return &cli.StringFlag{Name: "nick", Aliases: []string{"n"}, Category: categoryRoom, Usage: "Use `NAME` as your nick.", DefaultText: "your login name"}
}

// nickOf returns the nick that the user wants: --nick, which must be valid, or the login name.
func nickOf(c *cli.Context) (string, error) {
	wanted := c.String("nick")
	if wanted == "" {
		return loginName(), nil
	}
	nick, err := text.NormalizeNick(wanted)
	if err != nil {
		return "", cmdline.UsageErrorf("invalid nick %q: %w\nhint: choose another one with --nick, or set CHAT_NICK", wanted, err)
	}
	return nick, nil
}

// loginName returns the user's login name, or "" if it cannot be a nick.
func loginName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	name := u.Username[strings.LastIndexByte(u.Username, '\\')+1:] // DOMAIN\name on Windows
	nick, err := text.NormalizeNick(name)
	if err != nil {
		return ""
	}
	return nick
}

func identityFlag(category string) cli.Flag {
	return &cli.StringFlag{
		Name: "identity", Category: category, Hidden: category == manual.Advanced, DefaultText: "a key that chat makes",
		Usage: "Use the SSH key in `FILE` in sealed rooms. With a .pub file, or the word agent, the SSH agent signs.",
	}
}

func ifaceFlag(category string) cli.Flag {
	return &cli.StringSliceFlag{Name: "iface", Category: category, Usage: "Use only the network interface `NAME`. Repeat to use several.", DefaultText: "all interfaces on a LAN"}
}

// screenFlags are the options of a person at a terminal.
func screenFlags() []cli.Flag {
	return []cli.Flag{
		cmdline.Switch(categoryScreen, "plain", "Print plain lines instead of the full screen. Implied if TERM is dumb."),
		cmdline.Switch(categoryScreen, "accessible", "Print plain lines worded for a screen reader."),
		cmdline.Switch(categoryScreen, "quiet", "Turn off the bell and the notification when a message mentions you.", "q"),
	}
}

func mouseFlag(category string) cli.Flag {
	f := cmdline.Switch(category, "mouse", "Scroll with the mouse wheel. Selecting text then needs Shift.")
	f.Hidden = category == manual.Advanced
	return f
}

// usesScreen reports whether there is a terminal that can show a full screen, and no flag
// against it.
func usesScreen(c *cli.Context) bool {
	if c.Bool("plain") || c.Bool("accessible") || !isTerminal(os.Stdin) || !isTerminal(os.Stdout) {
		return false
	}
	terminal := os.Getenv("TERM")
	return terminal != "dumb" && (terminal != "" || runtime.GOOS == "windows")
}

// isTerminal reports whether f is a terminal.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

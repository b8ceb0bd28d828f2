package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/urfave/cli/v2"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/cmdline"
	"chat/relay/endpoint"
	"chat/relay/history"
	"chat/relay/hosting"
	"chat/relay/hostseal"
	"chat/relay/identity"
	"chat/relay/invites"
	"chat/relay/limits"
	"chat/relay/logging"
	"chat/relay/manual"
	"chat/relay/plain"
	"chat/relay/qrcode"
	"chat/relay/screen"
	"chat/relay/seal"
	"chat/relay/settings"
	"chat/relay/supervisor"
	"chat/relay/text"
	"chat/relay/wire"
)

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
			"chat host --config kitchen.toml         # settings from a file",
			"chat host --headless --log-format json  # no screen, log to stderr"),
		Flags: hostFlags(),
		Action: func(c *cli.Context) error {
			opts, err := hostOptionsOf(c)
			if err != nil {
				return err
			}
			if c.Bool(settings.PrintFlag) {
				return opts.settings.Print(c.App.Writer)
			}
			return runHost(c.Context, opts)
		},
	}
}

func hostFlags() []cli.Flag {
	flags := slices.Concat([]cli.Flag{
		&cli.StringFlag{Name: "room", Aliases: []string{"r"}, Category: categoryRoom, Usage: "Name the room `TITLE`.", DefaultText: "this machine's name"},
		nickFlag(),
		cmdline.Switch(categoryRoom, "headless", "Host without joining the room, and log to stderr. Implied if stdin or stdout is not a terminal."),
		&cli.StringFlag{Name: settings.FileFlag, Category: categoryRoom, Usage: "Read settings from `FILE`. chat help settings explains them."},
		cmdline.Switch(categoryAccess, "secure", "Seal the room: connections are encrypted, and only those with its invite can join."),
		&cli.StringFlag{Name: "members", Category: categoryAccess, Usage: "Let only the SSH keys in `FILE` join the sealed room as members. It is like authorized_keys."},
		&cli.StringSliceFlag{Name: "limit", Category: categoryAccess, Usage: "Set a limit: `NAME=VALUE`, e.g. connections=500. Repeat to set several; chat help limits lists them."},
		cmdline.Switch(categoryAccess, "no-web", "Do not serve the web page or anything else over HTTP."),
		&cli.StringFlag{Name: "addr", Aliases: []string{"a"}, Category: categoryNetwork, EnvVars: []string{"CHAT_LISTEN"}, Usage: "Listen on `[HOST]:PORT`.", DefaultText: fmt.Sprintf(":%d, or the next free port", wire.DefaultPort)},
		ifaceFlag(categoryNetwork),
		cmdline.Switch(categoryNetwork, "no-discovery", "Do not announce the room by mDNS."),
	}, screenFlags(), []cli.Flag{
		&cli.StringFlag{Name: "history", Category: categoryHistory, Usage: "Keep the room in `FILE`, and reopen it from there."},
		&cli.StringFlag{Name: "history-keep", Category: categoryHistory, Usage: "Delete history beyond `LIMIT`, an age, a size or both: 30d, 500MB or 30d,500MB.", DefaultText: "keep all"},
		&cli.StringFlag{Name: "files-dir", Category: categoryFiles, Usage: "Store uploads in `DIR`, and keep them when the host ends.", DefaultText: "a temporary directory"},
		&cli.StringFlag{Name: "log", Category: categoryLogging, EnvVars: []string{"CHAT_HOST_LOG"}, Usage: "Append the transcript to `FILE`."},
		cmdline.Switch(categoryLogging, "verbose", "Log debug messages too.", "v"),
	})
	advanced := []cli.Flag{
		&cli.IntFlag{Name: "backlog", Category: manual.Advanced, Hidden: true, EnvVars: []string{"CHAT_HOST_BACKLOG"}, Value: 50, Usage: "Send new members the last `N` messages."},
		&cli.StringFlag{Name: "binaries", Category: manual.Advanced, Hidden: true, Usage: "Hand out the programs in `DIR`, the folder of a release, for other systems too.", DefaultText: "only this program"},
		&cli.StringFlag{Name: "cert", Category: manual.Advanced, Hidden: true, Usage: "Use the certificate in `FILE` for the sealed room. It is read again when it changes.", DefaultText: "made by the host"},
		&cli.StringSliceFlag{Name: "cluster", Category: manual.Advanced, Hidden: true, Usage: "Serve the room as one of several relays, with the NATS servers at `URLS`, e.g. nats://a:4222,nats://b:4222. It needs --room.", DefaultText: "only this host has the room"},
		&cli.StringFlag{Name: "cluster-creds", Category: manual.Advanced, Hidden: true, Usage: "Connect to the servers of --cluster with the NATS credentials in `FILE`."},
		identityFlag(manual.Advanced),
		&cli.StringFlag{Name: "key", Category: manual.Advanced, Hidden: true, Usage: "Read the key of --cert from `FILE`."},
		&cli.StringFlag{Name: "log-format", Value: "text", Category: manual.Advanced, Hidden: true, Usage: "Write log lines in `FORMAT`, text or json."},
		advancedSwitch("metrics", "Serve /metrics to other machines too."),
		mouseFlag(manual.Advanced),
		advancedSwitch("no-files", "Reject all uploads."),
		advancedSwitch("no-get", "Do not hand out the program to those who do not have it."),
		&cli.StringFlag{Name: "operators", Category: manual.Advanced, Hidden: true, Usage: "Make those with the SSH keys in `FILE` operators of the sealed room. It is like authorized_keys."},
		advancedSwitch(settings.PrintFlag, "Print the settings as a file for --config, with where each is from, and exit."),
		&cli.IntFlag{Name: "replicas", Category: manual.Advanced, Hidden: true, Usage: "Keep a new room of --cluster on `N` servers: 1, 3 or 5. With a single server it is 1.", DefaultText: "3"},
		&cli.StringFlag{Name: "secret-file", Category: manual.Advanced, Hidden: true, EnvVars: []string{"CHAT_HOST_SECRET_FILE"}, Usage: "Take the secret of the sealed room from `FILE`, which only you can read; - is stdin.", DefaultText: "$CHAT_SECRET, or generated"},
		&cli.StringSliceFlag{Name: "trusted-proxy", Category: manual.Advanced, Hidden: true, Usage: "Take the client's address from X-Forwarded-For or Forwarded in requests from `ADDRESS[/BITS]`, a reverse proxy. Repeat to set several."},
		&cli.StringSliceFlag{Name: "web-name", Category: manual.Advanced, Hidden: true, Usage: "Serve the page also to browsers that know this host as `NAME`. Repeat to set several.", DefaultText: "this machine's name and addresses"},
	}
	flags = append(flags, advanced...)
	for _, l := range limits.Table {
		if l.OldFlag != "" {
			flags = append(flags, &cli.StringFlag{Name: l.OldFlag, Category: manual.Deprecated, Hidden: true, Usage: "Use --limit " + l.Name + "=`" + l.Unit.String() + "`."})
		}
	}
	return settings.WithVariables(flags)
}

// advancedSwitch returns an option without a value that only chat help advanced lists.
func advancedSwitch(name, usage string) cli.Flag {
	f := cmdline.Switch(manual.Advanced, name, usage)
	f.Hidden = true
	return f
}

// hostOptions are the options of chat host.
type hostOptions struct {
	hosting.Options
	Nick       string    // of the host's own member; "": the relay assigns one
	Screen     bool      // full screen, not lines
	Accessible bool      // lines worded for a screen reader
	Quiet      bool      // no bell on the screen
	Mouse      bool      // the wheel scrolls the screen
	LogFile    string    // the transcript is appended to it; "": none. Not without a member
	LogFormat  string    // of log lines: text or json
	Verbose    bool      // log debug messages
	In         io.Reader // for the host's own member, as is Out
	Out        io.Writer

	settings *settings.Settings // that the options are from
}

// hostOptionsOf reads the settings of chat host.
func hostOptionsOf(c *cli.Context) (hostOptions, error) {
	from, err := settings.Read(c)
	if err != nil {
		return hostOptions{}, cmdline.UsageErrorf("%w", err)
	}
	opts, err := hostOptionsIn(c, from)
	return opts, from.Explain(err)
}

// hostOptionsIn returns the options in c. from is the source of each of them, for errors and limits.
func hostOptionsIn(c *cli.Context, from *settings.Settings) (hostOptions, error) {
	nick, err := nickOf(c)
	if err != nil {
		return hostOptions{}, err
	}
	title, err := titleOf(c, from)
	if err != nil {
		return hostOptions{}, err
	}
	onTerminal := isTerminal(os.Stdin) && isTerminal(os.Stdout) || c.Bool(settings.PrintFlag)
	opts := hostOptions{
		settings: from,
		Options: hosting.Options{
			Options: relay.Options{
				Title:   text.Title(title),
				App:     appVersion(),
				Backlog: c.Int("backlog"),
			},
			Addr:        c.String("addr"),
			NoMember:    c.Bool("headless") || !onTerminal,
			HistoryFile: c.String("history"),
			NoWeb:       c.Bool("no-web"),
			NoFiles:     c.Bool("no-files"),
			FilesDir:    c.String("files-dir"),
			NoGet:       c.Bool("no-get"),
			Binaries:    c.String("binaries"),
			WebNames:    c.StringSlice("web-name"),
			Metrics:     c.Bool("metrics"),
			Sealing: hosting.Sealing{
				Secure: c.Bool("secure"), SecretFile: c.String("secret-file"), CertFile: c.String("cert"), KeyFile: c.String("key"),
				MembersFile: c.String("members"), OperatorsFile: c.String("operators"),
				Signer: func() (*identity.Signer, error) { return namedSigner(c.String("identity")) },
			},
			Sharing:     hosting.Sharing{URLs: c.StringSlice("cluster"), Creds: c.String("cluster-creds"), Replicas: c.Int("replicas")},
			NoDiscovery: c.Bool("no-discovery"),
			Ifaces:      c.StringSlice("iface"),
			LogTo:       c.App.ErrWriter,
		},
		Nick:       nick,
		Screen:     !c.Bool("headless") && usesScreen(c),
		Accessible: c.Bool("accessible"),
		Quiet:      c.Bool("quiet"),
		Mouse:      c.Bool("mouse"),
		LogFile:    c.String("log"),
		LogFormat:  c.String("log-format"),
		Verbose:    c.Bool("verbose"),
		In:         os.Stdin,
		Out:        c.App.Writer,
	}
	if err := opts.parse(c, from); err != nil {
		return opts, err
	}
	return opts, opts.checkUsage(c.Int("backlog"))
}

// titleOf returns the title of the room: the argument of the command line, or --room; "": neither has one.
func titleOf(c *cli.Context, from *settings.Settings) (string, error) {
	title := c.String("room")
	switch named := from.IsOnCommandLine("room"); {
	case c.NArg() > 1:
		return "", cmdline.UsageErrorf("chat host takes one room, not %d\nhint: quote a title that has spaces", c.NArg())
	case c.NArg() == 1 && named:
		return "", cmdline.UsageErrorf("room %q and --room %s exclude each other\nhint: leave out one of them", c.Args().First(), title)
	case c.NArg() == 1:
		title = c.Args().First()
		from.Replace("room", title)
	}
	return title, nil
}

// parse sets the options that are more than a word or a number.
func (opts *hostOptions) parse(c *cli.Context, from *settings.Settings) (err error) {
	if c.IsSet("history") && opts.HistoryFile == "" {
		return cmdline.UsageErrorf("the name of the history file is empty\nhint: set --history or CHAT_HISTORY to a file; without both the room is in memory")
	}
	if opts.Backlog == 0 {
		opts.Backlog = -1 // the relay's none
	}
	if opts.HistoryKeep, err = history.ParseKeep(c.String("history-keep")); err != nil {
		return cmdline.UsageErrorf("invalid --history-keep %q: %w", c.String("history-keep"), err)
	}
	if opts.TrustedProxies, err = endpoint.ParseProxies(c.StringSlice("trusted-proxy")); err != nil {
		return cmdline.UsageErrorf("%w", err)
	}
	return setLimits(c, from, limits.Settings{Room: &opts.Options.Options, Files: &opts.FileLimits})
}

// checkUsage returns a usage error if the options are invalid or contradict each other.
func (opts *hostOptions) checkUsage(backlog int) error {
	switch {
	case opts.LogFormat != "text" && opts.LogFormat != "json":
		return cmdline.UsageErrorf("invalid --log-format %q\nhint: use text or json", opts.LogFormat)
	case backlog < 0:
		return cmdline.UsageErrorf("--backlog cannot be negative\nhint: use 0 to send no messages")
	case opts.LogFile != "" && opts.NoMember:
		return cmdline.UsageErrorf("--log needs a member, and a headless host has none\nhint: keep the transcript with chat join --follow --log %s </dev/null", opts.LogFile)
	}
	if err := opts.Check(); err != nil {
		return cmdline.UsageErrorf("%w", err)
	}
	return nil
}

// setLimits sets the limits: the defaults, then those of the settings. Each deprecated flag is a setting, with a
// warning that names its replacement.
func setLimits(c *cli.Context, from *settings.Settings, to limits.Settings) error {
	for i := range limits.Table {
		l := &limits.Table[i]
		if l.OldFlag == "" || !c.IsSet(l.OldFlag) {
			continue
		}
		value, err := l.FromOldFlag(c.String(l.OldFlag))
		if err != nil {
			return cmdline.UsageErrorf("%w", err)
		}
		fmt.Fprintf(c.App.ErrWriter, "chat: --%s is deprecated; use --limit %s=%s\n", l.OldFlag, l.Name, value)
		from.AddLimit(l.Name+"="+value, l.OldFlag)
	}
	limits.SetDefaults(to)
	for _, l := range from.Limits() {
		err := limits.Set(to, l.Assignment)
		switch {
		case err != nil && strings.HasPrefix(l.From, "--"):
			return cmdline.UsageErrorf("%w", err)
		case err != nil:
			return cmdline.UsageErrorf("%s: %w", l.From, err)
		}
	}
	return nil
}

// logOptions returns the log's options. A headless host logs joins and leaves; a host that
// is in the room gets only warnings; --verbose adds debug messages.
func (opts *hostOptions) logOptions() logging.Options {
	level := slog.LevelInfo
	switch {
	case opts.Verbose:
		level = slog.LevelDebug
	case !opts.NoMember:
		level = slog.LevelWarn
	}
	return logging.Options{
		Level: level, JSON: opts.LogFormat == "json", Bare: opts.Screen,
		Journal: opts.NoMember && opts.LogTo == os.Stderr && supervisor.IsJournal(os.Stderr),
	}
}

// runHost hosts a room until ctx ends or the host leaves.
func runHost(ctx context.Context, opts hostOptions) error {
	transcript, err := plain.OpenTranscript(opts.LogFile)
	if err != nil {
		return err
	}
	defer transcript.Close()
	var warnings logging.Lines
	if opts.Screen {
		warnings = logging.NewLines()
		opts.LogTo = warnings
	}
	if opts.NoMember {
		signal.Ignore(syscall.SIGPIPE) // a log that no one reads any more must not end the room
		if opts.Supervisor, err = supervisor.FromEnvironment(); err != nil {
			return err
		}
	}
	room, err := openHostRoom(opts)
	if err != nil {
		return err
	}
	if opts.NoMember {
		supervisor.ReloadOnHangup(ctx, func() { _, _ = room.Reload() }) // it logs its errors
	}
	serving := room.start(ctx)
	switch {
	case opts.Screen:
		err = room.outlive(serving, room.joinOnScreen(serving, transcript, warnings))
	case opts.NoMember:
		room.LogOpen()
		room.printCode()
		<-serving.Done()
	default:
		room.printInvitation()
		err = room.outlive(serving, room.joinInLines(serving, transcript))
	}
	err = errors.Join(err, room.Close())
	if !opts.NoMember {
		if !opts.Screen && ctx.Err() != nil {
			fmt.Fprintln(opts.Out) // after ^C
		}
		room.printClosed()
	}
	return err
}

// --- the open room ---------------------------------------------------------------

// An openRoom is a room that this program hosts, and what its user sees of it.
type openRoom struct {
	*hosting.Room
	opts hostOptions
}

func openHostRoom(opts hostOptions) (openRoom, error) {
	opts.Advertise = advertise
	opts.Logging = opts.logOptions()
	opts.Sealing.ReadSecret = opts.readSecret
	if opts.settings != nil {
		opts.Reread = func() (changed, others []string, err error) {
			changes, err := opts.settings.Reread()
			return changes.Limits, changes.Others, err
		}
	}
	room, err := hosting.Open(opts.Options)
	return openRoom{room, opts}, err
}

// readSecret reads the secret of the room from stdin.
func (opts *hostOptions) readSecret() ([]byte, error) {
	if isTerminal(os.Stdin) {
		return plain.AskHidden(os.Stdin, os.Stderr, "Secret of the room: ")
	}
	return io.ReadAll(io.LimitReader(opts.In, seal.MaxSecretFile))
}

// start serves the room; see [hosting.Room.Start].
func (r *openRoom) start(ctx context.Context) context.Context {
	if r.IsOnOtherPort() {
		r.warnOtherPort()
	}
	return r.Start(ctx)
}

// warnOtherPort warns the host's member that the room has not the default port. A log has it in
// the address.
func (r *openRoom) warnOtherPort() {
	message := fmt.Sprintf("Port %d is in use; this room is on %d.\n", wire.DefaultPort, r.Port())
	switch {
	case r.opts.Screen:
		io.WriteString(r.opts.LogTo, message)
	case !r.opts.NoMember:
		io.WriteString(r.opts.Out, message)
	}
}

func (r *openRoom) printClosed() {
	fmt.Fprintf(r.opts.Out, "The room %s is closed.\n", r.Info().Title)
}

// outlive keeps the room open until ctx ends if the host's terminal was closed while
// SIGHUP is ignored: that says that the program goes on without it. err is why the host left.
func (r *openRoom) outlive(ctx context.Context, err error) error {
	if !errors.Is(err, screen.ErrTerminalGone) || !signal.Ignored(syscall.SIGHUP) {
		return err
	}
	r.Log().Warn("the terminal was closed; the room stays open until SIGTERM")
	<-ctx.Done()
	return nil
}

// printCode prints the QR code of the page of a plain room on the terminal, among the log lines for people.
func (r *openRoom) printCode() {
	pages := r.Pages()
	if len(pages) == 0 || r.Sealed() != nil || r.opts.LogFormat != "text" || !isTerminal(os.Stderr) {
		return
	}
	page := pages[0]
	code, err := qrcode.ForTerminal(os.Stderr)(page)
	if err != nil {
		r.Log().Warn("no QR code", "page", page, "error", err)
		return
	}
	for _, line := range code {
		fmt.Fprintf(r.opts.LogTo, "  %s\n", line)
	}
}

// printInvitation prints every way to join the room.
func (r *openRoom) printInvitation() {
	out := r.opts.Out
	if r.Sealed() != nil {
		printer := invites.Printer{To: out, Addrs: func(hostseal.Room) []string { return r.Ways() }}
		if !r.opts.Accessible {
			printer.Code = qrcode.ForTerminal(os.Stdout)
		}
		if err := printer.PrintOpened(r.Sealed().Room(), invites.Reach{Page: !r.opts.NoWeb, Discovered: !r.opts.NoDiscovery}); err != nil {
			r.Log().Warn("cannot print the invite; chat invite does", "error", err)
		}
		return
	}
	fmt.Fprintf(out, "The room %s is open. Others join with\n", r.Info().Title)
	if !r.opts.NoDiscovery {
		fmt.Fprintf(out, "  chat join\n")
	}
	for _, page := range r.Pages() {
		fmt.Fprintf(out, "  %s in a browser\n", page)
	}
	for _, addr := range r.Ways() {
		host, port, _ := net.SplitHostPort(addr)
		fmt.Fprintf(out, "  chat join --addr %s\n  nc %s %s\n", addr, host, port)
	}
	if addrs, on := r.Ways(), r.ForShell(); on != "" && len(addrs) > 0 {
		fmt.Fprintf(out, "Those without chat install it on %s with\n  %s\n", on, r.Install(addrs[0]))
	}
}

// joinInLines lets the host take part line by line, until they leave or ctx ends.
func (r *openRoom) joinInLines(ctx context.Context, transcript *plain.Transcript) error {
	var served sync.WaitGroup
	defer served.Wait()
	c, err := r.join(ctx, &served)
	if err != nil {
		return err
	}
	in := plain.ReadTyped(r.opts.In)
	defer in.Close()
	err = plain.Run(ctx, c, plain.Options{
		In: in, Out: r.opts.Out, Err: r.opts.LogTo, Log: transcript, Accessible: r.opts.Accessible, Width: plain.Width,
		HostAddr: func() string { return r.Ways()[0] },
	})
	if !isTerminal(os.Stdin) { // it was one
		return errors.Join(screen.ErrTerminalGone, err)
	}
	return err
}

// joinOnScreen lets the host take part on a full screen, until they leave or ctx ends.
func (r *openRoom) joinOnScreen(ctx context.Context, transcript *plain.Transcript, warnings logging.Lines) error {
	var served sync.WaitGroup
	defer served.Wait()
	description := r.describe()
	how := screen.Options{
		Place: &screen.Place{Title: r.Info().Title, ID: r.Info().ID}, Hosting: &description,
		Warnings: warnings, Quiet: r.opts.Quiet, Mouse: r.opts.Mouse,
	}
	return runScreen(ctx, how, transcript, func(ctx context.Context, _ screen.Place, _ client.Questions) (*client.Client, error) {
		return r.join(ctx, &served)
	}, nil)
}

// join lets the host's own member join; see [hosting.Room.Join].
func (r *openRoom) join(ctx context.Context, served *sync.WaitGroup) (*client.Client, error) {
	return r.Join(ctx, r.opts.Nick, screen.Gather, served)
}

// describe describes the room to a screen.
func (r *openRoom) describe() screen.Hosting {
	h := screen.Hosting{Addrs: r.Ways, NoPage: r.opts.NoWeb, Discovered: !r.opts.NoDiscovery}
	if r.Sealed() != nil {
		h.Invites = r.Sealed().Invites
	}
	if r.HandsOut() {
		h.Install, h.ForShell, h.ProgramSum, h.SumsFile = r.Install, r.ForShell(), r.ProgramSum, r.SumsFile()
	}
	return h
}

// --- hosting from the lobby -------------------------------------------------------

// A lobbyHost opens the room that the user of chat join hosts instead of joining one.
type lobbyHost struct {
	// Fixed.
	opts  hostOptions
	ctx   context.Context // until the screen ends
	ended func()          // is called when serving fails: there is nothing left to show

	mu      sync.Mutex
	room    *openRoom      // nil: none is open; guarded by mu
	forget  func() bool    // keeps ended from being called for the room; guarded by mu
	closing bool           // no other room is opened; guarded by mu
	served  sync.WaitGroup // the connection of the host's own member
}

// open opens a room, serves it and joins it. The title "" is that of the options.
func (h *lobbyHost) open(ctx context.Context, title string) (*client.Client, screen.Hosting, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	opts := h.opts
	opts.Title = cmp.Or(text.Title(title), opts.Title)
	if err := opts.Check(); err != nil {
		return nil, screen.Hosting{}, err
	}
	if h.closing {
		return nil, screen.Hosting{}, context.Canceled
	}
	room, err := openHostRoom(opts)
	if err != nil {
		return nil, screen.Hosting{}, err
	}
	serving := room.start(h.ctx)
	c, err := room.join(ctx, &h.served)
	if err != nil {
		return nil, screen.Hosting{}, errors.Join(err, room.Close())
	}
	h.room, h.forget = &room, context.AfterFunc(serving, h.ended)
	return c, room.describe(), nil
}

// abandon closes the room that was opened last, as the user went back meanwhile.
func (h *lobbyHost) abandon() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.room == nil {
		return nil
	}
	h.forget()
	room := h.room
	h.room = nil
	return room.Close()
}

// close closes the room, if one is open, when its screen has ended with err. It returns what went
// wrong.
func (h *lobbyHost) close(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closing = true
	h.served.Wait()
	if h.room == nil {
		return err
	}
	err = errors.Join(h.room.outlive(h.ctx, err), h.room.Close())
	h.room.printClosed()
	return err
}

// hostDefaults returns the options of a chat host without options, with the environment's
// variables.
func hostDefaults(c *cli.Context) (hostOptions, error) {
	defaults, err := commandDefaults(c, hostCommand())
	if err != nil {
		return hostOptions{}, err
	}
	return hostOptionsOf(defaults)
}

// announcedTitle returns the title that a room of opts will have; "": that is in its history file.
func (opts *hostOptions) announcedTitle() string {
	if opts.HistoryFile != "" {
		return opts.Title
	}
	return cmp.Or(opts.Title, endpoint.MachineName())
}

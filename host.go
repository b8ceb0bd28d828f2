package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"os/user"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/urfave/cli/v2"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/discovery"
	"chat/relay/endpoint"
	"chat/relay/files"
	"chat/relay/history"
	"chat/relay/identity"
	"chat/relay/limits"
	"chat/relay/logging"
	"chat/relay/plain"
	"chat/relay/qrcode"
	"chat/relay/screen"
	"chat/relay/text"
	"chat/relay/web"
	"chat/relay/wire"
)

// hostOptions are the options of chat host.
type hostOptions struct {
	relay.Options
	Addr        string       // to listen on; "": the default port, or the next free one
	Nick        string       // of the host's own member; "": the relay assigns one
	Headless    bool         // do not join the room
	Screen      bool         // full screen, not lines
	Accessible  bool         // lines worded for a screen reader
	Quiet       bool         // no bell on the screen
	Mouse       bool         // the wheel scrolls the screen
	NoDiscovery bool         // do not announce the room
	Ifaces      []string     // to announce the room on; none: all on a LAN
	LogFile     string       // the transcript is appended to it; "": none. Not with Headless
	LogFormat   string       // of log lines: text or json
	HistoryFile string       // the room is kept in it; "": in memory
	HistoryKeep history.Keep // what of it is kept
	NoWeb       bool         // serve no HTTP
	NoFiles     bool         // reject uploads
	FilesDir    string       // for uploads; "": a temporary one
	FileLimits  files.Limits
	WebNames    []string // further names of the host, as browsers may use
	Metrics     bool     // serve /metrics to other machines too
	Verbose     bool     // log debug messages
	In          io.Reader
	Out         io.Writer // for the host's own member
	Err         io.Writer // for log lines
}

// maxTitle is how many bytes the title of a room has at most.
const maxTitle = 100

// hostOptionsOf reads the flags of chat host.
func hostOptionsOf(c *cli.Context) (hostOptions, error) {
	nick, err := nickOf(c)
	if err != nil {
		return hostOptions{}, err
	}
	title := c.String("room")
	switch named := c.IsSet("room") && title != os.Getenv("CHAT_ROOM"); {
	case c.NArg() > 1:
		return hostOptions{}, usageErrorf("chat host takes one room, not %d\nhint: quote a title that has spaces", c.NArg())
	case c.NArg() == 1 && named:
		return hostOptions{}, usageErrorf("room %q and --room %s exclude each other\nhint: leave out one of them", c.Args().First(), title)
	case c.NArg() == 1:
		title = c.Args().First()
	}
	opts := hostOptions{
		Options: relay.Options{
			Title:   text.Title(title),
			App:     appVersion(),
			Backlog: c.Int("backlog"),
		},
		Addr:        c.String("addr"),
		Nick:        nick,
		Headless:    c.Bool("headless") || !isTerminal(os.Stdin) || !isTerminal(os.Stdout),
		Screen:      !c.Bool("headless") && usesScreen(c),
		Accessible:  c.Bool("accessible"),
		Quiet:       c.Bool("quiet"),
		Mouse:       c.Bool("mouse"),
		NoDiscovery: c.Bool("no-discovery"),
		Ifaces:      c.StringSlice("iface"),
		LogFile:     c.String("log"),
		LogFormat:   c.String("log-format"),
		HistoryFile: c.String("history"),
		NoWeb:       c.Bool("no-web"),
		NoFiles:     c.Bool("no-files"),
		FilesDir:    c.String("files-dir"),
		WebNames:    c.StringSlice("web-name"),
		Metrics:     c.Bool("metrics"),
		Verbose:     c.Bool("verbose"),
		In:          os.Stdin,
		Out:         c.App.Writer,
		Err:         c.App.ErrWriter,
	}
	if opts.Backlog == 0 {
		opts.Backlog = -1 // the relay's none
	}
	if opts.HistoryKeep, err = history.ParseKeep(c.String("history-keep")); err != nil {
		return opts, usageErrorf("invalid --history-keep %q: %w", c.String("history-keep"), err)
	}
	if opts.TrustedProxies, err = endpoint.ParseProxies(c.StringSlice("trusted-proxy")); err != nil {
		return opts, usageErrorf("%w", err)
	}
	if err := setLimits(c, limits.Settings{Room: &opts.Options, Files: &opts.FileLimits}); err != nil {
		return opts, err
	}
	return opts, opts.check(c.Int("backlog"))
}

// check returns a usage error if the options are invalid or contradict each other.
func (opts *hostOptions) check(backlog int) error {
	switch {
	case opts.LogFormat != "text" && opts.LogFormat != "json":
		return usageErrorf("invalid --log-format %q\nhint: use text or json", opts.LogFormat)
	case len(opts.Title) > maxTitle:
		return usageErrorf("the title of the room is too long: %d bytes\nhint: use at most %d bytes in --room", len(opts.Title), maxTitle)
	case backlog < 0:
		return usageErrorf("--backlog cannot be negative\nhint: use 0 to send no messages")
	case opts.HistoryKeep != history.Keep{} && opts.HistoryFile == "":
		return usageErrorf("--history-keep needs --history\nhint: without a file the room is in memory; --limit memory=SIZE limits that")
	case opts.FilesDir != "" && opts.NoFiles:
		return usageErrorf("--files-dir and --no-files exclude each other\nhint: leave out one of them")
	case opts.FilesDir != "" && opts.NoWeb:
		return usageErrorf("--files-dir needs the web server, which --no-web turns off\nhint: leave out one of them")
	case opts.LogFile != "" && opts.Headless:
		return usageErrorf("--log needs a member, and a headless host has none\nhint: keep the transcript with chat join --follow --log %s </dev/null", opts.LogFile)
	}
	return nil
}

// setLimits sets the limits: the defaults, then the deprecated flags, each with a warning
// that names its replacement, then --limit.
func setLimits(c *cli.Context, settings limits.Settings) error {
	limits.SetDefaults(settings)
	for i := range limits.Table {
		l := &limits.Table[i]
		if l.OldFlag == "" || !c.IsSet(l.OldFlag) {
			continue
		}
		value, err := l.FromOldFlag(c.String(l.OldFlag))
		if err == nil {
			fmt.Fprintf(c.App.ErrWriter, "chat: --%s is deprecated; use --limit %s=%s\n", l.OldFlag, l.Name, value)
			err = limits.Set(settings, l.Name+"="+value)
		}
		if err != nil {
			return usageErrorf("%w", err)
		}
	}
	for _, assignment := range c.StringSlice("limit") {
		if err := limits.Set(settings, assignment); err != nil {
			return usageErrorf("%w", err)
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
	case !opts.Headless:
		level = slog.LevelWarn
	}
	return logging.Options{Level: level, JSON: opts.LogFormat == "json", Bare: opts.Screen}
}

// nickOf returns the nick that the user wants: --nick, which must be valid, or the login name.
func nickOf(c *cli.Context) (string, error) {
	wanted := c.String("nick")
	if wanted == "" {
		return loginName(), nil
	}
	nick, err := text.NormalizeNick(wanted)
	if err != nil {
		return "", usageErrorf("invalid nick %q: %w\nhint: choose another one with --nick, or set CHAT_NICK", wanted, err)
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

// runHost hosts a room until ctx ends or the host leaves.
func runHost(ctx context.Context, opts hostOptions) error {
	transcript, err := plain.OpenTranscript(opts.LogFile)
	if err != nil {
		return err
	}
	defer transcript.Close()
	ln, fallback, err := endpoint.Listen(opts.Addr)
	if err != nil {
		return err
	}
	defer ln.Close()
	if err := discovery.CheckInterfaces(opts.Ifaces); err != nil {
		return err
	}
	var warnings logging.Lines
	if opts.Screen {
		warnings = logging.NewLines()
		opts.Err = warnings
	}
	logs := logging.NewQueue(opts.Err)
	defer logs.Close()
	opts.Log = logging.New(logs, opts.logOptions())
	var page *web.Handler // set before the first connection
	if !opts.NoWeb {
		opts.Web = func(conn net.Conn) { page.StartServing(conn) }
	}
	var store *files.Store // set before the first connection; nil if uploads are rejected
	takesFiles := !opts.NoWeb && !opts.NoFiles
	if takesFiles {
		opts.useStore(&store)
	}
	srv, closeHistory, err := newServer(&opts)
	if err != nil {
		return err
	}
	if takesFiles {
		if store, err = openFiles(opts, srv); err != nil {
			return errors.Join(err, closeHistory())
		}
	}
	if store != nil {
		defer store.Close()
	}
	if !opts.NoWeb {
		page = newPage(opts, srv, ln, store)
		defer page.Close()
	}
	room := &openRoom{Server: srv, opts: opts, ln: ln, fallback: fallback, transcript: transcript, warnings: warnings}
	err = errors.Join(room.serve(ctx), closeHistory())
	opts.Log.Info("room closed")
	if !opts.Headless {
		if !opts.Screen && ctx.Err() != nil {
			fmt.Fprintln(opts.Out) // after ^C
		}
		fmt.Fprintf(opts.Out, "The room %s is closed.\n", srv.Info().Title)
	}
	return err
}

// useStore lets the room use a store that is opened after it; nil: it could not be opened.
func (opts *hostOptions) useStore(store **files.Store) {
	opts.Files = func(id string) (wire.File, error) {
		if *store == nil {
			return wire.File{}, files.ErrGone
		}
		return (*store).Publish(id)
	}
	opts.Uploads = func() relay.Uploads {
		if *store == nil { // an interface that holds it would not be nil
			return nil
		}
		return *store
	}
}

// slowOpening is how long opening a history file takes at most without a word.
const slowOpening = time.Second

// newServer creates the room's server, in memory or from its history file. It sets opts.HostToken.
func newServer(opts *hostOptions) (_ *relay.Server, closeHistory func() error, err error) {
	if opts.HistoryFile == "" {
		opts.HostToken = rand.Text()
		opts.Title = cmp.Or(opts.Title, endpoint.MachineName())
		opts.Secret = secretOf(opts.Title, opts.Log)
		return relay.New(opts.Options), func() error { return nil }, nil
	}
	slow := time.AfterFunc(slowOpening, func() { opts.Log.Warn("opening the history takes long: the disk is slow", "file", opts.HistoryFile) })
	file, err := history.OpenFile(opts.HistoryFile, opts.HistoryKeep)
	slow.Stop()
	if err != nil {
		return nil, nil, hostHistoryError(opts.HistoryFile, err)
	}
	opts.Title = cmp.Or(opts.Title, text.Title(file.Title()), endpoint.MachineName())
	if opts.HostToken, err = hostToken(file); err != nil {
		return nil, nil, hostHistoryError(opts.HistoryFile, errors.Join(err, file.Close()))
	}
	srv, err := relay.NewOn(file, opts.Options)
	if err != nil {
		err = fmt.Errorf("open history %s: %w", opts.HistoryFile, errors.Join(err, file.Close()))
		return nil, nil, hostHistoryError(opts.HistoryFile, err)
	}
	return srv, file.Close, nil
}

// hostToken returns the token of the host's own member. It stays the same as long as the history
// file exists, so that the member is the same client after a restart.
func hostToken(file *history.File) (string, error) {
	secret, err := file.Secret()
	if err != nil {
		return "", err
	}
	return wire.MAC(secret, "token of the host's own member"), nil
}

// secretOf returns the secret of a room in memory, by its title: if the host crashes, the next
// room of this title on this machine proves that it follows. "" means that it cannot.
func secretOf(title string, log *slog.Logger) string {
	secret, err := identity.HostSecret(identity.DefaultDir())
	if err != nil {
		log.Info("members will not return by themselves if this host crashes: it cannot keep a secret", "error", err)
		return ""
	}
	return wire.MAC(secret, "chat room in memory", title)
}

// newPage returns the handler of the room's page. store may be nil.
func newPage(opts hostOptions, srv *relay.Server, ln net.Listener, store *files.Store) *web.Handler {
	return web.New(srv, web.Options{
		Ways: func() []string { return endpoint.Reachable(ln) }, Names: append(endpoint.MachineNames(), opts.WebNames...), WebNames: opts.WebNames,
		Files: store, Stall: opts.Stall, TrustedProxies: opts.TrustedProxies, MetricsForAll: opts.Metrics, Log: opts.Log,
	})
}

// openFiles opens the store of uploads. If no temporary directory can be made for them, it
// logs a warning and returns nil.
func openFiles(opts hostOptions, room *relay.Server) (*files.Store, error) {
	opts.FileLimits.Log = opts.Log
	if opts.FilesDir == "" {
		// A reopened room has messages with the numbers of files that are gone: do not reuse them.
		opts.FileLimits.First = room.Next()
	}
	store, err := files.Open(opts.FilesDir, opts.FileLimits)
	switch {
	case err == nil:
		return store, nil
	case opts.FilesDir == "":
		opts.Log.Warn("uploads are rejected: no directory to store them in", "error", err)
		return nil, nil
	case errors.Is(err, files.ErrInUse):
		return nil, fmt.Errorf("%w\nhint: choose another directory with --files-dir, or close the room that uses this one", err)
	}
	return nil, fmt.Errorf("%w\nhint: choose another directory with --files-dir", err)
}

// --- the open room ---------------------------------------------------------------

// An openRoom is a room that is being served. Its fields are fixed.
type openRoom struct {
	*relay.Server
	opts       hostOptions
	ln         net.Listener
	fallback   bool              // the default port was in use
	transcript *plain.Transcript // nil: none is kept
	warnings   logging.Lines     // for the host's screen; nil without one
}

// serve serves the room, announces it and lets the host take part, until ctx ends or the
// host leaves.
func (r *openRoom) serve(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	defer parts.Wait()
	port := endpoint.Port(r.ln)
	if !r.opts.NoDiscovery {
		parts.Go(func() {
			advertise(ctx, discovery.Advertisement{
				ID: r.Info().ID, Title: r.Info().Title, App: r.opts.App, Port: port,
				Bind: endpoint.BoundTo(r.ln), Ifaces: r.opts.Ifaces, Log: r.opts.Log,
			})
		})
	}
	served := make(chan error, 1)
	parts.Go(func() { served <- r.Serve(ctx, r.ln); cancel() })
	switch {
	case r.opts.Screen:
		if r.fallback {
			fmt.Fprintf(r.warnings, "Port %d is in use; this room is on %d.", wire.DefaultPort, port)
		}
		err = r.outlive(ctx, r.joinOnScreen(ctx))
		cancel()
	case r.opts.Headless:
		r.logOpen()
	default:
		r.printInvitation()
		err = r.outlive(ctx, r.joinInLines(ctx))
		cancel()
	}
	return errors.Join(err, <-served)
}

// outlive keeps the room open until ctx ends if the host's terminal was closed while
// SIGHUP is ignored: that says that the program goes on without it. err is why the host left.
func (r *openRoom) outlive(ctx context.Context, err error) error {
	if !errors.Is(err, screen.ErrTerminalGone) || !signal.Ignored(syscall.SIGHUP) {
		return err
	}
	r.opts.Log.Warn("the terminal was closed; the room stays open until SIGTERM")
	<-ctx.Done()
	return nil
}

// pages returns the addresses of the web page; none with --no-web.
func (r *openRoom) pages() []string {
	var pages []string
	if !r.opts.NoWeb {
		for _, addr := range endpoint.Reachable(r.ln) {
			pages = append(pages, "http://"+addr+"/")
		}
	}
	return pages
}

// logOpen logs that the room is open, and where. A terminal also gets the page's QR code.
func (r *openRoom) logOpen() {
	room, pages := r.Info(), r.pages()
	r.opts.Log.Info("room open", "room", room.Title, "id", room.ID, "address", r.ln.Addr().String(), "ways_in", endpoint.Reachable(r.ln), "page", pages)
	if len(pages) > 0 && r.opts.LogFormat == "text" && isTerminal(os.Stderr) {
		r.printCode(pages[0])
	}
}

// printCode prints the QR code of a page on the terminal.
func (r *openRoom) printCode(page string) {
	code, err := qrcode.Of(page)
	if err != nil {
		r.opts.Log.Warn("no QR code", "page", page, "error", err)
		return
	}
	for _, line := range code.Lines(colorprofile.Detect(os.Stderr, os.Environ())) {
		fmt.Fprintf(r.opts.Err, "  %s\n", line)
	}
}

// printInvitation prints every way to join the room.
func (r *openRoom) printInvitation() {
	out := r.opts.Out
	if r.fallback {
		fmt.Fprintf(out, "Port %d is in use; this room is on %d.\n", wire.DefaultPort, endpoint.Port(r.ln))
	}
	fmt.Fprintf(out, "The room %s is open. Others join with\n", r.Info().Title)
	if !r.opts.NoDiscovery {
		fmt.Fprintf(out, "  chat join\n")
	}
	for _, page := range r.pages() {
		fmt.Fprintf(out, "  %s in a browser\n", page)
	}
	for _, addr := range endpoint.Reachable(r.ln) {
		host, port, _ := net.SplitHostPort(addr)
		fmt.Fprintf(out, "  chat join --addr %s\n  nc %s %s\n", addr, host, port)
	}
}

// joinInLines lets the host take part line by line, until they leave or ctx ends.
func (r *openRoom) joinInLines(ctx context.Context) error {
	var served sync.WaitGroup
	defer served.Wait()
	c, err := r.join(ctx, &served)
	if err != nil {
		return err
	}
	in := plain.ReadTyped(r.opts.In)
	defer in.Close()
	err = plain.Run(ctx, c, plain.Options{
		In: in, Out: r.opts.Out, Err: r.opts.Err, Log: r.transcript, Accessible: r.opts.Accessible, Width: terminalWidth,
		HostAddr: func() string { return endpoint.Reachable(r.ln)[0] },
	})
	if !isTerminal(os.Stdin) { // it was one
		return errors.Join(screen.ErrTerminalGone, err)
	}
	return err
}

// joinOnScreen lets the host take part on a full screen, until they leave or ctx ends.
func (r *openRoom) joinOnScreen(ctx context.Context) error {
	var served sync.WaitGroup
	defer served.Wait()
	how := screen.Options{
		Place:   &screen.Place{Title: r.Info().Title, ID: r.Info().ID},
		Hosting: true, Addrs: func() []string { return endpoint.Reachable(r.ln) }, NoPage: r.opts.NoWeb, Discovered: !r.opts.NoDiscovery,
		Warnings: r.warnings, Quiet: r.opts.Quiet, Mouse: r.opts.Mouse,
	}
	return runScreen(ctx, how, r.transcript, func(ctx context.Context, _ screen.Place) (*client.Client, error) {
		return r.join(ctx, &served)
	})
}

// join connects the host's own client, by a pipe, like any other. served counts the
// goroutine that serves the connection.
func (r *openRoom) join(ctx context.Context, served *sync.WaitGroup) (*client.Client, error) {
	c, err := client.Join(ctx, client.Options{
		Nick:  r.opts.Nick,
		Token: r.opts.HostToken,
		Dial: func(context.Context, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			served.Go(func() { r.ServeConn(context.Background(), theirs) })
			return ours, nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("join the room: %w", err)
	}
	return c, nil
}

// --- history files ----------------------------------------------------------------

// A remedy is a hint for an error.
type remedy struct {
	err  error // nil: any
	hint string
}

// withRemedy adds a hint to err: that of the first remedy whose error err wraps, or that is
// for any. The order counts, as an error may wrap several.
func withRemedy(err error, remedies []remedy) error {
	for _, r := range remedies {
		if r.err == nil || errors.Is(err, r.err) {
			return fmt.Errorf("%w\nhint: %s", err, r.hint)
		}
	}
	return err
}

// hostHistoryError adds a hint to an error, which names the history file at path, that kept
// it from being opened.
func hostHistoryError(path string, err error) error {
	return withRemedy(err, []remedy{
		{history.ErrInUse, "join the room that is open on it, or choose another file with --history"},
		{history.ErrNewer, "the file is unchanged; host it with the version of chat that wrote it, or a later one"},
		{history.ErrNotHistory, "the file is unchanged; choose another one with --history"},
		{history.ErrDamaged, fmt.Sprintf("the file is unchanged; print the readable part with chat history %s, then repair a copy with sqlite3 %[1]s .recover, or choose another file", path)},
		{fs.ErrNotExist, "create its folder first, or choose another file with --history"},
		{nil, "choose another file with --history"},
	})
}

// readHistoryError adds a hint to an error, which names the history file at path, that kept
// it or a part of it from being printed.
func readHistoryError(path string, err error) error {
	return withRemedy(err, []remedy{
		{history.ErrNewer, "read it with the version of chat that wrote it, or a later one"},
		{history.ErrNotHistory, "chat host --history FILE creates a history"},
		{history.ErrDamaged, fmt.Sprintf("the readable part is above; sqlite3 %s .recover may save more", path)},
		{fs.ErrNotExist, "chat host --history FILE creates a history"},
		{nil, "chat history needs the file of chat host --history"},
	})
}

// selectionOf reads the flags of chat history; an age is relative to now.
func selectionOf(c *cli.Context, now time.Time) (wanted history.Selection, err error) {
	const timeHint = "use a date, a date and time, or an age: 2026-11-25, \"2026-11-25 10:02\", 2h or 30d"
	wanted = history.Selection{From: c.String("from"), Private: c.Bool("private"), Happened: c.Bool("all")}
	if wanted.Since, err = history.ParseTime(c.String("since"), now); err != nil {
		return wanted, usageErrorf("invalid --since %q\nhint: %s", c.String("since"), timeHint)
	}
	if wanted.Until, err = history.ParseTime(c.String("until"), now); err != nil {
		return wanted, usageErrorf("invalid --until %q\nhint: %s", c.String("until"), timeHint)
	}
	if re := c.String("grep"); re != "" {
		if wanted.Text, err = regexp.Compile(re); err != nil {
			return wanted, usageErrorf("invalid --grep: %w\nhint: see https://github.com/google/re2/wiki/Syntax", err)
		}
	}
	return wanted, nil
}

// readHistory prints the selected events of the history file at path.
func readHistory(out io.Writer, path string, wanted history.Selection, json bool) error {
	if err := history.Print(out, path, wanted, json); err != nil {
		return readHistoryError(path, err)
	}
	return nil
}

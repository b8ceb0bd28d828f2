package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/discovery"
	"chat/relay/files"
	"chat/relay/history"
	"chat/relay/plain"
	"chat/relay/screen"
	"chat/relay/text"
	"chat/relay/web"
	"chat/relay/wire"
)

// hostOptions are what `chat host` was told.
type hostOptions struct {
	relay.Options
	Addr        string // to listen on; "": the default port, or the next free one
	Nick        string // of the hosting person
	Headless    bool
	Screen      bool // the full one; else lines
	Accessible  bool // lines for a screen reader
	Quiet       bool // on the screen: no bell
	Mouse       bool // on the screen: the wheel scrolls
	NoDiscovery bool
	Ifaces      []string
	LogFile     string // what is said is appended to it while the hosting person takes part; "": nowhere
	LogFormat   string // text or json
	HistoryFile string // the room is kept in it; "": in memory alone
	HistoryKeep history.Keep
	NoWeb       bool
	NoFiles     bool
	FilesDir    string       // files that are sent stay in it; "": until the host ends
	Kept        files.Limits // of files
	WebNames    []string     // by which browsers may ask for the page, besides the obvious ones
	Metrics     bool         // for other machines, too
	Verbose     bool
	In          io.Reader
	Out, Err    io.Writer // for the hosting person; for log lines
}

// hostOptionsOf reads the flags.
func hostOptionsOf(c *cli.Context) (hostOptions, error) {
	if err := noArgs(c); err != nil {
		return hostOptions{}, err
	}
	format := c.String("log-format")
	if format != "text" && format != "json" {
		return hostOptions{}, usageErrorf("--log-format is text or json, not %q", format)
	}
	title := text.Clean(strings.TrimSpace(c.String("room")))
	if len(title) > maxTitle {
		return hostOptions{}, usageErrorf("--room has at most %d bytes", maxTitle)
	}
	for _, name := range []string{"backlog", "keep", "keep-bytes", "max-sessions", "max-per-address", "max-line", "max-json-line", "max-text", "max-text-lines", "burst"} {
		if c.Int(name) < 0 {
			return hostOptions{}, usageErrorf("--%s cannot be negative", name)
		}
	}
	for _, name := range []string{"stall-timeout", "first-line-timeout", "dead-peer-timeout"} {
		if c.Duration(name) < 0 {
			return hostOptions{}, usageErrorf("--%s cannot be negative", name)
		}
	}
	if c.Float64("rate") < 0 {
		return hostOptions{}, usageErrorf("--rate cannot be negative")
	}
	keep, err := history.ParseKeep(c.String("history-keep"))
	switch {
	case err != nil:
		return hostOptions{}, usageErrorf("--history-keep: %w", err)
	case keep != history.Keep{} && c.String("history") == "":
		return hostOptions{}, usageErrorf("--history-keep bounds the file of --history, and there is none")
	}
	kept, err := fileLimitsOf(c)
	if err != nil {
		return hostOptions{}, err
	}
	return hostOptions{
		Options: relay.Options{
			Title:         title,
			App:           appVersion(),
			Backlog:       noneIfZero(c.Int("backlog")),
			History:       history.Limits{Events: noneIfZero(c.Int("keep")), Bytes: noneIfZero(c.Int("keep-bytes"))},
			MaxSessions:   noneIfZero(c.Int("max-sessions")),
			MaxPerAddress: noneIfZero(c.Int("max-per-address")),
			MaxLine:       noneIfZero(c.Int("max-line")),
			MaxJSONLine:   noneIfZero(c.Int("max-json-line")),
			MaxText:       noneIfZero(c.Int("max-text")),
			MaxTextLines:  noneIfZero(c.Int("max-text-lines")),
			Rate:          noneIfZero(c.Float64("rate")),
			Burst:         noneIfZero(c.Int("burst")),
			Stall:         noneIfZero(c.Duration("stall-timeout")),
			FirstLine:     noneIfZero(c.Duration("first-line-timeout")),
			DeadPeer:      noneIfZero(c.Duration("dead-peer-timeout")),
		},
		Addr:        c.String("addr"),
		Nick:        cmp.Or(c.String("nick"), loginName()),
		Headless:    c.Bool("headless") || !isTerminal(os.Stdin) || !isTerminal(os.Stdout),
		Screen:      !c.Bool("headless") && usesScreen(c),
		Accessible:  c.Bool("accessible"),
		Quiet:       c.Bool("quiet"),
		Mouse:       c.Bool("mouse"),
		NoDiscovery: c.Bool("no-discovery"),
		Ifaces:      c.StringSlice("iface"),
		LogFile:     c.String("log"),
		LogFormat:   format,
		HistoryFile: c.String("history"),
		HistoryKeep: keep,
		NoWeb:       c.Bool("no-web"),
		NoFiles:     c.Bool("no-files"),
		FilesDir:    c.String("files-dir"),
		Kept:        kept,
		WebNames:    c.StringSlice("web-name"),
		Metrics:     c.Bool("metrics"),
		Verbose:     c.Bool("verbose"),
		In:          os.Stdin,
		Out:         c.App.Writer,
		Err:         c.App.ErrWriter,
	}, nil
}

// fileLimitsOf reads how large files may be.
func fileLimitsOf(c *cli.Context) (limits files.Limits, err error) {
	for name, limit := range map[string]*int64{"max-file": &limits.MaxFile, "max-files-total": &limits.MaxTotal} {
		n, err := humanize.ParseBytes(c.String(name))
		if err != nil || n > math.MaxInt64 {
			return limits, usageErrorf("--%s is a size as in 500MB or 10GB, not %q", name, c.String(name))
		}
		*limit = noneIfZero(int64(n))
	}
	if c.String("files-dir") != "" && (c.Bool("no-files") || c.Bool("no-web")) {
		return limits, usageErrorf("--files-dir is for files that are sent, and --no-files and --no-web mean that none are")
	}
	return limits, nil
}

// maxTitle is how many bytes the title of a room may have.
const maxTitle = 100

// noneIfZero turns a flag's "0 for none" into the relay's negative number; its
// own 0 is "the default".
func noneIfZero[N int | float64 | ~int64](n N) N {
	if n == 0 {
		return -1
	}
	return n
}

// runHost hosts a room until ctx ends, or the hosting person leaves.
func runHost(ctx context.Context, opts hostOptions) error {
	if opts.Headless && opts.LogFile != "" {
		return usageErrorf("--log keeps what the hosting person hears, and --headless (or no terminal) means there is none\nhint: chat join --follow --log %s </dev/null keeps it as well", opts.LogFile)
	}
	transcript, err := plain.OpenTranscript(opts.LogFile)
	if err != nil {
		return err
	}
	defer transcript.Close()
	ln, moved, err := listen(opts.Addr)
	if err != nil {
		return err
	}
	defer ln.Close()
	if err := discovery.CheckInterfaces(opts.Ifaces); err != nil {
		return err
	}
	opts.HostToken = rand.Text()
	var warnings warningLines
	if opts.Screen {
		warnings = make(warningLines, logQueueLines)
		opts.Err = warnings
	}
	logs := newLogQueue(opts.Err)
	defer logs.close()
	opts.Log = newLogger(opts, logs)
	var page *web.Handler // set before there are connections
	if !opts.NoWeb {
		opts.Web = func(conn net.Conn) { page.Take(conn) }
	}
	var store *files.Store // set before there are connections, if somebody can send files
	takesFiles := !opts.NoWeb && !opts.NoFiles
	if takesFiles {
		home := "http://" + waysIn(ln)[0]
		opts.Files = func(id string) (wire.File, string, error) {
			if store == nil {
				return wire.File{}, "", files.ErrGone
			}
			f, err := store.Publish(id)
			return f, home + f.Path, err
		}
	}
	srv, closeHistory, err := newServer(opts)
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
		page = web.New(srv, web.Options{
			Ways: waysIn(ln), Names: append(machineNames(), opts.WebNames...), Files: store, Stall: opts.Stall, MetricsForAll: opts.Metrics, Log: opts.Log,
		})
		defer page.Close()
	}
	err = errors.Join(keepOpen(ctx, srv, opts, ln, moved, transcript, warnings), closeHistory())
	opts.Log.Info("room closed")
	return err
}

// keepOpen serves the room on ln, tells the network of it, and lets the hosting person take
// part, until ctx ends or that person leaves. moved is whether ln is not where it should be.
func keepOpen(ctx context.Context, srv *relay.Server, opts hostOptions, ln net.Listener, moved bool, transcript *plain.Transcript, warnings warningLines) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	defer parts.Wait()
	port := ln.Addr().(*net.TCPAddr).Port
	if !opts.NoDiscovery {
		parts.Go(func() {
			advertise(ctx, discovery.Advertisement{
				ID: srv.Info().ID, Title: srv.Info().Title, App: opts.App, Port: port,
				Bind: boundTo(ln), Ifaces: opts.Ifaces, Log: opts.Log,
			})
		})
	}
	served := make(chan error, 1)
	parts.Go(func() { served <- srv.Serve(ctx, ln); cancel() })
	switch {
	case opts.Screen:
		if moved {
			fmt.Fprintf(warnings, "port %d is taken; this room is on %d", wire.DefaultPort, port)
		}
		err = hostOnScreen(ctx, srv, opts, transcript, warnings, waysIn(ln))
		cancel()
	default:
		opened(opts, srv.Info(), ln, moved)
		if !opts.Headless {
			err = takePart(ctx, srv, opts, transcript)
			cancel()
		}
	}
	return errors.Join(err, <-served)
}

// newServer makes the room, in memory or on the history that is to be gone on with.
func newServer(opts hostOptions) (_ *relay.Server, closeHistory func() error, err error) {
	if opts.HistoryFile == "" {
		opts.Title = cmp.Or(opts.Title, machineName())
		return relay.New(opts.Options), func() error { return nil }, nil
	}
	file, err := history.OpenFile(opts.HistoryFile, opts.HistoryKeep)
	if err != nil {
		return nil, nil, historyError(opts.HistoryFile, err)
	}
	opts.Title = cmp.Or(opts.Title, file.Title(), machineName())
	srv, err := relay.NewOn(file, opts.Options)
	if err != nil {
		return nil, nil, historyError(opts.HistoryFile, errors.Join(err, file.Close()))
	}
	return srv, file.Close, nil
}

// openFiles opens where files that are sent are kept; nil: there is no place for them, and
// nobody asked for one.
func openFiles(opts hostOptions, room *relay.Server) (*files.Store, error) {
	opts.Kept.Log = opts.Log
	if opts.FilesDir == "" {
		opts.Kept.First = room.Next() // a room that is gone on with has told of others, which are gone
	}
	store, err := files.Open(opts.FilesDir, opts.Kept)
	switch {
	case err == nil:
		return store, nil
	case opts.FilesDir == "":
		opts.Log.Warn("nobody can send files: there is no place for them", "error", err)
		return nil, nil
	case errors.Is(err, files.ErrInUse):
		return nil, fmt.Errorf("%w\nhint: a room that is open has it; name another one with --files-dir", err)
	}
	return nil, fmt.Errorf("%w\nhint: name another one with --files-dir", err)
}

// historyError says what can be done about a history that cannot be opened.
func historyError(path string, err error) error {
	for _, known := range []struct {
		err  error
		hint string
	}{
		{history.ErrInUse, "a room is open on it; join that one, or name another file with --history"},
		{history.ErrNewer, "it was left as it is; host it with the version of chat that wrote it, or a later one"},
		{history.ErrNotHistory, "it was left as it is; name another file with --history"},
		{history.ErrDamaged, fmt.Sprintf("it was left as it is; chat history %s reads what can be read; host on a copy of it that was mended (sqlite3 %[1]s .recover), or on another file", path)},
	} {
		if errors.Is(err, known.err) {
			return fmt.Errorf("cannot host on %s: %w\nhint: %s", path, known.err, known.hint)
		}
	}
	return fmt.Errorf("cannot host on %s: %w", path, err)
}

// selectionOf reads the flags of `chat history`, in which a time may be relative to now.
func selectionOf(c *cli.Context, now time.Time) (wanted history.Selection, err error) {
	wanted = history.Selection{From: c.String("from"), Private: c.Bool("private"), Happened: c.Bool("all")}
	if wanted.Since, err = history.ParseTime(c.String("since"), now); err != nil {
		return wanted, usageErrorf("--since: %w", err)
	}
	if wanted.Until, err = history.ParseTime(c.String("until"), now); err != nil {
		return wanted, usageErrorf("--until: %w", err)
	}
	if re := c.String("grep"); re != "" {
		if wanted.Text, err = regexp.Compile(re); err != nil {
			return wanted, usageErrorf("--grep: %w", err)
		}
	}
	return wanted, nil
}

// readHistory prints what is wanted of a history.
func readHistory(out io.Writer, path string, wanted history.Selection, json bool) error {
	err := history.Print(out, path, wanted, json)
	for known, hint := range map[error]string{
		history.ErrNewer:      "read it with the version of chat that wrote it, or a later one",
		history.ErrNotHistory: "chat host --history FILE makes one",
		history.ErrDamaged:    fmt.Sprintf("what could be read is above; sqlite3 %s .recover may save more", path),
		os.ErrNotExist:        "chat host --history FILE makes one",
	} {
		if errors.Is(err, known) {
			return fmt.Errorf("cannot read %s: %w\nhint: %s", path, known, hint)
		}
	}
	return err
}

// listen listens on addr; for "" on the default port, or one of the next ten, or
// any. moved reports that the default port was taken.
func listen(addr string) (ln net.Listener, moved bool, err error) {
	if addr != "" {
		if !strings.Contains(addr, ":") { // a port alone, or an address without one
			if _, err := strconv.Atoi(addr); err == nil {
				addr = ":" + addr
			}
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			addr = net.JoinHostPort(strings.Trim(addr, "[]"), strconv.Itoa(wire.DefaultPort))
		}
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, false, listenError(addr, err)
		}
		return ln, false, nil
	}
	for n := range 11 {
		port := wire.DefaultPort + n
		if n == 10 {
			port = 0
		}
		if ln, err = net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port))); err == nil {
			return ln, n > 0, nil
		}
	}
	return nil, false, fmt.Errorf("cannot listen on port %d: %w\nhint: name another with --addr :PORT", wire.DefaultPort, cause(err))
}

// listenError words why the address that was asked for cannot be listened on.
func listenError(addr string, err error) error {
	dns, unknown := errors.AsType[*net.DNSError](err)
	_, malformed := errors.AsType[*net.AddrError](err)
	switch {
	case unknown && dns.IsNotFound && strings.HasPrefix(addr, dns.Name+":"):
		return fmt.Errorf("there is no host called %s\nhint: --addr :PORT listens on all addresses of this machine", dns.Name)
	case unknown, malformed:
		return usageErrorf("%q is no address to listen on\nhint: as in --addr :%d or --addr 192.168.1.5:%[2]d", addr, wire.DefaultPort)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("cannot listen on %s: this machine does not have that address\nhint: --addr :PORT listens on all that it has", addr)
	}
	return fmt.Errorf("cannot listen on %s: %w\nhint: another program may have the port; without --addr the next free one is taken", addr, cause(err))
}

// cause returns what is at the bottom of a network error, without the layers of
// words that repeat the address.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return err
}

// boundTo returns the address ln listens on, the zero one for all.
func boundTo(ln net.Listener) netip.Addr {
	at := ln.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	if at.IsUnspecified() {
		return netip.Addr{}
	}
	return at
}

// opened tells that the room is open, and every way in.
func opened(opts hostOptions, room wire.RoomInfo, ln net.Listener, moved bool) {
	port := ln.Addr().(*net.TCPAddr).Port
	var pages []string
	for _, addr := range waysIn(ln) {
		if !opts.NoWeb {
			pages = append(pages, "http://"+addr+"/")
		}
	}
	if opts.Headless {
		opts.Log.Info("room open", "room", room.Title, "id", room.ID, "address", ln.Addr().String(), "ways_in", waysIn(ln), "page", pages)
		if !opts.NoWeb && opts.LogFormat == "text" && isTerminal(os.Stderr) {
			fmt.Fprintf(opts.Err, "%s\n", strings.Join(screen.QR(pages[0]), "\n"))
		}
		return
	}
	if moved {
		fmt.Fprintf(opts.Out, "Port %d is taken; this room is on %d.\n", wire.DefaultPort, port)
	}
	fmt.Fprintf(opts.Out, "The room %s is open. Others come in with\n", room.Title)
	if !opts.NoDiscovery {
		fmt.Fprintf(opts.Out, "  chat join\n")
	}
	for _, page := range pages {
		fmt.Fprintf(opts.Out, "  %s in a browser\n", page)
	}
	for _, addr := range waysIn(ln) {
		host, port, _ := net.SplitHostPort(addr)
		fmt.Fprintf(opts.Out, "  chat join --addr %s\n  nc %s %s\n", addr, host, port)
	}
}

// waysIn returns the addresses of ln that others can connect to.
func waysIn(ln net.Listener) []string {
	port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
	if at := boundTo(ln); at.IsValid() {
		return []string{net.JoinHostPort(at.String(), port)}
	}
	addrs := discovery.Addresses()
	if len(addrs) == 0 { // no network: at least this machine's own programs can come in
		addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	ways := make([]string, len(addrs))
	for i, at := range addrs {
		ways[i] = net.JoinHostPort(at.String(), port)
	}
	return ways
}

// takePart lets the hosting person talk in the room, line by line.
func takePart(ctx context.Context, srv *relay.Server, opts hostOptions, transcript *plain.Transcript) error {
	var served sync.WaitGroup
	defer served.Wait()
	c, err := enter(ctx, srv, opts, &served)
	if err != nil {
		return err
	}
	in := plain.Read(opts.In)
	defer in.Close()
	return plain.Run(ctx, c, plain.Options{In: in, Out: opts.Out, Err: opts.Err, Log: transcript, Accessible: opts.Accessible})
}

// hostOnScreen lets the hosting person talk in the room, on a full screen.
func hostOnScreen(ctx context.Context, srv *relay.Server, opts hostOptions, transcript *plain.Transcript, warnings warningLines, ways []string) error {
	var served sync.WaitGroup
	defer served.Wait()
	how := screen.Options{
		Place:   &screen.Place{Title: srv.Info().Title, ID: srv.Info().ID},
		Hosting: true, Ways: ways, NoPage: opts.NoWeb, Discovered: !opts.NoDiscovery, Warnings: warnings, Quiet: opts.Quiet, Mouse: opts.Mouse,
	}
	return talkOnScreen(ctx, how, transcript, func(ctx context.Context, _ screen.Place) (*client.Client, error) {
		return enter(ctx, srv, opts, &served)
	})
}

// enter takes the hosting person into the room, through the same door as all.
// served counts the goroutine that serves the connection.
func enter(ctx context.Context, srv *relay.Server, opts hostOptions, served *sync.WaitGroup) (*client.Client, error) {
	c, err := client.Join(ctx, client.Options{
		Nick:  opts.Nick,
		Token: opts.HostToken,
		Dial: func(context.Context, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			served.Go(func() { srv.ServeConn(context.Background(), theirs) })
			return ours, nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("enter the room: %w", err)
	}
	return c, nil
}

// warningLines are log lines for the hosting person's screen. Those that nobody
// takes for long are dropped.
type warningLines chan string

func (w warningLines) Write(line []byte) (int, error) {
	select {
	case w <- strings.TrimSpace(string(line)):
	default:
	}
	return len(line), nil
}

// newLogger logs to stderr where the relay is alone; on the hosting person's
// screen only what needs care is told.
func newLogger(opts hostOptions, out io.Writer) *slog.Logger {
	level := slog.LevelInfo
	switch {
	case opts.Verbose:
		level = slog.LevelDebug
	case !opts.Headless:
		level = slog.LevelWarn
	}
	handler := &slog.HandlerOptions{Level: level}
	if opts.Screen { // where each line has its time, and all are warnings
		handler.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return a
		}
	}
	if opts.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(out, handler))
	}
	return slog.New(slog.NewTextHandler(out, handler))
}

// A logQueue passes log lines on to where they are written, so that the room never
// waits for a terminal that was stopped or a pipe that is full. What does not fit
// into it is dropped and counted.
type logQueue struct {
	out     io.Writer
	lines   chan []byte
	dropped atomic.Int64
	written chan struct{} // closed when all lines are
}

const (
	logQueueLines = 1000
	logQueueWait  = 500 * time.Millisecond // for the last lines to be written
)

func newLogQueue(out io.Writer) *logQueue {
	q := &logQueue{out: out, lines: make(chan []byte, logQueueLines), written: make(chan struct{})}
	go q.write() // until close; one that hangs in a write ends with the program
	return q
}

// Write takes a log line; it never waits and never fails.
func (q *logQueue) Write(line []byte) (int, error) {
	select {
	case q.lines <- bytes.Clone(line):
	default:
		q.dropped.Add(1)
	}
	return len(line), nil
}

func (q *logQueue) write() {
	defer close(q.written)
	for line := range q.lines {
		if n := q.dropped.Swap(0); n > 0 {
			fmt.Fprintf(q.out, "%d log lines were dropped: they came faster than they could be written\n", n)
		}
		q.out.Write(line)
	}
}

// close waits a moment until the last lines are written. Nothing may be logged after it.
func (q *logQueue) close() {
	close(q.lines)
	select {
	case <-q.written:
	case <-time.After(logQueueWait):
	}
}

// machineName returns this machine's name without its domain.
func machineName() string {
	name, err := os.Hostname()
	if err != nil {
		return "chat"
	}
	name, _, _ = strings.Cut(name, ".")
	return cmp.Or(text.Clean(name), "chat")
}

// machineNames returns what others on the network may call this machine.
func machineNames() []string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return nil
	}
	short, _, _ := strings.Cut(name, ".")
	return []string{name, short, short + ".local"}
}

// loginName returns the name of who runs this program, if it can be a nick.
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

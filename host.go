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
	"net/netip"
	"os"
	"os/signal"
	"os/user"
	"regexp"
	"slices"
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
	"chat/relay/invites"
	"chat/relay/limits"
	"chat/relay/logging"
	"chat/relay/plain"
	"chat/relay/qrcode"
	"chat/relay/screen"
	"chat/relay/seal"
	"chat/relay/sshkey"
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
	Sealing     sealing
	Verbose     bool // log debug messages
	In          io.Reader
	Out         io.Writer // for the host's own member
	Err         io.Writer // for log lines

	// Set when the room is opened.
	sealed *seal.Host     // nil: the room is plain
	keys   []*sshkey.File // of members and operators, to watch
}

// A sealing says how to seal the room. The zero value leaves it plain.
type sealing struct {
	Secure        bool
	SecretFile    string // with the secret of members; "-": stdin; "": see secret
	CertFile      string // "": the host makes its own certificate
	KeyFile       string // of CertFile
	MembersFile   string // with the keys of members; "": they enter with the secret
	OperatorsFile string // with the keys of operators; "": there are none
	Identity      string // the key of the host's own member; see identity.OpenSigner. "": the user's own
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
		Sealing: sealing{
			Secure: c.Bool("secure"), SecretFile: c.String("secret-file"), CertFile: c.String("cert"), KeyFile: c.String("key"),
			MembersFile: c.String("members"), OperatorsFile: c.String("operators"), Identity: c.String("identity"),
		},
		Verbose: c.Bool("verbose"),
		In:      os.Stdin,
		Out:     c.App.Writer,
		Err:     c.App.ErrWriter,
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
	if err := opts.checkTitle(); err != nil {
		return opts, err
	}
	return opts, cmp.Or(opts.check(c.Int("backlog")), opts.Sealing.check())
}

// checkTitle returns a usage error if the title is too long.
func (opts *hostOptions) checkTitle() error {
	if len(opts.Title) > maxTitle {
		return usageErrorf("the title of the room is too long: %d bytes\nhint: use at most %d bytes in --room", len(opts.Title), maxTitle)
	}
	return nil
}

// check returns a usage error if the options are invalid or contradict each other.
func (opts *hostOptions) check(backlog int) error {
	switch {
	case opts.LogFormat != "text" && opts.LogFormat != "json":
		return usageErrorf("invalid --log-format %q\nhint: use text or json", opts.LogFormat)
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

// check returns a usage error if the options contradict each other.
func (s *sealing) check() error {
	for _, o := range []struct{ name, value string }{
		{"secret-file", s.SecretFile}, {"cert", s.CertFile}, {"key", s.KeyFile}, {"members", s.MembersFile}, {"operators", s.OperatorsFile},
	} {
		if o.value != "" && !s.Secure {
			return usageErrorf("--%s needs --secure\nhint: without it the room is plain, and open to everyone on the network", o.name)
		}
	}
	switch {
	case (s.CertFile == "") != (s.KeyFile == ""):
		return usageErrorf("--cert and --key need each other\nhint: without both, the host makes its own certificate")
	case s.SecretFile != "" && s.MembersFile != "":
		return usageErrorf("--secret-file and --members exclude each other\nhint: with --members, a key lets members in, not a secret")
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
	var warnings logging.Lines
	if opts.Screen {
		warnings = logging.NewLines()
		opts.Err = warnings
	}
	room, err := openRoomOf(opts)
	if err != nil {
		return err
	}
	serving := room.serve(ctx)
	switch {
	case opts.Screen:
		err = room.outlive(serving, room.joinOnScreen(serving, transcript, warnings))
	case opts.Headless:
		room.logOpen()
		<-serving.Done()
	default:
		room.printInvitation()
		err = room.outlive(serving, room.joinInLines(serving, transcript))
	}
	err = errors.Join(err, room.close())
	if !opts.Headless {
		if !opts.Screen && ctx.Err() != nil {
			fmt.Fprintln(opts.Out) // after ^C
		}
		room.printClosed()
	}
	return err
}

// openRoomOf opens the room of opts. It must be served, and closed.
func openRoomOf(opts hostOptions) (_ *openRoom, err error) {
	room := &openRoom{}
	defer func() {
		if err != nil {
			err = errors.Join(err, room.release())
		}
	}()
	if room.ln, room.fallback, err = endpoint.Listen(opts.Addr); err != nil {
		return nil, err
	}
	room.onClose(func() { room.ln.Close() })
	if err := discovery.CheckInterfaces(opts.Ifaces); err != nil {
		return nil, err
	}
	logs := logging.NewQueue(opts.Err)
	room.onClose(logs.Close)
	opts.Log = logging.New(logs, opts.logOptions())
	opts.Ways = func() []string { return endpoint.Reachable(room.ln) }
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
	if opts.sealed != nil {
		room.onClose(func() { opts.sealed.Close() })
	}
	if err != nil {
		return nil, err
	}
	room.Server, room.opts, room.closeHistory = srv, opts, closeHistory
	if takesFiles {
		if store, err = openFiles(opts, srv); err != nil {
			return nil, err
		}
	}
	if store != nil {
		room.onClose(func() { store.Close() })
	}
	if opts.sealed != nil {
		if err := opts.sealed.Describe(srv.Info().Title, srv.Info().ID, room.ln.Addr()); err != nil {
			return nil, err
		}
	}
	if !opts.NoWeb {
		page = newPage(opts, srv, store)
		room.onClose(func() { page.Close() })
	}
	return room, nil
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
		if err := opts.sealRoom("in memory", opts.Title); err != nil {
			return nil, nil, err
		}
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
	id, err := file.RoomID()
	if err != nil {
		return nil, nil, hostHistoryError(opts.HistoryFile, errors.Join(err, file.Close()))
	}
	if err := opts.sealRoom("history", id); err != nil {
		return nil, nil, errors.Join(err, file.Close())
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

// sealRoom prepares the room for sealed connections if it is to be sealed. kind and name are what
// stays the same when it is opened again: its secrets do, too.
func (opts *hostOptions) sealRoom(kind, name string) error {
	how, key := opts.Sealing, kind+"\n"+name
	if !how.Secure {
		return opts.checkUnsealed(key)
	}
	secret, from, err := how.secret(opts.In)
	if err != nil {
		return err
	}
	room := &relay.Seal{}
	if err := opts.openKeys(room); err != nil {
		return err
	}
	if err := opts.findHostKey(); err != nil {
		return err
	}
	opts.sealed, err = seal.OpenHost(seal.HostOptions{
		Dir: identity.DefaultDir(), Room: key, Secret: secret, SecretFrom: from,
		CertFile: how.CertFile, KeyFile: how.KeyFile, ByKey: how.MembersFile != "", Log: opts.Log,
		Names: func() []string {
			return slices.Concat(endpoint.MachineNames(), opts.WebNames, endpoint.MachineAddresses())
		},
	})
	if err != nil {
		return err
	}
	room.Secrets, room.Renew = opts.sealed.Room().RoomSecrets, opts.sealed.Renew
	room.Invite = func(secret seal.Secret) seal.Invite {
		r := opts.sealed.Room()
		return r.Invite(r.At(opts.Ways())[0], secret)
	}
	opts.TLS, opts.Names, opts.Seal = opts.sealed.Config(), opts.names(), room
	return nil
}

// checkUnsealed returns an error if a room with a history was sealed when it was open last: without
// --secure, which is forgotten easily, everyone on the network could read all of it.
func (opts *hostOptions) checkUnsealed(key string) error {
	if opts.HistoryFile == "" {
		return nil // the room starts empty
	}
	kept, ok := seal.KeptRoom(identity.DefaultDir(), key)
	if !ok {
		return nil
	}
	return fmt.Errorf("the room in %s is sealed: without --secure, everyone on the network could read it\nhint: add --secure; or to make the room plain, delete its secrets: rm %s", opts.HistoryFile, kept)
}

// openKeys reads the files of keys of members and operators, for s.
func (opts *hostOptions) openKeys(s *relay.Seal) error {
	opts.keys = nil
	for _, f := range []struct {
		path string
		has  *func(fingerprint string) bool
	}{{opts.Sealing.MembersFile, &s.IsMember}, {opts.Sealing.OperatorsFile, &s.IsOperator}} {
		if f.path == "" {
			continue
		}
		file, err := sshkey.OpenFile(f.path)
		if err != nil {
			return fmt.Errorf("read the keys: %w", err)
		}
		*f.has = file.Has
		opts.keys = append(opts.keys, file)
	}
	return nil
}

// findHostKey sets the key of the host's own member. A headless host has none.
func (opts *hostOptions) findHostKey() error {
	if opts.Headless {
		return nil
	}
	signer, err := namedSigner(opts.Sealing.Identity)
	switch {
	case err != nil:
		return err
	case signer == nil:
		signer = identity.OwnSigner(identity.DefaultDir(), func(err error) { opts.Log.Warn(err.Error()) })
	}
	if opts.HostKey = signer.Key(); opts.HostKey == "" {
		_, err := signer.Sign(nil) // why there is none, if that is not a warning already
		return err
	}
	return nil
}

// watchKeys rereads the files of keys when they change, until ctx ends.
func (r *openRoom) watchKeys(ctx context.Context) {
	for _, file := range r.opts.keys {
		r.parts.Go(func() {
			file.Watch(ctx, func(err error) { r.opts.Log.Warn("problem in a file of keys", "error", err) }, func() {
				r.opts.Log.Info("the keys have changed", "file", file.Path())
				r.KeysChanged()
			})
		})
	}
}

// secret returns the secret of members that the user chose, and where it is from; "": none.
func (s *sealing) secret(stdin io.Reader) (secret seal.Secret, from string, err error) {
	const hint = "without it the host generates one"
	if s.MembersFile != "" { // a key lets members in
		return "", "", nil
	}
	if s.SecretFile != fromStdin {
		return seal.ChosenSecret(s.SecretFile, hint)
	}
	var b []byte
	if isTerminal(os.Stdin) {
		b, err = plain.AskHidden(os.Stdin, os.Stderr, "Secret of the room: ")
	} else {
		b, err = io.ReadAll(io.LimitReader(stdin, seal.MaxSecretFile))
	}
	if err != nil {
		return "", "", fmt.Errorf("read the secret: %w", err)
	}
	return seal.SecretFrom("stdin", b, hint)
}

// names returns the host names by which requests may know this machine.
func (opts *hostOptions) names() []string {
	names := append(endpoint.MachineNames(), opts.WebNames...)
	if opts.sealed != nil { // a browser may know the host by those in the certificate of --cert
		names = append(names, opts.sealed.Room().Names...)
	}
	return names
}

// newPage returns the handler of the room's page. store may be nil.
func newPage(opts hostOptions, srv *relay.Server, store *files.Store) *web.Handler {
	return web.New(srv, web.Options{
		Ways: opts.Ways, Names: opts.names(), WebNames: opts.WebNames,
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

// An openRoom is a room that this program hosts: opened, then served, then closed. The goroutine
// that does so owns it; the fields that others use are fixed before it is served.
type openRoom struct {
	*relay.Server
	opts     hostOptions
	ln       net.Listener
	fallback bool // the default port was in use

	closeHistory func() error // nil: it is not open yet
	closers      []func()     // in the order of onClose

	end    context.CancelFunc // ends serving; nil: it is not served yet
	parts  sync.WaitGroup     // of serving
	served error              // why serving failed; set when parts is done
}

// onClose has the room call f when it is closed, before the functions added earlier.
func (r *openRoom) onClose(f func()) { r.closers = append(r.closers, f) }

// release closes the history and what else the room holds.
func (r *openRoom) release() (err error) {
	if r.closeHistory != nil {
		err = r.closeHistory()
	}
	for _, f := range slices.Backward(r.closers) {
		f()
	}
	return err
}

// serve serves the room and announces it, until ctx ends or the room is closed. The returned
// context ends with it.
func (r *openRoom) serve(ctx context.Context) context.Context {
	ctx, r.end = context.WithCancel(ctx)
	if r.fallback {
		r.warnFallback()
	}
	if !r.opts.NoDiscovery {
		r.parts.Go(func() {
			advertise(ctx, discovery.Advertisement{
				ID: r.Info().ID, Title: r.Info().Title, App: r.opts.App, Port: endpoint.Port(r.ln),
				Bind: endpoint.BoundTo(r.ln), Ifaces: r.opts.Ifaces, Log: r.opts.Log,
				Sealed: r.opts.sealed != nil,
			}, r.hint())
		})
	}
	r.watchKeys(ctx)
	r.parts.Go(func() { r.served = r.Serve(ctx, r.ln); r.end() })
	return ctx
}

// hint returns a function for the start of a sealed room's pin; nil: the room is plain.
func (r *openRoom) hint() func() string {
	if r.opts.sealed == nil {
		return nil
	}
	return func() string { return r.opts.sealed.Pin().Hint() }
}

// close closes the room for everyone. It returns why serving it failed.
func (r *openRoom) close() error {
	r.end()
	r.parts.Wait()
	r.opts.Log.Info("room closed")
	return errors.Join(r.served, r.release())
}

// warnFallback warns the host's member that the room has not the default port. A log has it in
// the address.
func (r *openRoom) warnFallback() {
	message := fmt.Sprintf("Port %d is in use; this room is on %d.\n", wire.DefaultPort, endpoint.Port(r.ln))
	switch {
	case r.opts.Screen:
		io.WriteString(r.opts.Err, message)
	case !r.opts.Headless:
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
	r.opts.Log.Warn("the terminal was closed; the room stays open until SIGTERM")
	<-ctx.Done()
	return nil
}

// ways returns the addresses at which others can join, in the order of an invite.
func (r *openRoom) ways() []string {
	addrs := r.opts.Ways()
	if r.opts.sealed != nil {
		room := r.opts.sealed.Room()
		addrs = room.At(addrs)
	}
	return addrs
}

// pages returns the addresses of the web page; none with --no-web.
func (r *openRoom) pages() []string {
	var pages []string
	if r.opts.NoWeb {
		return nil
	}
	for _, addr := range r.ways() {
		pages = append(pages, wire.Scheme(r.opts.sealed != nil)+addr+"/")
	}
	return pages
}

// logOpen logs that the room is open, and where. A terminal also gets the page's QR code. The invite of
// a sealed room is not logged: logs are read by others too.
func (r *openRoom) logOpen() {
	room, pages := r.Info(), r.pages()
	log := r.opts.Log
	if r.opts.sealed != nil {
		log = log.With("sealed", true, "pin", string(r.opts.sealed.Pin()), "invite", invites.Command(room.Title, room.ID))
	}
	log.Info("room open", "room", room.Title, "id", room.ID, "address", r.ln.Addr().String(), "ways_in", r.ways(), "page", pages)
	if len(pages) > 0 && r.opts.sealed == nil && r.opts.LogFormat == "text" && isTerminal(os.Stderr) {
		r.printCode(pages[0])
	}
}

// printCode prints the QR code of a page on the terminal.
func (r *openRoom) printCode(page string) {
	code, err := codeFor(os.Stderr)(page)
	if err != nil {
		r.opts.Log.Warn("no QR code", "page", page, "error", err)
		return
	}
	for _, line := range code {
		fmt.Fprintf(r.opts.Err, "  %s\n", line)
	}
}

// codeFor returns a function that draws QR codes for a terminal.
func codeFor(terminal *os.File) func(link string) ([]string, error) {
	return func(link string) ([]string, error) {
		code, err := qrcode.Of(link)
		if err != nil {
			return nil, err
		}
		return code.Lines(colorprofile.Detect(terminal, os.Environ())), nil
	}
}

// printInvitation prints every way to join the room.
func (r *openRoom) printInvitation() {
	out := r.opts.Out
	if r.opts.sealed != nil {
		printer := invites.Printer{To: out, Addrs: func(seal.HostedRoom) []string { return r.ways() }}
		if !r.opts.Accessible {
			printer.Code = codeFor(os.Stdout)
		}
		if err := printer.PrintOpened(r.opts.sealed.Room(), invites.Reach{Page: !r.opts.NoWeb, Discovered: !r.opts.NoDiscovery}); err != nil {
			r.opts.Log.Warn("cannot print the invite; chat invite does", "error", err)
		}
		return
	}
	fmt.Fprintf(out, "The room %s is open. Others join with\n", r.Info().Title)
	if !r.opts.NoDiscovery {
		fmt.Fprintf(out, "  chat join\n")
	}
	for _, page := range r.pages() {
		fmt.Fprintf(out, "  %s in a browser\n", page)
	}
	for _, addr := range r.opts.Ways() {
		host, port, _ := net.SplitHostPort(addr)
		fmt.Fprintf(out, "  chat join --addr %s\n  nc %s %s\n", addr, host, port)
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
		In: in, Out: r.opts.Out, Err: r.opts.Err, Log: transcript, Accessible: r.opts.Accessible, Width: terminalWidth,
		HostAddr: func() string { return r.opts.Ways()[0] },
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
	hosting := r.hosting()
	how := screen.Options{
		Place: &screen.Place{Title: r.Info().Title, ID: r.Info().ID}, Hosting: &hosting,
		Warnings: warnings, Quiet: r.opts.Quiet, Mouse: r.opts.Mouse,
	}
	return runScreen(ctx, how, transcript, func(ctx context.Context, _ screen.Place, _ client.Questions) (*client.Client, error) {
		return r.join(ctx, &served)
	}, nil)
}

// hosting describes the room to a screen.
func (r *openRoom) hosting() screen.Hosting {
	h := screen.Hosting{Addrs: r.ways, NoPage: r.opts.NoWeb, Discovered: !r.opts.NoDiscovery}
	if r.opts.sealed != nil {
		h.Sealed = r.opts.sealed.Room
	}
	return h
}

// join connects the host's own client, by a pipe, like any other. served counts the
// goroutine that serves the connection.
func (r *openRoom) join(ctx context.Context, served *sync.WaitGroup) (*client.Client, error) {
	c, err := client.Join(ctx, client.Options{
		Gather: screen.Gather,
		Nick:   r.opts.Nick,
		Token:  r.opts.HostToken,
		Seal:   r.ownSeal(),
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

// ownSeal returns how the host's own client enters the room.
func (r *openRoom) ownSeal() client.Seal {
	if r.opts.sealed == nil {
		return client.Seal{}
	}
	return client.Seal{Private: true, Secret: r.opts.sealed.Room().Operator}
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
	if err := opts.checkTitle(); err != nil {
		return nil, screen.Hosting{}, err
	}
	if h.closing {
		return nil, screen.Hosting{}, context.Canceled
	}
	room, err := openRoomOf(opts)
	if err != nil {
		return nil, screen.Hosting{}, err
	}
	serving := room.serve(h.ctx)
	c, err := room.join(ctx, &h.served)
	if err != nil {
		return nil, screen.Hosting{}, errors.Join(err, room.close())
	}
	h.room, h.forget = room, context.AfterFunc(serving, h.ended)
	return c, room.hosting(), nil
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
	return room.close()
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
	err = errors.Join(h.room.outlive(h.ctx, err), h.room.close())
	h.room.printClosed()
	return err
}

// --- invites ----------------------------------------------------------------------

// inviteOptions are the flags of chat invite.
type inviteOptions struct {
	Room string // its title, or the start of its ID; "": the only one
	For  invites.Audience
	JSON bool
}

func inviteOptionsOf(c *cli.Context) (opts inviteOptions, err error) {
	switch {
	case c.NArg() > 1:
		return opts, usageErrorf("chat invite takes one room, not %d\nhint: quote a title that has spaces", c.NArg())
	case c.Bool("listen") && c.Bool("operator"):
		return opts, usageErrorf("--listen and --operator exclude each other\nhint: leave out one of them")
	case c.Bool("listen"):
		opts.For = invites.Listeners
	case c.Bool("operator"):
		opts.For = invites.Operators
	}
	opts.Room, opts.JSON = c.Args().First(), c.Bool("json")
	return opts, nil
}

// printInvites prints the invites to the sealed rooms that are open on this machine.
func printInvites(out, warnings io.Writer, opts inviteOptions) error {
	rooms, err := seal.Rooms(identity.DefaultDir())
	if err != nil && len(rooms) == 0 {
		return err
	}
	if err != nil { // one of the others
		fmt.Fprintln(warnings, "chat: "+text.CleanLines(err.Error()))
	}
	open, closed := invites.Select(rooms, opts.Room)
	printer := invites.Printer{To: out, For: opts.For, Addrs: invitedAddrs}
	switch {
	case len(open) == 0:
		return noRoomToInvite(opts.Room, closed)
	case opts.JSON:
		return printer.PrintJSON(open)
	case len(open) > 1:
		if err := printer.PrintList(open); err != nil {
			return err
		}
		return usageErrorf("%d sealed rooms are open here\nhint: name one by its title or ID, e.g. chat invite %.8s", len(open), open[0].ID)
	case isTerminal(os.Stdout):
		printer.Code = codeFor(os.Stdout)
	}
	return printer.Print(open[0])
}

// noRoomToInvite returns the error if no open room is named want. closed is a room of that name which is not
// open; nil: there is none.
func noRoomToInvite(want string, closed *seal.HostedRoom) error {
	switch {
	case closed != nil:
		return &exitError{exitNoRoom, fmt.Errorf("the sealed room %s is not open on this machine\nhint: its invites are valid again once you host it", closed.Title)}
	case want != "":
		return &exitError{exitNoRoom, fmt.Errorf("no sealed room %q is open on this machine\nhint: chat invite without a name lists those that are", want)}
	}
	return &exitError{exitNoRoom, errors.New("no sealed room is open on this machine\nhint: chat host --secure opens one; a plain room needs no invite")}
}

// invitedAddrs returns the addresses at which others reach a room of this machine, the best one first.
func invitedAddrs(r seal.HostedRoom) []string {
	at, err := netip.ParseAddrPort(r.Address)
	if err != nil {
		return []string{r.Address}
	}
	return r.At(endpoint.ReachableAt(at))
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

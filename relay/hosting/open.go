package hosting

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"os"
	"time"

	"chat/relay"
	"chat/relay/discovery"
	"chat/relay/endpoint"
	"chat/relay/files"
	"chat/relay/garbage"
	"chat/relay/hint"
	"chat/relay/history"
	"chat/relay/identity"
	"chat/relay/logging"
	"chat/relay/text"
	"chat/relay/web"
	"chat/relay/wire"
)

// Open opens the room of opts. It must be started, and closed.
func Open(opts Options) (_ *Room, err error) {
	r := &Room{opts: opts}
	r.limits.room, r.limits.files = opts.Options, opts.FileLimits
	defer func() {
		if err != nil {
			err = errors.Join(err, r.release())
		}
	}()
	if err := r.listen(); err != nil {
		return nil, err
	}
	r.onClose(func() { r.ln.Close() })
	if err := discovery.CheckInterfaces(opts.Ifaces); err != nil {
		return nil, err
	}
	r.logs = logging.NewQueue(opts.LogTo)
	r.onClose(r.logs.Close)
	r.opts.Log = logging.New(r.logs, opts.Logging)
	log.SetOutput(slog.NewLogLogger(r.opts.Log.Handler(), slog.LevelDebug).Writer()) // what libraries print must not be drawn over a screen
	r.onClose(func() { log.SetOutput(os.Stderr) })
	r.opts.Restarts = r.restarts
	r.opts.Ways = func() []string { return endpoint.Reachable(r.ln) }
	if !opts.NoWeb {
		r.opts.Web = func(conn net.Conn) { r.page.StartServing(conn) }
	}
	if err := r.openPrograms(); err != nil {
		return nil, err
	}
	if r.takesFiles() {
		r.useStore()
	}
	if err := r.openServer(); err != nil {
		return nil, err
	}
	if r.takesFiles() {
		if err := r.openFiles(); err != nil {
			return nil, err
		}
	}
	if r.sealed != nil {
		if err := r.sealed.Describe(r.Info().Title, r.Info().ID, r.ln.Addr(), r.programs != nil); err != nil {
			return nil, err
		}
	}
	r.disks = r.diskWatch()
	if !opts.NoWeb {
		r.page = web.New(r.Server, web.Options{
			Ways: r.opts.Ways, Names: r.names(), WebNames: opts.WebNames,
			Files: r.store, Programs: r.programs, Invites: r.invitesFunc(), Stall: opts.Stall, TrustedProxies: opts.TrustedProxies, MetricsForAll: opts.Metrics, Log: r.opts.Log,
			Problems: r.problems, Disks: r.disks.Disks, LostLines: r.lostLines,
		})
		r.onClose(func() { r.page.Close() })
	}
	r.writeOperatorFile()
	r.onClose(garbage.CollectLess())
	return r, nil
}

// listen opens the room's port, or takes the supervisor's socket.
func (r *Room) listen() (err error) {
	opts := &r.opts
	if r.ln = opts.Supervisor.Listener(); r.ln != nil {
		return opts.checkListener(r.ln)
	}
	if opts.NoMember && opts.Addr == "" {
		r.ln, err = endpoint.ListenDefault()
		return err
	}
	r.ln, r.otherPort, err = endpoint.Listen(opts.Addr)
	return err
}

// checkListener returns an error if the address in the options is another one than that of the supervisor's socket.
func (opts *Options) checkListener(ln net.Listener) error {
	if opts.Addr == "" || endpoint.IsAt(ln, opts.Addr) {
		return nil
	}
	ln.Close()
	return fmt.Errorf("the service manager opened %s, and --addr is %s\nhint: leave out --addr, and set ListenStream= in the socket unit", ln.Addr(), opts.Addr)
}

func (r *Room) takesFiles() bool { return !r.opts.NoWeb && !r.opts.NoFiles }

// useStore lets the server use the store, which is opened after it.
func (r *Room) useStore() {
	r.opts.Files = func(id string) (wire.File, error) {
		if r.store == nil {
			return wire.File{}, files.ErrGone
		}
		return r.store.Publish(id)
	}
	r.opts.Uploads = func() relay.Uploads {
		if r.store == nil { // an interface that holds it would not be nil
			return nil
		}
		return r.store
	}
}

// slowOpening is how long opening a history file takes at most without a word.
const slowOpening = time.Second

// openServer opens the room's server, in memory or from its history file, and seals the room if the options say so.
func (r *Room) openServer() error {
	opts := &r.opts
	if len(opts.Sharing.URLs) > 0 {
		return r.openShared()
	}
	if opts.HistoryFile == "" {
		opts.HostToken = rand.Text()
		opts.Title = cmp.Or(opts.Title, endpoint.MachineName())
		opts.Secret = secretOf(opts.Title, opts.Log)
		opts.OperatorToken = opts.operatorToken(opts.Secret, opts.Title)
		if err := r.seal("in memory", opts.Title); err != nil {
			return err
		}
		r.Server = relay.New(opts.Options)
		return nil
	}
	file, err := r.openHistory()
	if err != nil {
		return err
	}
	opts.Title = cmp.Or(opts.Title, text.Title(file.Title()), endpoint.MachineName())
	if opts.HostToken, err = hostToken(file); err != nil {
		return historyError(opts.HistoryFile, err)
	}
	id, err := file.RoomID()
	if err != nil {
		return historyError(opts.HistoryFile, err)
	}
	secret, err := file.Secret()
	if err != nil {
		return historyError(opts.HistoryFile, err)
	}
	opts.OperatorToken = opts.operatorToken(secret, id)
	if err := r.seal("history", id); err != nil {
		return err
	}
	if r.Server, err = relay.NewOn(file, opts.Options); err != nil {
		return historyError(opts.HistoryFile, fmt.Errorf("open history %s: %w", opts.HistoryFile, err))
	}
	return nil
}

// openHistory opens the history file of the options; nil: there is none.
func (r *Room) openHistory() (*history.File, error) {
	path := r.opts.HistoryFile
	if path == "" {
		return nil, nil
	}
	slow := time.AfterFunc(slowOpening, func() { r.opts.Log.Warn("opening the history takes long: the disk is slow", "file", path) })
	file, err := history.OpenFile(path, r.opts.HistoryKeep)
	slow.Stop()
	if err != nil {
		return nil, historyError(path, err)
	}
	r.history, r.closeHistory = file, file.Close
	return file, nil
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

// openFiles opens the store of uploads. If no temporary directory can be made for them, it
// logs a warning and there is none.
func (r *Room) openFiles() error {
	opts := &r.opts
	opts.FileLimits.Log = opts.Log
	if opts.FilesDir == "" && r.cluster == nil {
		// A reopened room has messages with the numbers of files that are gone: do not reuse them.
		opts.FileLimits.First = r.Next()
	}
	store, err := r.openStore()
	switch {
	case err == nil:
		r.store = store
		r.onClose(func() { store.Close() })
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w\nhint: check that more than half of the NATS servers run, and start the host again", err)
	case opts.FilesDir == "":
		opts.Log.Warn("uploads are rejected: no directory to store them in", "error", err)
		return nil
	case errors.Is(err, files.ErrInUse):
		return fmt.Errorf("%w\nhint: choose another directory with --files-dir, or close the room that uses this one", err)
	}
	return fmt.Errorf("%w\nhint: choose another directory with --files-dir", err)
}

// historyError adds a hint to an error, which names the history file at path, that kept
// it from being opened.
func historyError(path string, err error) error {
	return hint.Add(err, []hint.Remedy{
		{Err: history.ErrInUse, Hint: "join the room that is open on it, or choose another file with --history"},
		{Err: history.ErrNewer, Hint: "the file is unchanged; host it with the version of chat that wrote it, or a later one"},
		{Err: history.ErrNotHistory, Hint: "the file is unchanged; choose another one with --history"},
		{Err: history.ErrDamaged, Hint: fmt.Sprintf("the file is unchanged; print the readable part with chat history %s, then put a backup in its place with chat history restore BACKUP %[1]s, or repair a copy with sqlite3 %[1]s .recover", path)},
		{Err: fs.ErrPermission, Hint: "give the file to the user who runs the host; a backup that root copied, put in its place with sudo chat history restore BACKUP FILE"},
		{Err: fs.ErrNotExist, Hint: "create its folder first, or choose another file with --history"},
		{Hint: "choose another file with --history"},
	})
}

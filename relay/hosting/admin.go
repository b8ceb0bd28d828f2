package hosting

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"

	"chat/relay"
	"chat/relay/admin"
	"chat/relay/hint"
	"chat/relay/history"
	"chat/relay/identity"
	"chat/relay/limits"
	"chat/relay/text"
	"chat/relay/wire"
)

// openAdmin opens the admin socket. A room without one stays open: the log has why.
func (r *Room) openAdmin() {
	info := r.Info()
	server, err := admin.Open(admin.Options{
		Room: administered{r}, Log: r.opts.Log, Dir: identity.DefaultDir(),
		Entry: admin.Entry{Title: info.Title, ID: info.ID, Listens: r.ln.Addr().String(), History: r.opts.HistoryFile},
	})
	if err != nil {
		level := slog.LevelInfo
		if r.opts.NoMember { // the host's own member can do the same
			level = slog.LevelWarn
		}
		r.opts.Log.Log(context.Background(), level, "chat admin cannot administer this room", "error", err)
		return
	}
	r.admin = server
	if e := server.Entry(); e.Socket != "" {
		r.opts.Log.Info("admin socket open", "socket", e.Socket)
	}
}

// An administered room is the room as chat admin sees it.
type administered struct{ *Room }

// Uploads implements [admin.Room].
func (r administered) Uploads() relay.Uploads {
	if r.store == nil { // an interface that holds it would not be nil
		return nil
	}
	return r.store
}

// ChangeLimits implements [admin.Room].
func (r administered) ChangeLimits(assignments []string) ([]limits.Change, error) {
	changes, err := r.Room.ChangeLimits(assignments)
	if len(changes) > 0 {
		r.record("limits", "changed limits: "+limits.Words(changes))
	}
	return changes, err
}

// Backup implements [admin.Room].
func (r administered) Backup(ctx context.Context, to string) error {
	if r.history == nil {
		return errors.New("the room has no history file: it is in memory\nhint: chat host --history FILE keeps it")
	}
	if err := r.history.Backup(ctx, to, nil); err != nil {
		return hint.Add(err, []hint.Remedy{
			{Err: history.ErrExists, Hint: "choose another name; a backup replaces no file"},
			{Err: fs.ErrNotExist, Hint: "create its folder first"},
			{Err: fs.ErrPermission, Hint: "the host writes the backup: choose a folder that its user can write to"},
			{Hint: "choose another folder"},
		})
	}
	r.record("backup", "made a backup")
	return nil
}

// maxReason is the limit of why a host stops, in bytes.
const maxReason = 300

// Stop implements [admin.Room].
func (r administered) Stop(reason string) error {
	if len(reason) > maxReason {
		return errors.New("the reason is too long\nhint: use at most 300 bytes")
	}
	did := "closes the room"
	if reason = text.Clean(reason); reason != "" {
		did += ": " + reason
	}
	r.record("stop", did)
	r.stopped.Store(true)
	r.end()
	return nil
}

// record adds to the room's log what was done to it. It is done already: an error is logged only.
func (r administered) record(code wire.Code, did string) {
	if err := r.Record(code, did); err != nil {
		r.opts.Log.Error("an act of the host is not in the history", "act", did, "error", err)
	}
}

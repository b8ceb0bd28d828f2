package hosting

import (
	"sync"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/limits"
)

// The limits of a room that is open. They are safe for concurrent use.
type roomLimits struct {
	mu    sync.Mutex
	room  relay.Options // only the limits count; guarded by mu
	files files.Limits  // likewise
}

func (l *roomLimits) settings() limits.Settings {
	return limits.Settings{Room: &l.room, Files: &l.files}
}

// copyLocked returns a copy of the limits.
func (l *roomLimits) copyLocked() limits.Settings {
	room, files := l.room, l.files
	return limits.Settings{Room: &room, Files: &files}
}

// Limits returns the limits of the room as they are now.
func (r *Room) Limits() limits.Settings {
	r.limits.mu.Lock()
	defer r.limits.mu.Unlock()
	return r.limits.copyLocked()
}

// SetLimits sets the limits of the open room to those of to, and logs what changes. It returns the changes. Only the
// limits in to count.
func (r *Room) SetLimits(to limits.Settings) []limits.Change {
	r.limits.mu.Lock()
	defer r.limits.mu.Unlock()
	return r.applyLimitsLocked(to)
}

// ChangeLimits sets single limits, each NAME=VALUE. After an error, which has a hint, nothing has changed.
func (r *Room) ChangeLimits(assignments []string) ([]limits.Change, error) {
	r.limits.mu.Lock()
	defer r.limits.mu.Unlock()
	to := r.limits.copyLocked()
	for _, assignment := range assignments {
		if err := limits.Set(to, assignment); err != nil {
			return nil, err
		}
	}
	return r.applyLimitsLocked(to), nil
}

// applyLimitsLocked applies the limits of to, and returns the changes.
func (r *Room) applyLimitsLocked(to limits.Settings) []limits.Change {
	changes := limits.Changes(r.limits.settings(), to)
	if len(changes) == 0 {
		return nil
	}
	for _, c := range changes {
		if err := limits.Set(r.limits.settings(), c.Name+"="+c.To); err != nil {
			panic(err) // Value writes what Set reads
		}
	}
	r.Server.SetLimits(r.limits.room)
	if r.store != nil {
		r.store.SetLimits(r.limits.files)
	}
	if r.page != nil {
		r.page.SetStall(r.limits.room.Stall)
	}
	r.disks.SetReserve(reserveOf(r.limits.files))
	r.opts.Log.Info("limits changed", "limits", limits.Words(changes))
	return changes
}

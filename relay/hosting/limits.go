package hosting

import (
	"fmt"
	"strings"
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

// A RestartError is the error of limits that cannot change while the host runs.
type RestartError struct{ Limits []limits.Change }

func (e *RestartError) Error() string {
	names := make([]string, len(e.Limits))
	for i, c := range e.Limits {
		names[i] = c.Name + "=" + c.To
	}
	return fmt.Sprintf("these limits change only with a restart of the host: %s", strings.Join(names, ", "))
}

// SetLimits sets the limits of the open room to those of to, and logs what changes. It returns the changes.
// Limits that cannot change while the host runs stay as they are; a [*RestartError] then names
// them, and the others have changed. Only the limits in to count.
func (r *Room) SetLimits(to limits.Settings) ([]limits.Change, error) {
	r.limits.mu.Lock()
	defer r.limits.mu.Unlock()
	live, fixed := limits.Changes(r.limits.settings(), to)
	r.applyLimitsLocked(live)
	if len(fixed) > 0 {
		return live, &RestartError{fixed}
	}
	return live, nil
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
	live, fixed := limits.Changes(r.limits.settings(), to)
	if len(fixed) > 0 {
		return nil, fmt.Errorf("%w\nhint: set them with chat host --limit; those that change at once are %s", &RestartError{fixed}, liveLimits())
	}
	r.applyLimitsLocked(live)
	return live, nil
}

func liveLimits() string {
	var names []string
	for _, l := range limits.Table {
		if l.Live {
			names = append(names, l.Name)
		}
	}
	return strings.Join(names, ", ")
}

// applyLimitsLocked applies changes of live limits.
func (r *Room) applyLimitsLocked(changes []limits.Change) {
	if len(changes) == 0 {
		return
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
	r.disks.SetReserve(reserveOf(r.limits.files))
	r.opts.Log.Info("limits changed", "limits", limits.Words(changes))
}

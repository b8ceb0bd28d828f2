package hosting

import (
	"strings"

	"chat/relay/limits"
)

// Reload reads again what can change while the room is open: the certificate of --cert, the files of
// keys, and the limits in the file of settings. What is wrong with them is logged, and the old ones stay. Calls must not overlap.
func (r *Room) Reload() {
	s := r.opts.Supervisor
	r.logNotifyError(s.Reloading())
	r.opts.Log.Info("reloading")
	if r.sealed != nil {
		r.sealed.Recheck()
		r.sealed.Leaf()
	}
	for _, file := range r.keys {
		file.Reread()
	}
	if err := r.rereadSettings(); err != nil {
		r.opts.Log.Warn("the settings stay as they were", "error", err)
	}
	r.logNotifyError(s.Ready(r.status()))
}

// rereadSettings applies changes in the file of settings, as far as they can be without a restart.
func (r *Room) rereadSettings() error {
	if r.opts.Reread == nil {
		return nil
	}
	changed, others, err := r.opts.Reread()
	if err != nil {
		return err
	}
	to := r.Limits()
	for _, assignment := range changed {
		if err := limits.Set(to, assignment); err != nil {
			return err
		}
	}
	r.SetLimits(to) // it logs what changes
	if len(others) > 0 {
		r.opts.Log.Warn("restart the host to apply other changes of the settings", "settings", strings.Join(others, ", "))
	}
	return nil
}

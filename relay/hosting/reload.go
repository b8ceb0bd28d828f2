package hosting

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chat/relay/limits"
)

// keysTime is how long Reload waits until a file of keys is read.
const keysTime = 5 * time.Second

// Reload reads the certificate of --cert, the files of keys and the file of settings again, and applies changes that can
// be made while the room is open. The notice names settings that need a restart; it may be "". The error has the mistakes, which are
// also logged: there the old values stay. It is safe for concurrent use.
func (r *Room) Reload() (notice string, err error) {
	r.reloading.Lock()
	defer r.reloading.Unlock()
	s := r.opts.Supervisor
	r.logNotifyError(s.Reloading())
	r.opts.Log.Info("reloading")
	var errs []error
	if r.sealed != nil {
		errs = append(errs, r.sealed.Recheck()) // it logs the error
	}
	ctx, cancel := context.WithTimeout(context.Background(), keysTime)
	defer cancel()
	for _, file := range r.keys {
		if err := file.Reread(ctx); err != nil { // likewise
			errs = append(errs, fmt.Errorf("read the keys: %w", err))
		}
	}
	others, err := r.rereadSettings()
	if err != nil {
		r.opts.Log.Warn("the settings stay as they were", "error", err)
		errs = append(errs, err)
	}
	if len(others) > 0 {
		const words = "restart the host to apply other changes of the settings"
		names := strings.Join(others, ", ")
		r.opts.Log.Warn(words, "settings", names)
		notice = words + ": " + names
	}
	r.logNotifyError(s.Ready(r.status()))
	return notice, errors.Join(errs...)
}

// rereadSettings applies changes in the file of settings, as far as they can be without a restart. others are the settings
// that need one.
func (r *Room) rereadSettings() (others []string, err error) {
	if r.opts.Reread == nil {
		return nil, nil
	}
	changed, others, err := r.opts.Reread()
	if err != nil {
		return nil, err
	}
	to := r.Limits()
	for _, assignment := range changed {
		if err := limits.Set(to, assignment); err != nil {
			return nil, err
		}
	}
	r.SetLimits(to) // it logs what changes
	return others, nil
}

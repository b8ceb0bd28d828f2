package hosting

import (
	"context"
	"fmt"
)

// restarts reports whether the supervisor is likely to start the host again after it has ended: clients can
// come back to the same room only if it has a history.
func (r *Room) restarts() bool {
	return !r.stopped.Load() && r.opts.Supervisor != nil && r.opts.HistoryFile != ""
}

// reportToSupervisor reports to the supervisor that the room is open, works, and closes when ctx ends.
func (r *Room) reportToSupervisor(ctx context.Context) {
	s := r.opts.Supervisor
	r.logNotifyError(s.Ready(r.status()))
	s.Watch(ctx, r.NewWorkCheck().Check, func(err error) {
		r.opts.Log.Error("the host does not work; without progress, the service manager restarts it", "reason", err)
	})
	<-ctx.Done()
	r.logNotifyError(s.Stopping())
}

// status describes the room in one line.
func (r *Room) status() string {
	return fmt.Sprintf("room %s on port %d", r.Info().Title, r.Port())
}

func (r *Room) logNotifyError(err error) {
	if err != nil {
		r.opts.Log.Warn("cannot talk to the service manager", "error", err)
	}
}

package hosting

import (
	"context"
	"fmt"
	"net"

	"chat/relay/endpoint"
)

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

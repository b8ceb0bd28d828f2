// Package hosting opens a room on this machine: its port, log, history, files, page and keys. It serves
// and announces the room until it is closed. It knows no screen.
package hosting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chat/relay"
	"chat/relay/admin"
	"chat/relay/client"
	"chat/relay/cluster"
	"chat/relay/discovery"
	"chat/relay/diskspace"
	"chat/relay/endpoint"
	"chat/relay/files"
	"chat/relay/history"
	"chat/relay/hostseal"
	"chat/relay/invites"
	"chat/relay/logging"
	"chat/relay/program"
	"chat/relay/sshkey"
	"chat/relay/web"
	"chat/relay/wire"
)

// A Room is a room that this program hosts: opened, then started, then closed. The goroutine
// that does so owns it; the fields that others use are fixed before it is started.
type Room struct {
	*relay.Server
	opts      Options // with what opening the room has added
	ln        net.Listener
	otherPort bool           // the default port was in use
	logs      *logging.Queue // of Log
	disks     *diskspace.Watch
	store     *files.Store   // of uploads; nil: they are rejected
	programs  *program.Set   // that the page hands out; nil: none
	page      *web.Handler   // nil: there is none
	sealed    *hostseal.Seal // nil: the room is plain
	keys      []*sshkey.File // of members and operators, to watch

	limits roomLimits

	history      *history.File    // nil: the room is in memory
	cluster      *cluster.Cluster // nil: no other host serves the room
	admin        *admin.Server    // nil: chat admin cannot administer the room; set by Start
	closeHistory func() error     // nil: it is not open yet
	closers      []func()         // in the order of onClose

	reloading sync.Mutex // held by Reload

	stopped atomic.Bool // chat admin closes the room: no supervisor starts the host again

	end    context.CancelFunc // ends serving; nil: it is not started yet
	parts  sync.WaitGroup     // of serving
	served error              // why serving failed; set when parts is done
}

// onClose has the room call f when it is closed, before the functions added earlier.
func (r *Room) onClose(f func()) { r.closers = append(r.closers, f) }

// release closes the history and what else the room holds.
func (r *Room) release() (err error) {
	if r.closeHistory != nil {
		err = r.closeHistory()
	}
	for _, f := range slices.Backward(r.closers) {
		f()
	}
	return err
}

// Start serves the room and announces it, until ctx ends or the room is closed. The returned
// context ends with it.
func (r *Room) Start(ctx context.Context) context.Context {
	ctx, r.end = context.WithCancel(ctx)
	if !r.opts.NoDiscovery {
		r.parts.Go(func() {
			r.opts.Advertise(ctx, discovery.Advertisement{
				ID: r.Info().ID, Relay: r.Relay(), Title: r.Info().Title, App: r.opts.App, Port: endpoint.Port(r.ln),
				Bind: endpoint.BoundTo(r.ln), Ifaces: r.opts.Ifaces, Log: r.opts.Log,
				Sealed: r.sealed != nil,
			}, r.pinHint())
		})
	}
	r.watchKeys(ctx)
	r.watchSecrets(ctx)
	r.openAdmin()
	r.parts.Go(func() { r.reportToSupervisor(ctx) })
	r.verifyPrograms(ctx)
	r.watchDisks(ctx)
	r.parts.Go(func() { r.served = r.Serve(ctx, r.ln); r.end() })
	return ctx
}

// pinHint returns a function for the start of a sealed room's pin; nil: the room is plain.
func (r *Room) pinHint() func() string {
	if r.sealed == nil {
		return nil
	}
	return func() string { return r.sealed.Pin().Hint() }
}

// Close closes the room for everyone. It returns why serving it failed.
func (r *Room) Close() error {
	r.end()
	r.parts.Wait()
	if r.admin != nil {
		r.admin.Close() // before the history, which it may be copying
	}
	r.opts.Log.Info("room closed")
	return errors.Join(r.served, r.release())
}

// Ways returns the addresses, host:port, at which others can reach the room now, the best one first; at least one. In a sealed
// room these are first the names in its certificate.
func (r *Room) Ways() []string {
	addrs := r.opts.Ways()
	if r.sealed != nil {
		room := r.sealed.Room()
		addrs = room.InviteAddrs(addrs)
	}
	return addrs
}

// Pages returns the addresses of the web page; none with --no-web.
func (r *Room) Pages() []string {
	var pages []string
	if r.opts.NoWeb {
		return nil
	}
	for _, addr := range r.Ways() {
		pages = append(pages, wire.Scheme(r.sealed != nil)+addr+"/")
	}
	return pages
}

// LogOpen logs that the room is open, and where. The invite of
// a sealed room is not logged: logs are read by others too.
func (r *Room) LogOpen() {
	room, pages := r.Info(), r.Pages()
	log := r.opts.Log
	if r.sealed != nil {
		log = log.With("sealed", true, "pin", string(r.sealed.Pin()), "invite", invites.CommandFor(room.Title, room.ID))
	}
	words := []any{"room", room.Title, "id", room.ID, "address", r.ln.Addr().String(), "ways_in", r.Ways(), "page", pages}
	if ways := r.Ways(); r.ForShell() != "" && len(ways) > 0 {
		words = append(words, "install", r.Install(ways[0])) // of chat, for those who do not have it
	}
	log.Info("room open", words...)
}

// Join connects the host's own client, by a pipe, like any other. gather is [client.Options.Gather].
// served counts the goroutine that serves the connection.
func (r *Room) Join(ctx context.Context, nick string, gather time.Duration, served *sync.WaitGroup) (*client.Client, error) {
	c, err := client.Join(ctx, client.Options{
		Gather: gather,
		Nick:   nick,
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
func (r *Room) ownSeal() client.Seal {
	if r.sealed == nil {
		return client.Seal{}
	}
	return client.Seal{Private: true, Secret: r.sealed.Room().Operator}
}

// Log returns the room's log.
func (r *Room) Log() *slog.Logger { return r.opts.Log }

// Port returns the port that the room listens on.
func (r *Room) Port() int { return endpoint.Port(r.ln) }

// IsOnOtherPort reports whether the room is not on the default port, as another program is.
func (r *Room) IsOnOtherPort() bool { return r.otherPort }

// Sealed returns what seals the room; nil: it is plain.
func (r *Room) Sealed() *hostseal.Seal { return r.sealed }

package hosting

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"chat/relay"
	"chat/relay/cluster"
	"chat/relay/hint"
	"chat/relay/history"
	"chat/relay/identity"
	"chat/relay/wire"
)

// A Sharing says by which cluster of NATS servers this relay shares the room with others. The zero value has the room on
// this host only.
type Sharing struct {
	URLs     []string // of the servers
	Creds    string   // the path of a file of NATS credentials; "": none
	Replicas int      // how many servers keep the room; 0: see cluster.Options
}

// check returns an error if the options contradict each other.
func (s *Sharing) check(opts *Options) error {
	switch {
	case len(s.URLs) > 0 && opts.Title == "":
		return errors.New("--cluster needs --room\nhint: relays that name the same room serve it together, e.g. --room kitchen")
	case len(s.URLs) == 0 && s.Creds != "":
		return errors.New("--cluster-creds needs --cluster\nhint: leave it out, or name the NATS servers with --cluster")
	case len(s.URLs) == 0 && s.Replicas != 0:
		return errors.New("--replicas needs --cluster\nhint: leave it out, or name the NATS servers with --cluster")
	case s.Replicas < 0 || s.Replicas > maxReplicas:
		return fmt.Errorf("--replicas %d is not possible\nhint: use 1, 3 or 5", s.Replicas)
	}
	for _, url := range s.URLs {
		if err := cluster.CheckURL(url); err != nil {
			return fmt.Errorf("--cluster: %w\nhint: name NATS servers, e.g. nats://a:4222,nats://b:4222, or with TLS tls://a:4222", err)
		}
	}
	return nil
}

// tokenIn returns the token of the host's own member in a shared room with an ID: the same one when this host is started
// again, and another one than that of each other host.
func (r *Room) tokenIn(id string) string {
	secret, err := identity.HostSecret(identity.DefaultDir())
	if err != nil {
		return rand.Text() // the member is another client after a restart
	}
	return wire.MAC(secret, "host's own member of a shared room", id, r.ln.Addr().String())
}

// maxReplicas is how many servers NATS JetStream lets keep a stream.
const maxReplicas = 5

// openShared opens the server of a room that this relay shares with others.
func (r *Room) openShared() error {
	opts := &r.opts
	c, err := cluster.Open(context.Background(), cluster.Options{
		URLs: opts.Sharing.URLs, Creds: opts.Sharing.Creds, Room: opts.Title, Title: opts.Title, Replicas: opts.Sharing.Replicas, Log: opts.Log,
	})
	if err != nil {
		return hint.Add(err, cluster.Remedies)
	}
	r.onClose(c.Close)
	r.cluster = c
	common := c.Common()
	opts.Room, opts.Title, opts.Secret = common.ID, cmp.Or(common.Title, opts.Title), common.Secret
	opts.ClusterLink = func() relay.ClusterLink {
		s := c.Status()
		return relay.ClusterLink{Connected: s.Connected, Server: s.Server, Leader: s.Leader, Replicas: s.Replicas, Silent: s.Silent, Unheard: s.Unheard}
	}
	opts.HostToken = r.tokenIn(common.ID)
	opts.OperatorToken = opts.operatorToken(common.Secret, common.ID)
	if err := r.checkSealShared(); err != nil {
		return err
	}
	if err := r.seal("cluster", common.ID); err != nil {
		return err
	}
	file, err := r.openHistory()
	if err != nil {
		return err
	}
	r.Server, err = relay.NewShared(context.Background(), c, file, opts.Options)
	if errors.Is(err, history.ErrOtherRoom) {
		return fmt.Errorf("%w\nhint: choose another file with --history; the relay fills it", err)
	}
	if err != nil {
		return hint.Add(err, cluster.Remedies)
	}
	return nil
}

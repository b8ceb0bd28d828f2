package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"chat/relay/history"
	"chat/relay/internal/clock"
	"chat/relay/internal/replica"
	"chat/relay/internal/room"
	"chat/relay/journal"
)

// A sharing is what a Server of a shared room has besides that of others: its part in the journal.
type sharing struct {
	server  *Server
	journal journal.Journal
	replica *replica.Replica
	stop    context.CancelFunc
	ended   chan struct{}           // closed when all goroutines have ended
	works   context.Context         // ends when the journal cannot be read any more; its cause says why
	fail    context.CancelCauseFunc // ends works

	mu     sync.Mutex
	relays []journal.Relay      // those that live; guarded by mu, as below
	away   map[string]time.Time // relays with members that do not live, and since when
	slowAt time.Time            // when a slow journal was logged
}

const (
	// goneAfter is how long the members of a relay that does not live any more have to come to another one, until the
	// room announces that they have left.
	goneAfter = 5 * time.Second

	// settleTime is how long a room that closes waits until its members' requests are in the journal.
	settleTime = 2 * time.Second
)

// NewShared returns a server for a room that several relays serve, together: opts.Room, opts.Title and opts.Secret
// are the same for all of them. It reads the journal to its end first, until ctx ends. The error is that of reading it.
func NewShared(ctx context.Context, j journal.Journal, opts Options) (*Server, error) {
	s := newServer(opts)
	end, err := j.End(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the cluster's journal: %w", err)
	}
	p := &sharing{
		server: s, journal: j, replica: replica.New(j, 0, s.opts.Log),
		ended: make(chan struct{}), away: make(map[string]time.Time),
	}
	p.works, p.fail = context.WithCancelCause(context.Background())
	s.sharing = p
	s.log = history.NewOrdered(s.opts.History, s.fanout.Wake, p.replica, 1)
	s.room = room.NewShared(s.roomOptions(), s.log, p.replica)
	s.connectParts()
	p.start()
	select {
	case <-p.replica.WhenAt(end):
		return s, nil
	case <-p.works.Done():
		err = context.Cause(p.works)
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.end()
	return nil, fmt.Errorf("read the cluster's journal: %w", err)
}

// Relay returns the ID of this relay of a shared room; "" if one host has the room.
func (s *Server) Relay() string {
	if s.sharing == nil {
		return ""
	}
	return s.sharing.journal.Relay()
}

// start starts the goroutines that read and append, and say that this relay lives.
func (p *sharing) start() {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	var tasks sync.WaitGroup
	tasks.Go(func() {
		if err := p.replica.Run(ctx, p.server.room, p); err != nil {
			p.fail(err)
		}
	})
	tasks.Go(func() {
		p.journal.Announce(ctx, journal.Relay{ID: p.journal.Relay(), Addrs: p.addrs()}, p.setRelays)
	})
	tasks.Go(func() { p.watchRelays(ctx) })
	go func() {
		tasks.Wait()
		close(p.ended)
	}()
}

// addrs returns the addresses at which clients reach this relay.
func (p *sharing) addrs() []string {
	if p.server.opts.Ways == nil {
		return nil
	}
	return p.server.opts.Ways()
}

// end ends the goroutines and waits for them.
func (p *sharing) end() {
	p.stop()
	<-p.ended
}

// close waits for the requests that are on their way, and ends. The error says that some may be lost.
func (p *sharing) close() error {
	if p == nil {
		return nil
	}
	defer p.end()
	select {
	case <-p.replica.WhenSettled(p.replica.Last()):
		return nil
	case <-p.works.Done():
		return fmt.Errorf("read the cluster's journal: %w", context.Cause(p.works))
	case <-time.After(settleTime):
		return errors.New("the cluster does not answer; the last messages may not be in the room")
	}
}

func (p *sharing) setRelays(relays []journal.Relay) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.relays = relays
}

// watchRelays announces that the members of relays that are gone have left.
func (p *sharing) watchRelays(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if p.isFirst() {
				p.server.room.Gone(p.lives, clock.Now())
			}
		case <-ctx.Done():
			return
		}
	}
}

// isFirst reports whether this relay is the one that speaks for those that are gone.
func (p *sharing) isFirst() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.relays) > 0 && slices.MinFunc(p.relays, func(a, b journal.Relay) int { return strings.Compare(a.ID, b.ID) }).ID == p.journal.Relay()
}

// lives reports whether a relay lives, or has not been gone for long.
func (p *sharing) lives(relay string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.ContainsFunc(p.relays, func(r journal.Relay) bool { return r.ID == relay }) {
		delete(p.away, relay)
		return true
	}
	since, ok := p.away[relay]
	if !ok {
		since = time.Now()
		p.away[relay] = since
	}
	return time.Since(since) < goneAfter
}

// Failing implements [replica.Owner].
func (p *sharing) Failing() {
	p.server.opts.Log.Error("the cluster does not answer; messages are rejected until it does")
}

// Recovered implements [replica.Owner].
func (p *sharing) Recovered() { p.server.opts.Log.Warn("the cluster answers again") }

// Slow implements [replica.Owner].
func (p *sharing) Slow() {
	p.mu.Lock()
	isNews := time.Since(p.slowAt) >= time.Minute
	if isNews {
		p.slowAt = time.Now()
	}
	p.mu.Unlock()
	if isNews {
		p.server.opts.Log.Warn("waiting for the cluster; messages wait, too")
	}
	p.server.room.NotifySlow("waiting for the cluster; messages wait until it has stored them", clock.Now())
}

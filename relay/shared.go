package relay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chat/relay/history"
	"chat/relay/internal/clock"
	"chat/relay/internal/replica"
	"chat/relay/internal/room"
	"chat/relay/journal"
	"chat/relay/wire"
)

// A sharing connects the Server of a shared room with the journal.
type sharing struct {
	server  *Server
	journal journal.Journal
	replica *replica.Replica
	context context.Context // ends when the goroutines should end, by stop
	stop    context.CancelFunc
	tasks   sync.WaitGroup          // the goroutines
	ended   chan struct{}           // closed when all goroutines have ended
	works   context.Context         // ends when the journal cannot be read any more; its cause says why
	fail    context.CancelCauseFunc // ends works

	catchingUp chan struct{} // has one element for each CatchUp that asks the journal

	mu     sync.Mutex
	relays []journal.Relay      // those that live; guarded by mu, as below
	away   map[string]time.Time // relays with members that do not live, and since when
	slowAt time.Time            // when a slow journal was logged

	records atomic.Uint64 // that were carried out

	snapshots snapshots // owned by the goroutine that reads the journal
}

const (
	// goneAfter is how long the members of a relay that does not live any more have to come to another one, until the
	// room announces that they have left.
	goneAfter = 5 * time.Second

	// settleTime is how long a room that closes waits until its members' requests are in the journal.
	settleTime = 2 * time.Second

	// catchUpTime is how long a client waits at a relay that lags after its last one, and maxCatchUps for how many
	// clients at a time a relay asks the journal how far it lags.
	catchUpTime = 2 * time.Second
	maxCatchUps = 16
)

// NewShared returns a server for a room that several relays serve, together: opts.Room, opts.Title and opts.Secret
// are the same for all of them. f keeps a copy of the room; nil: there is none, and this relay has only the last events,
// in memory. Close f after Serve has returned. NewShared reads the journal to its end first, until ctx ends. The error is
// that of reading it or f, or wraps history.ErrOtherRoom.
func NewShared(ctx context.Context, j journal.Journal, f *history.File, opts Options) (*Server, error) {
	s := newServer(opts)
	p := &sharing{server: s, journal: j, ended: make(chan struct{}), catchingUp: make(chan struct{}, maxCatchUps), away: make(map[string]time.Time)}
	p.works, p.fail = context.WithCancelCause(context.Background())
	s.sharing = p
	if err := p.open(ctx, f); err != nil {
		return nil, err
	}
	end, err := j.End(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the cluster's journal: %w", err), s.log.Close())
	}
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
	return nil, errors.Join(fmt.Errorf("read the cluster's journal: %w", err), s.log.Close())
}

// open opens the log and the room: as the copy in f has them, if it is not nil, or else as of the last snapshot.
func (p *sharing) open(ctx context.Context, f *history.File) error {
	s := p.server
	if f != nil {
		if err := f.Join(s.opts.Room, s.opts.Secret); err != nil {
			return err
		}
		position, err := f.Position()
		if err != nil {
			return err
		}
		fold, err := room.NewSharedFold(f.Records)
		if err != nil {
			return err
		}
		p.replica = replica.New(p.journal, position, s.opts.Log)
		if s.log, err = history.NewOrderedOn(f, s.opts.History, s.fanout.Wake, p.replica, fold, s.opts.Log); err != nil {
			return err
		}
		s.room = room.NewShared(s.roomOptions(), s.log, p.replica, fold)
		return nil
	}
	position, data, err := p.journal.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("read the room's state from the cluster: %w", err)
	}
	fold, next, err := room.ReadSnapshot(data)
	if err != nil {
		return err
	}
	p.replica = replica.New(p.journal, position, s.opts.Log)
	s.log = history.NewOrdered(s.opts.History, s.fanout.Wake, p.replica, next)
	s.room = room.NewShared(s.roomOptions(), s.log, p.replica, fold)
	return nil
}

// Snapshots are taken every snapshotEvents, not more often than every snapshotEvery. The journal keeps the last but one, so
// that a relay without a history that is started has that many events.
const (
	snapshotEvents = 10_000
	snapshotEvery  = 10 * time.Second
)

// snapshots are those of the room's state that a relay has taken.
type snapshots struct {
	last     *room.Snapshot // nil: none yet
	position uint64         // of last
	taken    time.Time      // when last was taken
	saving   chan struct{}  // closed when the one before it is saved; nil: none was
}

// Carried implements [replica.Owner]. It takes a snapshot from time to time; the first relay saves it.
func (p *sharing) Carried(position uint64) {
	p.records.Add(1)
	s := &p.snapshots
	next := p.server.log.Next()
	if s.last != nil && (next < s.last.Next()+snapshotEvents || time.Since(s.taken) < snapshotEvery) {
		return
	}
	if s.last == nil && next < snapshotEvents || s.saving != nil && !isClosed(s.saving) {
		return
	}
	before, at := s.last, s.position
	s.last, s.position, s.taken = p.server.room.Snapshot(), position, time.Now()
	if before == nil || !p.isFirst() {
		return
	}
	saving := make(chan struct{})
	s.saving = saving
	p.tasks.Go(func() {
		defer close(saving)
		if err := p.journal.SaveSnapshot(p.context, at, before.Encode()); err != nil && p.context.Err() == nil {
			p.server.opts.Log.Warn("cannot save the room's state in the cluster; relays take longer to start", "error", err)
		}
	})
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
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
	p.context, p.stop = ctx, stop
	tasks := &p.tasks
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

// CatchUp waits until the room has the event with the ID last, which a client has received, if this relay of a shared room
// may lag behind the one that the client was at. It returns when ended is closed. If this relay cannot find out within
// catchUpTime what it lacks, the error is a [*wire.Fault]; the client should go to another relay. Otherwise an ID that the room does not have is from
// another log.
func (s *Server) CatchUp(last uint64, ended <-chan struct{}) error {
	p := s.sharing
	if p == nil || last < s.log.Next() {
		return nil
	}
	ctx, cancel := context.WithTimeout(p.context, catchUpTime)
	defer cancel()
	select {
	case p.catchingUp <- struct{}{}:
		defer func() { <-p.catchingUp }()
		if end, err := p.journal.End(ctx); err == nil {
			select {
			case <-p.replica.WhenAt(end):
				return nil
			case <-ended:
			case <-ctx.Done():
			}
		}
	case <-ended:
	case <-ctx.Done():
	}
	return wire.Faultf(wire.CodeNotRead, "this relay lags; join another relay of the room, or try again")
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
	case <-p.works.Done():
	case <-time.After(settleTime):
		return errors.New("the cluster does not answer; the last messages may not be in the room")
	}
	if err := context.Cause(p.works); err != nil { // even if nothing is on its way
		return fmt.Errorf("read the cluster's journal: %w", err)
	}
	return nil
}

// setRelays notes which relays live, and sends clients the new list if their addresses have changed.
func (p *sharing) setRelays(relays []journal.Relay) {
	before := p.relayAddrs()
	p.mu.Lock()
	p.relays = relays
	p.mu.Unlock()
	if !slices.Equal(before, p.relayAddrs()) {
		p.server.relaysChanged()
	}
}

// relayAddrs returns the addresses of the relays that live, the best one of each first.
func (p *sharing) relayAddrs() (addrs []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sorted := slices.SortedFunc(slices.Values(p.relays), func(a, b journal.Relay) int { return strings.Compare(a.ID, b.ID) })
	for place, found := 0, true; found && len(addrs) < wire.MaxRelays; place++ {
		found = false
		for _, r := range sorted {
			if place < len(r.Addrs) {
				addrs, found = append(addrs, r.Addrs[place]), true
			}
		}
	}
	return addrs
}

// watchRelays announces that the members of relays that are gone have left, and notifies the members of this one of the cluster's state.
func (p *sharing) watchRelays(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.notifyMembers()
			if p.isFirst() {
				p.server.room.Gone(p.lives, clock.Now())
			}
		case <-ctx.Done():
			return
		}
	}
}

// isFirst reports whether this relay acts for relays that are gone.
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
		p.server.opts.Log.Info("waiting for the cluster; messages wait, too") // routine: a server was restarted
	}
	p.notifyStalled()
}

func (p *sharing) notifyStalled() {
	p.server.room.NotifyStalled("waiting for the cluster; messages wait until it has stored them", clock.Now())
}

// resumedAfter is how long no request may have waited when members are notified that messages wait no more. A request that
// Slow is called for has waited longer.
const resumedAfter = 500 * time.Millisecond

// notifyMembers notifies the members that the cluster does not answer, also if no one has sent anything, and that it does again.
func (p *sharing) notifyMembers() {
	switch _, wait := p.replica.Waiting(); {
	case context.Cause(p.works) != nil: // the room closes
	case p.problem() != "":
		p.notifyStalled()
	case wait < resumedAfter:
		p.server.room.NotifyResumed("the cluster stores messages again")
	}
}

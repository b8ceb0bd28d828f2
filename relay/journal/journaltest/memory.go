// Package journaltest has a journal in memory, for tests.
package journaltest

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"time"

	"chat/relay/journal"
)

// A Store keeps the records that its relays share.
type Store struct {
	mu       sync.Mutex
	records  []journal.Record         // guarded by mu, as all below
	grown    chan struct{}            // closed when there are more records, or the relays have changed
	lives    map[string]journal.Relay // by ID
	down     bool                     // nothing can be appended
	ahead    time.Duration            // how far the clock of the store is ahead
	position uint64                   // of snapshot
	snapshot []byte
}

// New returns an empty store.
func New() *Store {
	return &Store{grown: make(chan struct{}), lives: make(map[string]journal.Relay)}
}

// SetDown makes the store take no records, or take them again.
func (s *Store) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
	s.changedLocked()
}

// SetAhead sets how far the clock of the store is ahead of the relays' ones.
func (s *Store) SetAhead(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead = d
}

func (s *Store) changedLocked() {
	close(s.grown)
	s.grown = make(chan struct{})
}

// Relay returns the journal of another relay.
func (s *Store) Relay() *Relay { return &Relay{store: s, id: rand.Text()[:8]} }

// Records returns all records so far.
func (s *Store) Records() []journal.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

// A Relay is the journal of one relay.
type Relay struct {
	store *Store
	id    string

	mu      sync.Mutex
	latency time.Duration // of each append and of each read; guarded by mu, as below
	cut     chan struct{} // not nil: the journal cannot be read, until it is closed
}

var _ journal.Journal = (*Relay)(nil)

// SetLatency sets how long each append and each read takes from now on.
func (r *Relay) SetLatency(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latency = d
}

// SetCut cuts this relay off from the journal, or connects it again: it can read nothing.
func (r *Relay) SetCut(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut != nil {
		close(r.cut)
		r.cut = nil
	}
	if cut {
		r.cut = make(chan struct{})
	}
}

// awaitLink waits until this relay is connected to the journal. It returns ctx's error if that ends before.
func (r *Relay) awaitLink(ctx context.Context) error {
	r.mu.Lock()
	cut := r.cut
	r.mu.Unlock()
	if cut == nil {
		return nil
	}
	select {
	case <-cut:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Relay) pause(ctx context.Context) {
	r.mu.Lock()
	d := r.latency
	r.mu.Unlock()
	if d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
}

// Relay implements [journal.Journal].
func (r *Relay) Relay() string { return r.id }

// Append implements [journal.Journal].
func (r *Relay) Append(ctx context.Context, data []byte) error {
	r.pause(ctx)
	for {
		r.store.mu.Lock()
		if err := ctx.Err(); err != nil {
			r.store.mu.Unlock()
			return err
		}
		if !r.store.down {
			break
		}
		grown := r.store.grown
		r.store.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
		}
	}
	s := r.store
	s.records = append(s.records, journal.Record{Position: uint64(len(s.records) + 1), Relay: r.id, Time: time.Now().Add(s.ahead), Data: slices.Clone(data)})
	s.changedLocked()
	s.mu.Unlock()
	r.pause(ctx)
	return nil
}

// Read implements [journal.Journal].
func (r *Relay) Read(ctx context.Context, after uint64, receive func(journal.Record) error) error {
	for ctx.Err() == nil {
		r.store.mu.Lock()
		records, grown := r.store.records[min(after, uint64(len(r.store.records))):], r.store.grown
		r.store.mu.Unlock()
		if len(records) == 0 {
			select {
			case <-grown:
			case <-ctx.Done():
			}
			continue
		}
		r.pause(ctx)
		for _, record := range records {
			if r.awaitLink(ctx) != nil || ctx.Err() != nil {
				return nil
			}
			if err := receive(record); err != nil {
				return err
			}
			after = record.Position
		}
	}
	return nil
}

// End implements [journal.Journal].
func (r *Relay) End(ctx context.Context) (uint64, error) {
	if err := r.awaitLink(ctx); err != nil {
		return 0, err
	}
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	return uint64(len(r.store.records)), nil
}

// SaveSnapshot implements [journal.Journal].
func (r *Relay) SaveSnapshot(_ context.Context, position uint64, data []byte) error {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.store.position, r.store.snapshot = position, slices.Clone(data)
	return nil
}

// Snapshot implements [journal.Journal].
func (r *Relay) Snapshot(context.Context) (uint64, []byte, error) {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	return r.store.position, slices.Clone(r.store.snapshot), nil
}

// Announce implements [journal.Journal].
func (r *Relay) Announce(ctx context.Context, self journal.Relay, changed func([]journal.Relay)) {
	s := r.store
	s.mu.Lock()
	s.lives[r.id] = self
	s.changedLocked()
	s.mu.Unlock()
	var before []string
	for ctx.Err() == nil {
		s.mu.Lock()
		ids, grown := slices.Sorted(maps.Keys(s.lives)), s.grown
		var relays []journal.Relay
		for _, id := range ids {
			relays = append(relays, s.lives[id])
		}
		s.mu.Unlock()
		if !slices.Equal(ids, before) {
			before = ids
			changed(relays)
		}
		select {
		case <-grown:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lives, r.id)
	s.changedLocked()
}

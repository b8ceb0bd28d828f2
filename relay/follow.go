package relay

import (
	"context"
	"errors"
	"fmt"
	"net"

	"chat/relay/history"
)

// A Follower reads what is said to all without being in the room, as programs get it.
// It is not safe for concurrent use.
type Follower struct {
	server *Server
	cursor history.Cursor
	woken  chan struct{} // capacity 1
}

// Follow returns a follower that begins behind the id since (0: with the backlog of a
// newcomer). Of what was before now it gets only what was said.
func (s *Server) Follow(since uint64) (*Follower, error) {
	from := since + 1
	if since == 0 {
		var err error
		if from, err = s.history.Back(s.opts.Backlog); err != nil {
			return nil, err
		}
	}
	live := s.history.Next()
	view := history.View{Format: history.JSON, Echo: true}
	return &Follower{server: s, cursor: s.history.Cursor(min(from, live), live, view), woken: make(chan struct{}, 1)}, nil
}

// Next returns the next lines, in slices that hold whole lines and must not be written to, none where there
// are none yet. missed is how many events the host does not keep any more. It may read from
// disk; the error is that of the disk.
func (f *Follower) Next() (runs [][]byte, missed uint64, err error) {
	runs, missed, behind := f.cursor.Next(nil)
	if !behind {
		return runs, missed, nil
	}
	fetched, more, err := f.cursor.Fetch(runs)
	if errors.Is(err, history.ErrDamaged) { // and counted
		f.server.opts.Log.Error("what is asked for cannot be read", "error", err)
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("read what was said: %w", err)
	}
	return fetched, missed + more, err
}

// Wait returns when there may be more: nil, or the error of ctx.
func (f *Follower) Wait(ctx context.Context) error {
	if !f.cursor.Wait(f) {
		return nil
	}
	select {
	case <-f.woken:
		return nil
	case <-ctx.Done():
		f.server.history.Forget(f)
		return ctx.Err()
	}
}

// wake is for the fanout.
func (f *Follower) wake() {
	select {
	case f.woken <- struct{}{}:
	default: // it waits no more
	}
}

// Bans reports whether nobody from this address may come in.
func (s *Server) Bans(addr net.Addr) bool {
	address := addressOf(addr)
	return address != "" && s.room.isBanned(address)
}

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
	for {
		runs, more, behind := f.cursor.Next(nil)
		missed += more
		if !behind {
			return runs, missed, nil
		}
		runs, more, err := f.cursor.Fetch(runs)
		missed += more
		if errors.Is(err, history.ErrDamaged) { // and counted
			f.server.opts.Log.Error("what is asked for cannot be read", "error", err)
			err = nil
		}
		switch {
		case err != nil:
			return nil, missed, fmt.Errorf("read what was said: %w", err)
		case len(runs) > 0 || f.server.isOver():
			return runs, missed, nil
		}
		// All that was read is left out, as who came and went long ago is: there is more behind it.
	}
}

// errOver ends the waiting of followers.
var errOver = errors.New("the room closes")

func (s *Server) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// Wait returns when there may be more: nil, or the error of ctx, or one when the room closes.
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
	case <-f.server.over: // ctx may not end with the connection: net/http looks at that only while no byte more comes
		f.server.history.Forget(f)
		return errOver
	}
}

// wake is for the fanout.
func (f *Follower) wake() {
	select {
	case f.woken <- struct{}{}:
	default: // it waits no more
	}
}

// MaxLine returns how many bytes a line of a program has at most, and so what else says something.
func (s *Server) MaxLine() int { return s.opts.MaxJSONLine }

// Bans reports whether nobody from this address may come in.
func (s *Server) Bans(addr net.Addr) bool {
	address := addressOf(addr)
	return address != "" && s.room.isBanned(address)
}

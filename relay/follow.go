package relay

import (
	"context"
	"errors"
	"fmt"

	"chat/relay/history"
	"chat/relay/internal/fanout"
)

// A Follower reads the log without being in the room: the events that are for everyone, as
// JSON lines. It is not safe for concurrent use.
type Follower struct {
	server *Server
	cursor history.Cursor
	woken  chan struct{} // capacity 1
}

// Follow returns a follower that begins after the ID since (0: with the backlog of a new
// member). Of the events before now it gets messages only.
func (s *Server) Follow(since uint64) (*Follower, error) {
	from := since + 1
	if since == 0 {
		var err error
		if from, err = s.log.Back(s.opts.Backlog); err != nil {
			return nil, err
		}
	}
	live := s.log.Next()
	view := history.View{Format: history.JSON, Echo: true}
	return &Follower{server: s, cursor: s.log.Cursor(min(from, live), live, view), woken: make(chan struct{}, 1)}, nil
}

// Next returns the next lines, in slices that hold whole lines and must not be written to;
// none if there are none yet. missed is how many events the host no longer keeps. It may
// read from disk; the error is that of the disk.
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
			f.server.opts.Log.Error("cannot read a part of the history", "error", err)
			err = nil
		}
		switch {
		case err != nil:
			return nil, missed, fmt.Errorf("read the history: %w", err)
		case len(runs) > 0 || f.server.isOver():
			return runs, missed, nil
		}
		// Everything that was read is left out, like old joins and leaves: there is more after it.
	}
}

// errOver ends the waiting of followers.
var errOver = errors.New("the room is closing")

// Wait returns nil when there may be more lines, the error of ctx, or an error when the room closes.
func (f *Follower) Wait(ctx context.Context) error {
	if !f.cursor.Wait(f) {
		return nil
	}
	select {
	case <-f.woken:
		return nil
	case <-ctx.Done():
		f.server.log.Forget(f)
		return ctx.Err()
	case <-f.server.over: // ctx may not end with the connection: net/http looks at that only while no byte more comes
		f.server.log.Forget(f)
		return errOver
	}
}

// Begin implements [fanout.Target]: it ends Wait. A follower writes nothing by the fanout.
func (f *Follower) Begin() bool {
	select {
	case f.woken <- struct{}{}:
	default: // it does not wait any more
	}
	return false
}

// WriteSome implements [fanout.Target]. It is never called.
func (f *Follower) WriteSome(*fanout.Writer) bool { return false }

package relay

import (
	"context"
	"errors"
	"fmt"

	"chat/relay/history"
	"chat/relay/internal/fanout"
)

// A Follower reads the log without being a member: the events for everyone, as JSON lines.
// It is owned by the goroutine that calls Next and Wait; the fanout's workers call Begin.
type Follower struct {
	server *Server
	cursor history.Cursor
	woken  chan struct{} // capacity 1; sent to by Begin
}

// Follow returns a follower that starts after the ID since; 0 means with the backlog of a
// new member. Of the events before now it returns only messages.
func (s *Server) Follow(since uint64) (*Follower, error) {
	if since > 0 {
		return s.FollowFrom(since + 1), nil
	}
	from, err := s.log.Back(s.opts.Backlog)
	if err != nil {
		return nil, err
	}
	return s.FollowFrom(from), nil
}

// FollowFrom returns a follower that starts at the ID from, or at the first event that the host
// keeps.
func (s *Server) FollowFrom(from uint64) *Follower {
	live := s.log.Next()
	view := history.View{Format: history.JSON, Echo: true}
	return &Follower{server: s, cursor: s.log.Cursor(min(from, live), live, view), woken: make(chan struct{}, 1)}
}

// Next returns the next lines, or none if there are none yet. Each slice has whole lines
// and must not be modified. missed is the number of events before them that the host no
// longer keeps. Next may read from disk; the error is the disk's.
func (f *Follower) Next() (runs [][]byte, missed uint64, err error) {
	for {
		runs, more, behind := f.cursor.Next(nil)
		missed += more
		if !behind {
			return runs, missed, nil
		}
		runs, more, err := f.cursor.Fetch(runs)
		missed += more
		if errors.Is(err, history.ErrDamaged) { // missed counts the damaged events
			f.server.opts.Log.Error("cannot read a part of the history", "error", err)
			err = nil
		}
		switch {
		case err != nil:
			return nil, missed, fmt.Errorf("read the history: %w", err)
		case len(runs) > 0 || f.server.isClosing():
			return runs, missed, nil
		}
		// Nothing that was read is for this reader, such as old joins and leaves: continue after it.
	}
}

// errClosing is the error of [Follower.Wait] when the room closes.
var errClosing = errors.New("the room is closing")

// Wait waits for more lines. It returns the error of ctx if that ends first, or an error if
// the room closes.
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
	case <-f.server.closing: // ctx is not enough: net/http cancels it only if the client sends nothing more
		f.server.log.Forget(f)
		return errClosing
	}
}

// Begin implements [fanout.Target]: it wakes Wait. The fanout writes nothing for a follower.
func (f *Follower) Begin() bool {
	select {
	case f.woken <- struct{}{}:
	default: // it is awake already
	}
	return false
}

// WriteSome implements [fanout.Target]. It is never called.
func (f *Follower) WriteSome(*fanout.Writer) bool { return false }

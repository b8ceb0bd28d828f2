package history

import (
	"time"

	"chat/relay/wire"
)

// This file is the log of a room that several relays serve: its events come in an order that all of them share.

// A Queue has the requests of this relay that are on their way into the log. Tickets are given in order, from 1 on.
type Queue interface {
	// Settled reports whether the request with a ticket, and all before it, are in the log or were rejected.
	Settled(ticket uint64) bool

	// WhenSettled returns a channel that is closed once Settled is true for ticket.
	WhenSettled(ticket uint64) <-chan struct{}

	// Full returns nil, or, while too many requests wait, a channel that is closed once there may be more.
	Full() <-chan struct{}

	// Waiting returns how many requests wait, and for how long nothing was settled although some did.
	Waiting() (requests int, since time.Duration)
}

// NewOrdered returns an empty log whose first event gets the ID next. Its events are put into it by [Log.Put], in the
// order of the relays; queue has this relay's own that are not in it yet. wake is as in [New].
func NewOrdered(limits Limits, wake func(waiters []Waiter), queue Queue, next uint64) *Log {
	l := New(limits, wake)
	l.queue, l.next = queue, next
	l.blocks[0].first = next
	return l
}

// Put adds e to the end of a log of [NewOrdered], and gives it its ID. Its time becomes that which a file gives
// back. Waiters are woken by [Log.Wake].
func (l *Log) Put(e *wire.Event, by Origin) {
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.appendLocked(e, by, nil)
}

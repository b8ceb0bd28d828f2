// Package replica connects a room with the journal that its relays share. Each relay is a replica of the room: it
// appends its members' requests to the journal, and carries out those of all relays, in the journal's order.
package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chat/relay/internal/progress"
	"chat/relay/journal"
)

// A Room carries out requests. Its methods are called from the replica's goroutines.
type Room interface {
	// Carry carries out the requests of a record, in order. own has those of this relay as they were
	// proposed, if it was this process that did; nil: they are another relay's.
	Carry(record journal.Record, requests [][]byte, own []Proposal)

	// Failed is called when the journal has not answered for so long that members should not wait any more:
	// rejected are their messages that wait, some of which may still get into the journal. Until Recovered, Propose
	// rejects messages.
	Failed(rejected []Proposal)
}

// An Owner is notified when the journal is slow, fails or recovers.
type Owner interface {
	// Recovered is called when the journal answers again.
	Recovered()

	// Slow is called when the journal has not answered for a second.
	Slow()

	// Failing is called before Room.Failed.
	Failing()

	// Carried is called when a record was carried out.
	Carried(position uint64)
}

// A Proposal is a request on its way into the journal.
type Proposal struct {
	Request []byte
	Ticket  uint64
	Sender  any    // the room's; the replica does not look at it
	Message bool   // a member wrote it, and can send it again
	Seq     uint64 // of a message: its number, or 0
	Text    string // of a message
	Unsure  bool   // of a rejected one: it may be in the journal, or still get there
}

const (
	// maxWaiting is how many requests may wait before members who send more have to wait.
	maxWaiting = 4096

	// maxWaitingBytes is likewise how many bytes they may have.
	maxWaitingBytes = 1 << 20

	// maxHeld is how many requests that are no messages are held while the journal does not answer. After that,
	// Propose returns an error.
	maxHeld = 20_000

	// slowAfter is how long the journal may take until members are notified, failAfter until their messages are
	// rejected. A cluster that lost its leader needs 4 to 11 s.
	slowAfter = time.Second
	failAfter = 15 * time.Second

	// recordFormat is the first byte of each record.
	recordFormat = 1
)

// ErrUnreachable is why a request is rejected: the journal does not answer.
var ErrUnreachable = errors.New("the cluster does not answer")

// ErrFormat says that a record was written by a newer version of the program, or by another one.
var ErrFormat = errors.New("a record has an unknown format")

// A Replica proposes requests and reads those of all relays. It implements history.Queue.
type Replica struct {
	// fixed
	journal journal.Journal
	log     *slog.Logger
	room    Room  // set before Run
	owner   Owner // likewise
	wake    chan struct{}

	mu         sync.Mutex
	waiting    []Proposal       // in the order of their tickets; guarded by mu, as all below
	bytes      int              // of the requests in waiting
	flying     []Proposal       // in records that were appended, or are being, and have not been read yet
	tickets    uint64           // the last one given
	settled    uint64           // all tickets up to this one were carried out or rejected
	since      time.Time        // when something was settled last, or the first began to wait; zero: nothing waits
	waiters    progress.Waiters // of tickets
	spaceFreed chan struct{}
	failing    bool
	held       int              // in waiting; counted while failing
	appending  time.Time        // when the Append that runs began; zero: none does
	position   uint64           // of the last record that was carried out
	reached    progress.Waiters // of positions
}

// New returns a replica of the journal from position on: its room has carried out the records up to there.
func New(j journal.Journal, position uint64, log *slog.Logger) *Replica {
	return &Replica{journal: j, position: position, log: log, wake: make(chan struct{}, 1)}
}

// Relay returns the ID of this relay.
func (r *Replica) Relay() string { return r.journal.Relay() }

// Position returns the position of the last record that was carried out.
func (r *Replica) Position() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.position
}

// Propose appends a request to the journal, in time, and returns its ticket. The error is ErrUnreachable.
func (r *Replica) Propose(p Proposal) (ticket uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing {
		if p.Message || r.held >= maxHeld {
			return 0, ErrUnreachable
		}
		r.held++
	}
	if r.tickets == r.settled {
		r.since = time.Now()
	}
	r.tickets++
	p.Ticket = r.tickets
	r.waiting = append(r.waiting, p)
	r.bytes += len(p.Request)
	if len(r.waiting) == 1 {
		r.wakeAppender()
	}
	return p.Ticket, nil
}

// Last returns the ticket of the last proposal.
func (r *Replica) Last() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tickets
}

func (r *Replica) wakeAppender() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Settled implements history.Queue.
func (r *Replica) Settled(ticket uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return ticket <= r.settled
}

// WhenSettled implements history.Queue.
func (r *Replica) WhenSettled(ticket uint64) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiters.When(ticket, r.settled)
}

// Full implements history.Queue.
func (r *Replica) Full() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) < maxWaiting && r.bytes < maxWaitingBytes || r.failing {
		return nil
	}
	if r.spaceFreed == nil {
		r.spaceFreed = make(chan struct{})
	}
	return r.spaceFreed
}

// Waiting implements history.Queue.
func (r *Replica) Waiting() (requests int, since time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	requests = len(r.waiting) + len(r.flying)
	if !r.since.IsZero() {
		since = time.Since(r.since)
	}
	return requests, since
}

// IsFailing reports whether messages are rejected because the journal does not answer.
func (r *Replica) IsFailing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failing
}

// Run reads the journal and appends to it until ctx ends, and returns nil, or why the journal cannot be read any
// more. Requests that were proposed, but not appended by then, are lost.
func (r *Replica) Run(ctx context.Context, room Room, owner Owner) error {
	r.room, r.owner = room, owner
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var tasks sync.WaitGroup
	tasks.Go(func() { r.appendAll(ctx) })
	tasks.Go(func() { r.watch(ctx) })
	err := r.journal.Read(ctx, r.Position(), r.receive)
	cancel()
	tasks.Wait()
	return err
}

// appendAll appends what waits, one record at a time.
func (r *Replica) appendAll(ctx context.Context) {
	for {
		data := r.nextRecord()
		if data == nil {
			select {
			case <-r.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		if err := r.journal.Append(ctx, data); err != nil {
			if ctx.Err() == nil {
				r.log.Error("the cluster does not take a record", "error", err)
			}
			return
		}
		r.appended()
	}
}

// nextRecord packs what waits, as much as a record has, and moves it to flying. nil: nothing waits.
func (r *Replica) nextRecord() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return nil
	}
	n, size := 0, 0
	for ; n < len(r.waiting) && (n == 0 || size+len(r.waiting[n].Request)+4 <= journal.MaxRecord-16); n++ {
		size += len(r.waiting[n].Request) + 4
	}
	batch := r.waiting[:n:n]
	r.flying = append(r.flying, batch...)
	r.waiting = slices.Clone(r.waiting[n:])
	r.bytes = 0
	for _, p := range r.waiting {
		r.bytes += len(p.Request)
	}
	if r.spaceFreed != nil {
		close(r.spaceFreed)
		r.spaceFreed = nil
	}
	r.appending = time.Now()
	return appendRecord(make([]byte, 0, size+16), batch)
}

// appended notes that a record is stored.
func (r *Replica) appended() {
	r.mu.Lock()
	r.appending = time.Time{}
	recovered := r.failing
	r.failing, r.held = false, 0
	r.mu.Unlock()
	if recovered {
		r.owner.Recovered()
	}
}

// watch notifies the room when the journal does not answer.
func (r *Replica) watch(ctx context.Context) {
	ticker := time.NewTicker(slowAfter / 4)
	defer ticker.Stop()
	var slow time.Time // the append that was reported as slow
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		r.mu.Lock()
		began := r.appending
		r.mu.Unlock()
		switch took := time.Since(began); {
		case began.IsZero():
		case took >= failAfter:
			r.fail()
		case took >= slowAfter && began != slow:
			slow = began
			r.owner.Slow()
		}
	}
}

// fail rejects the messages that wait, if that has not happened.
func (r *Replica) fail() {
	r.mu.Lock()
	if r.failing {
		r.mu.Unlock()
		return
	}
	r.failing = true
	var rejected []Proposal
	for _, p := range r.flying {
		if p.Message {
			p.Unsure = true
			rejected = append(rejected, p)
		}
	}
	r.waiting = slices.DeleteFunc(r.waiting, func(p Proposal) bool {
		if p.Message {
			rejected = append(rejected, p)
			r.bytes -= len(p.Request)
		}
		return p.Message
	})
	r.held = len(r.waiting)
	if r.spaceFreed != nil {
		close(r.spaceFreed)
		r.spaceFreed = nil
	}
	r.mu.Unlock()
	r.owner.Failing()
	r.room.Failed(rejected)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settleLocked() // not earlier: rejected messages would seem to be in the log
}

// receive carries out a record.
func (r *Replica) receive(record journal.Record) error {
	requests, last, err := ParseRecord(record.Data)
	if err != nil {
		return fmt.Errorf("record %d: %w", record.Position, err)
	}
	var own []Proposal
	if record.Relay == r.journal.Relay() {
		own = r.proposed(last)
	}
	r.room.Carry(record, requests, own)
	r.carried(record.Position, own)
	r.owner.Carried(record.Position)
	return nil
}

// proposed returns the proposals in flying up to a ticket.
func (r *Replica) proposed(last uint64) []Proposal {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for n < len(r.flying) && r.flying[n].Ticket <= last {
		n++
	}
	return r.flying[:n:n]
}

// carried notes that the records up to a position were carried out, with these proposals.
func (r *Replica) carried(position uint64, own []Proposal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.position = position
	r.reached.Reach(position)
	if len(own) > 0 {
		r.flying = r.flying[len(own):]
		r.settleLocked()
	}
}

// settleLocked notes that all tickets before the first one in flying or waiting were carried out or rejected, and
// closes the channels that wait for them.
func (r *Replica) settleLocked() {
	switch {
	case len(r.flying) > 0:
		r.settled = r.flying[0].Ticket - 1
	case len(r.waiting) > 0:
		r.settled = r.waiting[0].Ticket - 1
	default:
		r.settled = r.tickets
	}
	if r.since = (time.Time{}); r.settled < r.tickets {
		r.since = time.Now()
	}
	r.waiters.Reach(r.settled)
}

// WhenAt returns a channel that is closed once the records up to position were carried out.
func (r *Replica) WhenAt(position uint64) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reached.When(position, r.position)
}

package cluster

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"chat/relay/journal"
)

const (
	// At most so much is on its way to Read: each request of up to 8 MB follows when half of the messages of the one before
	// have come.
	pullMessages = 512
	pullBytes    = 8 << 20

	// A consumer from which nothing comes is replaced: if it does not come with a heartbeat for twice this time, if a record that this relay
	// appended does not come for late, or if the stream's state, asked for after each idleCheck, is ahead.
	heartbeat = 500 * time.Millisecond
	late      = 500 * time.Millisecond
	idleCheck = 3 * time.Second

	// consumerKept is how long the servers keep a consumer that no one reads from.
	consumerKept = 30 * time.Second
)

// errAgain says that reading has to begin again, after the last record.
var errAgain = errors.New("begin again")

// A reader reads the records of the stream. It makes a consumer for those after the last one, and another when that one is not
// heard, skips a record, or the connection was lost. (The ordered consumer of nats.go does so, too. But it does not stop when a context ends
// while no server answers, and does not notice a record that was lost between two servers until the next one comes.)
// Owned by the goroutine that calls Read.
type reader struct {
	c       *Cluster
	last    uint64 // position of the last record
	receive func(journal.Record) error
	tries   int // since it last worked
	gone    doubt
	short   doubt
}

// Read reads the records after position after.
func (c *Cluster) Read(ctx context.Context, after uint64, receive func(journal.Record) error) error {
	r := &reader{c: c, last: after, receive: receive}
	for ; ; r.tries++ {
		err := r.follow(ctx)
		var refused *refusal
		switch {
		case errors.As(err, &refused):
			return refused.err
		case ctx.Err() != nil:
			return nil
		case err != nil && (final(err) || errors.Is(err, journal.ErrTrimmed) || errors.Is(err, ErrGone) || errors.Is(err, ErrLost)):
			return fmt.Errorf("read from the cluster: %w", err)
		}
		c.log.Debug("reading from the cluster begins again", "after", r.last, "err", err)
		if c.wait(ctx, r.tries) != nil {
			return nil
		}
	}
}

// A refusal is an error of the function that receives the records.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }

// follow reads records until something is wrong.
func (r *reader) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func(lost <-chan struct{}) { // ends when follow returns
		select {
		case <-lost: // records on their way on the old connection are lost
			cancel()
		case <-ctx.Done():
		}
	}(r.c.newConnection())
	if _, err := r.check(ctx); err != nil {
		return err
	}
	attempt, done := r.c.attempt(ctx, patience(r.tries))
	defer done()
	consumer, err := r.c.js.CreateConsumer(attempt, r.c.records.name, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.last + 1, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: consumerKept,
	})
	if err != nil {
		return r.c.explain(err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(pullMessages, pullBytes),
		jetstream.PullExpiry(10*time.Second), jetstream.PullHeartbeat(heartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return r.c.explain(err)
	}
	defer messages.Stop()
	for checked := time.Now(); ; {
		appended := r.c.appended.Load()
		soon, done := context.WithTimeout(ctx, late)
		msg, err := messages.Next(jetstream.NextContext(soon))
		done()
		switch {
		case err == nil:
			checked = time.Now()
			err = r.record(ctx, msg)
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
		case appended > r.last:
			err = errAgain
		case time.Since(checked) < idleCheck:
			err = nil
		default:
			checked = time.Now()
			if err = r.behind(ctx); err == nil {
				r.tries = 0
			}
		}
		if err != nil {
			return err
		}
	}
}

// record hands a record to whoever reads.
func (r *reader) record(ctx context.Context, msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("read a record: %w", err)
	}
	position := meta.Sequence.Stream
	switch {
	case position <= r.last:
		return nil
	case position > r.last+1:
		return r.skipped(ctx)
	}
	relay, ok := strings.CutPrefix(msg.Subject(), strings.TrimSuffix(r.c.records.subjects[0], "*"))
	format, err := strconv.Atoi(msg.Headers().Get(headerFormat))
	switch {
	case !ok || !relayID.MatchString(relay) || err != nil || format < 1 || len(msg.Data()) > journal.MaxRecord:
		// All relays skip it.
		r.c.log.Warn("a message in the room's stream is not a record", "position", position, "subject", msg.Subject())
		r.last = position
		return nil
	case format > Format:
		return fmt.Errorf("record %d has format %d, this version knows %d: %w", position, format, Format, ErrNewer)
	}
	if err := r.receive(journal.Record{Position: position, Relay: relay, Time: meta.Timestamp, Data: msg.Data()}); err != nil {
		return &refusal{err}
	}
	r.last, r.tries = position, 0
	return nil
}

var relayID = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)

// skipped is called when the consumer skipped the next record: it was lost on the way, or has been deleted.
func (r *reader) skipped(ctx context.Context) error {
	attempt, cancel := r.c.attempt(ctx, patience(r.tries))
	defer cancel()
	handle, _, err := r.c.look(attempt, r.c.records)
	if err != nil {
		return r.c.explain(err)
	}
	_, err = handle.GetMsg(attempt, r.last+1)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("%w: %d was to be read", journal.ErrTrimmed, r.last+1)
	}
	if err != nil {
		return r.c.explain(err)
	}
	return errAgain
}

// behind returns an error if the stream has records that should have come.
func (r *reader) behind(ctx context.Context) error {
	end, err := r.check(ctx)
	if err == nil && end > r.last {
		return errAgain
	}
	return err
}

// check compares the state of the stream with the last record read, and returns the position of its last record. It returns an
// error if records are missing.
func (r *reader) check(ctx context.Context) (end uint64, err error) {
	attempt, cancel := r.c.attempt(ctx, patience(r.tries))
	defer cancel()
	_, info, err := r.c.look(attempt, r.c.records)
	if r.gone.lasts(errors.Is(err, jetstream.ErrStreamNotFound), r.c.doubts) {
		return 0, ErrGone
	}
	if err != nil {
		return 0, r.c.explain(err)
	}
	first, end := info.State.FirstSeq, info.State.LastSeq
	short := end < r.last
	switch {
	case r.short.lasts(short, r.c.doubts):
		return 0, fmt.Errorf("%w: it ends at %d, and %d has been read", ErrLost, end, r.last)
	case short:
		return 0, errAgain
	case first > r.last+1:
		return 0, fmt.Errorf("%w: they begin at %d, and %d was to be read", journal.ErrTrimmed, first, r.last+1)
	}
	return end, nil
}

// End returns the position of the last record. While the cluster cannot be reached, it waits.
func (c *Cluster) End(ctx context.Context) (end uint64, err error) {
	err = c.try(ctx, func(ctx context.Context) error {
		_, info, err := c.look(ctx, c.records)
		if err == nil {
			end = info.State.LastSeq
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find the end of the cluster's journal: %w", err)
	}
	return end, nil
}

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"chat/relay/journal"
)

// Headers of a record.
const (
	headerFormat = "Chat-Format" // its format
	headerNumber = "Chat-Record" // its number among those of its relay
)

// publishTimeout is how long a record waits for its acknowledgement before the relay reads back whether it is stored. An answer
// takes milliseconds, or never comes: its server is gone or paused.
const publishTimeout = 2 * time.Second

// An appender is the state of Append.
type appender struct {
	number uint64 // of the last record that was sent
	last   uint64 // sequence of the last record of this relay
	unsure bool   // an Append was interrupted: last may be too low
}

// Append appends a record. JetStream stores it only if the last record of this relay is still the one that Append expects, so
// that it may be sent again. Apart from the end of ctx, it fails if the record is too large, the connection is closed, the
// stream has been deleted ([ErrGone]) or has lost records ([ErrLost]).
func (c *Cluster) Append(ctx context.Context, data []byte) error {
	if len(data) > journal.MaxRecord {
		return fmt.Errorf("append a record of %d bytes: %w", len(data), errTooLarge)
	}
	c.out.number++
	c.waits(time.Now())
	defer c.waits(time.Time{})
	if err := c.store(ctx, data); err != nil {
		c.out.unsure = true
		return fmt.Errorf("append to the cluster: %w", err)
	}
	return nil
}

// waits notes since when a record waits to be stored.
func (c *Cluster) waits(since time.Time) {
	c.mu.Lock()
	c.waiting = since
	c.mu.Unlock()
}

// store sends the record until it is stored.
func (c *Cluster) store(ctx context.Context, data []byte) error {
	var gone, lost doubt
	send := !c.out.unsure
	for n := 0; ; n++ {
		var err error
		if send {
			if err = c.publish(ctx, data, c.out.last); err == nil {
				return nil
			}
		} else {
			var stored bool
			if stored, err = c.readBack(ctx); err == nil && stored {
				return nil
			}
			if err == nil {
				c.out.unsure = false
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case final(err):
			return err
		case gone.lasts(errors.Is(err, jetstream.ErrStreamNotFound), c.patience):
			return ErrGone
		case lost.lasts(errors.Is(err, ErrLost), c.patience):
			return err
		}
		if err != nil && n == 0 && code(err) != jetstream.JSErrCodeStreamWrongLastSequenceConstant {
			c.log.Debug("a record is not acknowledged", "err", err)
		}
		send = !send && err == nil // each attempt but the first follows a look at what is stored
		if !send {
			if err := c.wait(ctx, n); err != nil {
				return err
			}
		}
	}
}

// publish sends the record once, on condition that the last of this relay has the sequence last.
func (c *Cluster) publish(ctx context.Context, data []byte, last uint64) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	ack, err := c.js.PublishMsg(ctx, &nats.Msg{Subject: c.own, Data: data, Header: nats.Header{
		headerFormat: {strconv.Itoa(Format)},
		headerNumber: {strconv.FormatUint(c.out.number, 10)},
	}}, jetstream.WithExpectLastSequencePerSubject(last), jetstream.WithExpectStream(c.name), jetstream.WithRetryAttempts(0))
	if err != nil {
		return c.explain(err)
	}
	c.out.last = ack.Sequence
	return nil
}

// readBack asks the stream's leader for the last record of this relay, and returns whether it is the one that was sent last.
func (c *Cluster) readBack(ctx context.Context) (stored bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	stream, err := c.js.Stream(ctx, c.name)
	if err != nil {
		return false, c.explain(err)
	}
	info := stream.CachedInfo()
	if id, err := roomOf(info, c.subjects); err != nil || id != c.common.ID {
		return false, ErrGone
	}
	msg, err := stream.GetLastMsgForSubject(ctx, c.own)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		msg, err = new(jetstream.RawStreamMsg), nil // its sequence is 0
	}
	if err != nil {
		return false, c.explain(err)
	}
	if msg.Sequence < c.out.last && c.out.last >= info.State.FirstSeq {
		return false, fmt.Errorf("%w: %d, which was acknowledged", ErrLost, c.out.last)
	}
	c.out.last = msg.Sequence
	return msg.Header.Get(headerNumber) == strconv.FormatUint(c.out.number, 10), nil
}

// mayAppend checks that this relay may append, and that the stream has a leader: it sends a record on a condition that is never met.
func (c *Cluster) mayAppend(ctx context.Context) error {
	const never = 1 << 62
	err := c.try(ctx, func(ctx context.Context) error {
		err := c.publish(ctx, nil, never)
		if n := code(err); n == jetstream.JSErrCodeStreamWrongLastSequence || n == jetstream.JSErrCodeStreamWrongLastSequenceConstant {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	return nil
}

// A doubt is something that looks wrong and may yet turn out to be a passing state.
type doubt struct{ since time.Time }

// lasts returns whether it has looked wrong for as long as patience, at each call.
func (d *doubt) lasts(wrong bool, patience time.Duration) bool {
	switch {
	case !wrong:
		d.since = time.Time{}
	case d.since.IsZero():
		d.since = time.Now()
	}
	return wrong && time.Since(d.since) >= patience
}

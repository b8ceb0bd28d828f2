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
	headerNumber = "Chat-Number" // its number among those of its relay
)

// A writer writes messages that JetStream must store once and in order: the records of this relay, or a part of a file. Owned by one
// goroutine.
type writer struct {
	c       *Cluster
	stream  stream
	subject string
	mark    string // of the writer, before the numbers of its messages; "": it is the only writer of the subject
	number  uint64 // of the last message
	last    uint64 // sequence of the last message that is stored
	unsure  bool   // a write was interrupted: last may be too low
}

// Append appends a record. Apart from the end of ctx, it fails if the record is too large, the connection is closed, the
// stream has been deleted ([ErrGone]) or has lost records ([ErrLost]).
func (c *Cluster) Append(ctx context.Context, data []byte) error {
	if len(data) > journal.MaxRecord {
		return fmt.Errorf("append a record of %d bytes: %w", len(data), errTooLarge)
	}
	c.waits(time.Now())
	defer c.waits(time.Time{})
	if err := c.out.write(ctx, data); err != nil {
		return fmt.Errorf("append to the cluster: %w", err)
	}
	c.appended.Store(c.out.last)
	return nil
}

// waits notes since when a record waits to be stored.
func (c *Cluster) waits(since time.Time) {
	c.mu.Lock()
	c.waiting = since
	c.mu.Unlock()
}

// write sends a message until it is stored. JetStream stores it only if the subject still ends with the message that
// write expects, so that it may be sent again.
func (w *writer) write(ctx context.Context, data []byte) error {
	w.number++
	var gone, lost doubt
	send := !w.unsure
	w.unsure = true
	for n := 0; ; n++ {
		var stored bool
		var err error
		if send {
			err = w.publish(ctx, n, data, w.last)
			stored = err == nil
		} else {
			stored, err = w.readBack(ctx, n)
		}
		switch {
		case stored:
			w.unsure = false
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !send && err == nil && w.mark != "" && w.last != 0:
			return errExists
		case final(err):
			return err
		case gone.lasts(errors.Is(err, jetstream.ErrStreamNotFound), w.c.doubts):
			return ErrGone
		case lost.lasts(errors.Is(err, ErrLost), w.c.doubts):
			return err
		}
		// Whatever the error was, the message is sent again only after a look at the stream.
		if send = !send && err == nil; !send {
			if err := w.c.wait(ctx, n); err != nil {
				return err
			}
		}
	}
}

// publish sends the message once, as attempt n, on condition that the last one of the subject has the sequence last.
func (w *writer) publish(ctx context.Context, n int, data []byte, last uint64) error {
	ctx, cancel := w.c.attempt(ctx, patience(n))
	defer cancel()
	ack, err := w.c.js.PublishMsg(ctx, &nats.Msg{Subject: w.subject, Data: data, Header: nats.Header{
		headerFormat: {strconv.Itoa(Format)},
		headerNumber: {w.id()},
	}}, jetstream.WithExpectLastSequencePerSubject(last), jetstream.WithExpectStream(w.stream.name), jetstream.WithRetryAttempts(0))
	if err != nil {
		return w.c.explain(err)
	}
	w.last = ack.Sequence
	return nil
}

// readBack asks the stream's leader for the last message of the subject, and returns whether it is the message sent last.
func (w *writer) readBack(ctx context.Context, n int) (stored bool, err error) {
	ctx, cancel := w.c.attempt(ctx, patience(n))
	defer cancel()
	handle, info, err := w.c.look(ctx, w.stream)
	if err != nil {
		return false, w.c.explain(err)
	}
	msg, err := handle.GetLastMsgForSubject(ctx, w.subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		msg, err = new(jetstream.RawStreamMsg), nil // its sequence is 0
	}
	if err != nil {
		return false, w.c.explain(err)
	}
	if msg.Sequence < w.last && w.last >= info.State.FirstSeq {
		return false, fmt.Errorf("%w: %d, which was acknowledged", ErrLost, w.last)
	}
	w.last = msg.Sequence
	return msg.Header.Get(headerNumber) == w.id(), nil
}

// id returns the ID by which the last message is recognized.
func (w *writer) id() string { return w.mark + strconv.FormatUint(w.number, 10) }

// mayWrite checks that messages may be written, and that the stream has a leader: it sends one on a condition that is never met.
func (w *writer) mayWrite(ctx context.Context) error {
	const never = 1 << 62
	err := w.c.try(ctx, func(ctx context.Context) error {
		err := w.publish(ctx, eager, nil, never)
		if n := code(err); n == jetstream.JSErrCodeStreamWrongLastSequence || n == jetstream.JSErrCodeStreamWrongLastSequenceConstant {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("write to stream %s: %w", w.stream.name, err)
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

package history

import (
	"context"
	"fmt"
	"iter"
	"time"

	"chat/relay/wire"
)

// This file is the state that the events of a log add up to, as a [File] keeps it.

// A Fold computes a room's durable state from the events of its log. The committer of a
// [Log] on a [File] owns it: it calls all methods, from its own goroutine, and keeps the
// result of Changes in the file, in the transaction that writes the events.
//
// For each batch of events the committer calls Apply for each event, then Changes, then
// Commit if the batch is on disk or Rollback if it is not. The same events have the same
// result whenever they are applied: Apply depends on its arguments and on earlier events,
// and on nothing else.
type Fold interface {
	// Apply adds an event to the state. A visible event is e, with its id; a hidden one is
	// hidden, the JSON that was given to [Log.AppendHidden], and e is nil. by has the author
	// and the recipient of a visible event. Apply must not keep or change e and hidden.
	Apply(e *wire.Event, hidden []byte, by Origin, at time.Time)

	// Changes returns the records that have changed since the last Commit, each once, with
	// their new values in UTF-8. A nil value deletes the record.
	Changes() iter.Seq2[string, []byte]

	// Commit makes the changes permanent. No reader has seen the events yet.
	Commit()

	// Rollback returns the state to that of the last Commit.
	Rollback()
}

// An Owner is the room that appends to a [Log] on a [File]. Its methods are called by the
// log's committer, from its own goroutine; until they return, nothing is written.
type Owner interface {
	// Failed is called when events could not be written. err wraps [ErrDiskFull] or [ErrWrite].
	//
	// Failed must call split once. split returns the events that were not written, in order: rejected are
	// the members' messages, which are now dropped; held are all other events, which are written
	// once the file can be written again. From then on, until Recovered, Append rejects
	// all events but joins and leaves.
	//
	// The owner locks its state, calls split, makes its state that of the fold with held
	// applied to a copy of it, and unlocks. So no request is decided on a state that includes a
	// rejected message. Nothing changes the fold during the call.
	Failed(err error, split func() (rejected []Rejected, held []Held))

	// Recovered is called when the file can be written again.
	Recovered()

	// Slow is called while the file takes longer than a second to write some events, once for
	// them. The members' messages wait for it.
	Slow()
}

// A Rejected is a message that was appended, but could not be written to the file.
type Rejected struct {
	Event wire.Event // without an id
	By    Origin
}

// A Held is an event that waits until the file can be written again, as it will be given to
// [Fold.Apply] then, but without an id.
type Held struct {
	Event  *wire.Event // nil: the event is hidden
	Hidden []byte
	By     Origin
	At     time.Time
}

// noFold is the state of a log that keeps none.
type noFold struct{}

func (noFold) Apply(*wire.Event, []byte, Origin, time.Time) {}
func (noFold) Changes() iter.Seq2[string, []byte]           { return func(func(string, []byte) bool) {} }
func (noFold) Commit()                                      {}
func (noFold) Rollback()                                    {}

// apply gives the pending event to the fold, as [File.Replay] would.
func (p *pending) apply(fold Fold) {
	by := Origin{Author: p.by.Author, To: p.by.To}
	if p.isHidden() {
		fold.Apply(nil, p.json, by, p.at)
	} else {
		fold.Apply(&p.event, nil, by, p.at)
	}
}

// writeChanges writes the changed records of the fold. It is part of a transaction.
func (f *File) writeChanges(fold Fold) error {
	for key, value := range fold.Changes() {
		var err error
		if value == nil {
			_, err = f.insert.deleteRecord.Exec(key)
		} else {
			_, err = f.insert.record.Exec(key, string(value))
		}
		if err != nil {
			return fmt.Errorf("write the record %q: %w", key, err)
		}
	}
	return nil
}

// Records calls load with each record of the state, in the order of their keys, until load
// returns an error.
func (f *File) Records(load func(key string, value []byte) error) error {
	rows, err := f.writer.QueryContext(context.Background(), `SELECT key, value FROM state ORDER BY key`)
	if err != nil {
		return fmt.Errorf("read the state in %s: %w", f.path, fileError(err))
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var value []byte
		if err := rows.Scan(&key, &value); err != nil {
			return fmt.Errorf("read the state in %s: %w", f.path, fileError(err))
		}
		if err := load(key, value); err != nil {
			return fmt.Errorf("read the record %q in %s: %w", key, f.path, err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the state in %s: %w", f.path, fileError(err))
	}
	return nil
}

// Replay calls apply with each event in the file, visible and hidden, in the order in which
// they were appended. Its arguments are those of [Fold.Apply].
//
// The result is the room's state if the file has all events since the room began. It has
// not if old events were deleted (see [Keep]), or if version 1 of the format was the
// first, which had no hidden events; [File.Records] has the state in every case.
//
// Replay reads the file as it is when it begins. A log on the file may go on meanwhile, but its
// write-ahead log cannot be shortened until Replay ends.
func (f *File) Replay(apply func(e *wire.Event, hidden []byte, by Origin, at time.Time)) error {
	err := f.replay(apply)
	if err != nil {
		return fmt.Errorf("replay history %s: %w", f.path, fileError(err))
	}
	return nil
}

func (f *File) replay(apply func(e *wire.Event, hidden []byte, by Origin, at time.Time)) error {
	rows, err := f.readers.QueryContext(context.Background(), `
		SELECT id AS place, 0 AS n, time, author, recipient, json FROM event
		UNION ALL SELECT after, n, time, 0, 0, json FROM hidden ORDER BY place, n`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		var hiddenNumber, at int64
		if err := r.scan(rows, &r.id, &hiddenNumber, &at, &r.author, &r.to, &r.json); err != nil {
			return err
		}
		if hiddenNumber != 0 {
			apply(nil, r.json, Origin{}, time.UnixMilli(at).UTC())
			continue
		}
		e, err := r.event()
		if err != nil {
			return err
		}
		apply(&e, nil, Origin{Author: r.author, To: r.to}, e.Time)
	}
	return rows.Err()
}

// AppendHidden appends an event that no reader receives, such as a ban's address. It has no
// id and is in the log before the next event that gets one. The log keeps json, which is
// opaque to it and must not be changed any more; at is when the event happened. The ticket is
// for [Log.Settled] and [Log.WhenSettled].
//
// While the file cannot be written, hidden events are held and never dropped. There are few:
// they come with members who connect, and from operators. The error says why
// the file cannot be written, if maxHeldHidden are held already.
//
// A log in memory drops the event, because nothing could read it.
func (l *Log) AppendHidden(json []byte, at time.Time) (ticket uint64, err error) {
	if l.committer == nil {
		return 0, nil
	}
	return l.committer.add(pending{json: json, at: at.UTC().Truncate(time.Millisecond)})
}

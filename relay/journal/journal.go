// Package journal defines the journal that the relays of one room share: records in one order, and the list of
// relays. relay/cluster has it in NATS JetStream.
package journal

import (
	"context"
	"errors"
	"time"
)

// A Journal is a list of records that several relays append to, and that all of them read in the same order. Its
// methods may be called concurrently, Append by one goroutine only.
type Journal interface {
	// Relay returns the ID of this relay: letters and digits, another one in each process.
	Relay() string

	// Append appends a record, behind all that this relay appended before, and returns once it is stored. A record is
	// in the journal once, even if connections and servers failed meanwhile. While the journal cannot be reached,
	// Append waits and tries again. When ctx ends it returns an error that wraps the context's; the record may
	// be stored, or may still become so.
	Append(ctx context.Context, data []byte) error

	// Read calls receive with each record behind position after, in order, from one goroutine, and waits for more at
	// the end. It returns when ctx ends, with nil; when receive returns an error, with that; or with one that wraps
	// ErrTrimmed, or says why the journal cannot be read. While the journal cannot be reached, Read waits.
	Read(ctx context.Context, after uint64, receive func(Record) error) error

	// End returns the position of the last record; 0 if there is none.
	End(ctx context.Context) (uint64, error)

	// SaveSnapshot keeps the state after the records up to position, instead of an older snapshot. It may replace a
	// newer one of another relay, too: any will do.
	SaveSnapshot(ctx context.Context, position uint64, data []byte) error

	// Snapshot returns the last snapshot; position 0: there is none.
	Snapshot(ctx context.Context) (position uint64, data []byte, err error)

	// Announce announces this relay to the others, and calls changed, from one goroutine, with
	// all relays that live, this one too, whenever the list or an entry of it has changed. A relay that
	// has not been heard for 15 s lives no more. Announce returns when ctx ends.
	Announce(ctx context.Context, self Relay, changed func([]Relay))
}

// A Record is an entry of a journal.
type Record struct {
	Position uint64    // of the first one: 1. Positions grow, and some may be missing
	Relay    string    // that appended it
	Time     time.Time // when it was stored, by a clock that is the same for all readers
	Data     []byte
}

// A Relay is a host that serves the room.
type Relay struct {
	ID    string
	Addrs []string // host:port at which clients reach it, the best first; at most 8
}

// MaxRecord is how many bytes a record may have.
const MaxRecord = 512 << 10

// ErrTrimmed says that records that were to be read have been deleted, as too old.
var ErrTrimmed = errors.New("the journal no longer has these records")

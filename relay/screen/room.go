package screen

import (
	"context"

	"chat/relay/client"
	"chat/relay/wire"
)

// A Room is the room we are in: a [client.Client], as far as the screen needs it. All
// methods may be called at the same time.
type Room interface {
	// Events is what happens, beginning with a client.Connected. It is closed when
	// the room has ended for us; Err then says why.
	Events() <-chan client.Event
	Err() error
	// Do asks the host for something and returns at once, with the number under
	// which it comes back (0 for what does not). It may wait where many requests,
	// see maxUnacked, wait for the host.
	Do(ctx context.Context, r wire.Request) (seq uint64, err error)
	// Pending is what the host has not acknowledged, in order.
	Pending() []wire.Request
	// Unacked is how many messages the host has not acknowledged.
	Unacked() int
	// Send sends the file at a path and says so, and Get brings one into the folder dir and
	// returns its path. Both take their time, and tell how many bytes are over.
	Send(ctx context.Context, path string, progress func(done, total int64)) error
	Get(ctx context.Context, f wire.File, dir string, progress func(done, total int64)) (path string, err error)
	// Files are those that were sent here, oldest first.
	Files() []wire.File
}

// maxUnacked is how many messages are on their way to the host at most. Further
// ones wait on this side.
const maxUnacked = 500

// A Place is where a room is: one that was found, or an address that was typed.
type Place struct {
	Title   string
	Addr    string
	ID      string // "" while it is not known
	Members int
}

// Options are what a screen is to show.
type Options struct {
	// Find looks for the rooms on this network; nil: there is nothing to look for.
	Find func(ctx context.Context) ([]Place, error)
	// Join joins the room at a place. It may be called again after an error.
	Join func(ctx context.Context, p Place) (Room, error)
	// Place is where to go; nil: it has to be found.
	Place *Place

	Hosting    bool                                // we are the hosting person
	NoPage     bool                                // where we host: there is no page for browsers
	Ways       []string                            // the addresses at which others can come in, where we host
	Discovered bool                                // the room that we host is found by `chat join` alone
	Warnings   <-chan string                       // lines the person must see; nil: none
	Said       func(wire.Event, wire.Viewer) error // keeps what is said, and tells once why it does no longer; nil: nothing does

	Quiet bool // no bell and no notification when somebody calls
	Mouse bool // the wheel scrolls; the terminal's own selecting then needs Shift
}

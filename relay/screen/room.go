package screen

import (
	"context"
	"time"

	"chat/relay/client"
	"chat/relay/seal"
	"chat/relay/wire"
)

// A Room is the room that the screen shows: the part of a [client.Client] that it
// needs. All methods may be called concurrently.
type Room interface {
	// Events returns the events of the room, the first of them a client.Connected.
	// The channel is closed when the client ends; Err then returns the reason.
	Events() <-chan client.Event
	Err() error
	// Do sends a request to the host and returns at once, with the number under which
	// the host acknowledges it, or 0 if it does not. It may block while many requests
	// are unacknowledged; see maxUnacked.
	Do(ctx context.Context, r wire.Request) (seq uint64, err error)
	// Pending returns the requests that the host has not acknowledged, in order.
	Pending() []wire.Request
	// Unacked returns how many requests the host has not acknowledged.
	Unacked() int
	// Send uploads the file at path, and Get downloads one into the folder dir and
	// returns its path. Both block until they are done or ctx ends, and report their
	// progress in bytes.
	Send(ctx context.Context, path string, progress func(client.Progress)) error
	Get(ctx context.Context, f wire.File, dir string, progress func(client.Progress)) (path string, err error)
	// Files returns the uploads, oldest first.
	Files() []wire.File
	// Invite returns the link that lets others into a sealed room, with the secret that we entered it
	// by; false: the room is plain.
	Invite() (seal.Invite, bool)
	// CurlPin returns the pin of a sealed room's host as curl takes it; "": it is not known.
	CurlPin() string
}

// maxUnacked is how many unacknowledged requests the screen lets the room have.
// Further messages wait in the outbox.
const maxUnacked = 500

// A Place is where a room is: a room that was found, or an address that was typed.
type Place struct {
	Title   string
	Addr    string
	ID      string // "": not known yet
	Members int

	Addrs []string // all that answered, Addr first; nil: one did

	Contested bool // another place claims to be the same room

	Sealed bool        // only those with its invite can join
	Pin    string      // of the host's key, as it showed it; "": not known yet, or the room is plain
	Invite seal.Invite // that the person has; the zero value: none
}

// A Hosting describes a room that this program hosts.
type Hosting struct {
	Addrs      func() []string // the addresses at which others can join now
	NoPage     bool            // there is no page for browsers
	Discovered bool            // `chat join` finds the room without an address

	// Install returns the command that installs chat from this host at an address; nil: the host does not hand it out.
	Install func(addr string) string
	// ForShell names the systems on which it does, as in "Linux or macOS"; "": none.
	ForShell string
	// ProgramSum returns the SHA-256 of the program for this machine's system, as linux/amd64; "": not known. It may block for
	// some seconds. SumsFile is the path of a file with the hashes of those for other systems; "": there are none.
	ProgramSum func() (system, sum string)
	SumsFile   string

	// Invites returns what lets others into a sealed room now: an operator may replace its secrets. Addrs are
	// in the order of an invite. nil: the room is plain.
	Invites func() seal.Invites
}

// A HostedRoom is a room that this program has opened.
type HostedRoom struct {
	Room
	Title   string
	Hosting Hosting
}

// Options configure a screen.
type Options struct {
	// Find looks for rooms on this network, calls found for each that answers, one call at a
	// time, and returns all of them. A [*NothingFoundError] says that none answers; with any
	// other error, the places are those found before it. nil: the lobby offers no search.
	Find func(ctx context.Context, found func(Place)) ([]Place, error)
	// Patience is how long the lobby waits, if no key is pressed, before it joins the only
	// room, and before it suggests to host one. 0: until Find returns.
	Patience time.Duration
	// Join joins the room at a place. It may be called again after an error, and after the
	// room ended with a client.OtherRoomError. It asks the questions of a sealed room.
	Join func(ctx context.Context, p Place, ask client.Questions) (Room, error)
	// Host opens a room and joins it; "" is the title that HostTitle announces. It may be
	// called again after an error. nil: the lobby does not offer it.
	Host func(ctx context.Context, title string) (*HostedRoom, error)
	// HostTitle is the title of a room that Host opens without one; "": not known before.
	HostTitle string
	// Place is the room to join; nil: the person chooses one of those found.
	Place *Place
	// Hosting describes the room at Place if this program hosts it; nil: another one does.
	Hosting *Hosting

	Warnings <-chan string                       // lines that the person must see; nil: none
	Record   func(wire.Event, wire.Viewer) error // is called with each message, to log it; an error is shown; nil: messages are not logged

	Quiet bool // no bell and no notification when the person is mentioned
	Mouse bool // the wheel scrolls; selecting text in the terminal then needs Shift
}

// A NothingFoundError is the error of Options.Find if no room answers, and nothing is
// wrong as far as this program can see.
type NothingFoundError struct {
	What   string // the result: `No room found on this network`
	Looked string // the networks that were searched, the devices heard there, and reasons why a room may be hidden
	Err    error  // for the terminal, once the screen is left
}

func (e *NothingFoundError) Error() string { return e.Err.Error() }
func (e *NothingFoundError) Unwrap() error { return e.Err }

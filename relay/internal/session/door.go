package session

import (
	"log/slog"
	"math"
	"net"
	"sync/atomic"
	"time"

	"chat/relay/history"
	"chat/relay/internal/fanout"
	"chat/relay/internal/room"
	"chat/relay/wire"
)

// A Door has what all sessions of a room share. Its fields are set before the first
// session; it is safe for concurrent use.
type Door struct {
	Room   *room.Room
	Log    *history.Log
	Fanout *fanout.Fanout
	Logger *slog.Logger
	Limits Limits

	// Info returns the answer to a probe.
	Info func() wire.RoomInfo
	// Upload finds a finished upload by its ID; see relay.Options.Files. nil: no uploads.
	Upload func(id string) (file wire.File, url string, err error)

	Times   fanout.Times  // of writes to sessions
	Stalled atomic.Uint64 // sessions that were closed because they took no byte within Limits.Stall

	searches chan struct{} // one place for each search that runs
	wakeLog  func()        // Log.Wake, bound once for all sessions
}

// Limits bound a session. All are positive; [Unlimited] and [Never] stand for no limit.
type Limits struct {
	Line      int           // bytes of a person's line with its newline
	JSONLine  int           // bytes of a program's line with its newline
	Text      int           // bytes of a message
	TextLines int           // lines of a message
	Stall     time.Duration // a session whose connection takes no byte for this long is closed
	FirstLine time.Duration // a hello must arrive within it
	Backlog   int           // messages that a new member gets; 0: none
}

// Unlimited is the limit that no count reaches, Never the one that no time does.
const (
	Unlimited = math.MaxInt32
	Never     = 100 * 365 * 24 * time.Hour
)

// maxSearches is how many searches run at the same time; others wait. It is below the
// number of readers of a history file, so that joining does not wait for searches.
const maxSearches = 2

// Open prepares d for its first session. It is called once, after its fields are set.
func (d *Door) Open() {
	d.searches = make(chan struct{}, maxSearches)
	d.wakeLog = d.Log.Wake
}

// A Conn is a connection that was admitted, as its session gets it.
type Conn struct {
	net.Conn                  // see fanout.NonBlocking
	Lines    *wire.LineReader // has read the first line, or a part of it
	Bucket   *Bucket
	Address  string // see room.AddressKey
	Visit    bool   // see room.Member.Visit

	// WebSocket puts lines in frames, from here on. Lines has read nothing; Ahead are the bytes
	// that were read already.
	WebSocket bool
	Ahead     []byte
}

// New returns a session on c, which is to be served by [Session.ServePerson] or
// [Session.ServeProgram]. over is called when it has ended and c is closed.
func (d *Door) New(c Conn, over func()) *Session {
	s := &Session{door: d, conn: c.Conn, lines: c.Lines, bucket: c.Bucket, over: over}
	s.member = room.Member{Peer: &s.out, Address: c.Address, Visit: c.Visit}
	s.out.door, s.out.conn = d, c.Conn
	s.lines.OnRead = s.countBytes
	s.lines.OnWait = d.wakeLog
	if c.WebSocket {
		s.speakWebSocket(c.Ahead)
	}
	return s
}

package session

import (
	"log/slog"
	"math"
	"net"
	"sync/atomic"
	"time"

	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/internal/fanout"
	"chat/relay/internal/room"
	"chat/relay/wire"
)

// A Door creates the sessions of one room, and has everything that they share. Set its
// fields, then call Open; from then on it is safe for concurrent use.
type Door struct {
	Room   *room.Room
	Log    *history.Log
	Fanout *fanout.Fanout
	Logger *slog.Logger
	Limits Limits // until SetLimits; see CurrentLimits

	Gate *access.Gate // decides who may enter; nil: the room is plain

	// WaysIn returns how others can join, for a member of a level who reached the host at an address; "": not by the
	// network.
	WaysIn func(at string, level access.Level) string
	// RenewInvite replaces the secrets of a sealed room, because by asked for it. The error is a [*wire.Fault].
	RenewInvite func(by *room.Member) error
	// RestartWithin returns within what time clients reconnect when the room closes, as the host restarts; 0: it
	// does not. nil: it never does.
	RestartWithin func() time.Duration
	// CatchUp waits until the log has the event that a client received last, if it lags behind another relay of a shared
	// room, or until ended is closed. The error is a [*wire.Fault]. nil: the log never lags.
	CatchUp func(last uint64, ended <-chan struct{}) error
	// Info returns the answer to a probe.
	Info func() wire.RoomInfo
	// Upload finds a finished upload by its ID; see relay.Options.Files. nil: no uploads.
	Upload func(id string) (wire.File, error)
	// Uploads returns the uploads for /files; see relay.Options.Uploads.
	Uploads func() Uploads

	Costs *Costs // of what sessions read; nil: nothing is charged
	Logs  Logs   // lines about connections that come and go

	Times   fanout.Times  // of writes to sessions
	Stalled atomic.Uint64 // sessions closed because they accepted no byte within Limits.Stall
	Delays  atomic.Uint64 // times that input waited for the rate

	current  atomic.Pointer[Limits] // set by Open
	searches *searches
	wakeLog  func() // Log.Wake, bound once for all sessions
}

// Limits bound a session. All are positive; [Unlimited] and [Never] mean no limit.
type Limits struct {
	Line      int           // bytes of a person's line with its newline
	JSONLine  int           // bytes of a program's line with its newline
	Text      int           // bytes of a message
	TextLines int           // lines of a message
	Stall     time.Duration // a session that accepts no byte for this long is closed
	FirstLine time.Duration // a hello must arrive within this
	Backlog   int           // messages that a new member receives; 0: none
}

// Unlimited is a limit that no count reaches; Never is one that no time reaches.
const (
	Unlimited = math.MaxInt32
	Never     = 100 * 365 * 24 * time.Hour
)

// Open prepares d for its first session. It is called once, after its fields are set.
func (d *Door) Open() {
	if d.Costs == nil {
		d.Costs = NewCosts(Rate{})
	}
	d.current.Store(&d.Limits)
	d.searches = newSearches(d.Costs)
	d.wakeLog = d.Log.Wake
}

// CurrentLimits returns the limits as they are now. They do not change; the next call may return others.
func (d *Door) CurrentLimits() *Limits { return d.current.Load() }

// SetLimits replaces the limits. A session keeps those of its lines.
func (d *Door) SetLimits(to Limits) { d.current.Store(&to) }

func (d *Door) restartWithin() time.Duration {
	if d.RestartWithin == nil {
		return 0
	}
	return d.RestartWithin()
}

// A Conn is a connection that was admitted, as its session gets it.
type Conn struct {
	net.Conn                  // see fanout.NonBlocking
	Lines    *wire.LineReader // has read the first line, or a part of it
	Bucket   *Bucket
	Remote   net.Addr // of the client, for log lines
	Address  string   // see room.AddressKey
	Payer    string   // see Costs
	Visit    bool     // see room.Member.Visit
	Page     bool     // see room.Member.Page

	Proven access.Credentials // of a client of a sealed room, by an HTTP request

	// Encrypted: by TLS. Exporter then returns bytes that only the two ends of this connection know (RFC 8446, section 7.5);
	// otherwise it is nil.
	Encrypted bool
	Exporter  func(label string, length int) ([]byte, error)

	// WebSocket puts lines in frames, from here on. Lines has read nothing; Ahead are the bytes
	// that were read already.
	WebSocket bool
	Ahead     []byte
}

// A Place is the share that the connection of a session has of the host's limits. The goroutine that
// reads calls its methods.
type Place interface {
	// Claim is called before the session enters the room, when it is known who the client
	// is. The error is the fault for which it is refused.
	Claim(room.Standing) error
	// Spoke is called when the session has sent its first message.
	Spoke()
	// Over is called after the session has ended and closed its connection.
	Over()
}

// New returns a session on c. The caller then calls [Session.ServePerson],
// [Session.ServeTooLong] or [Session.ServeProgram].
func (d *Door) New(c Conn, place Place) *Session {
	s := &Session{door: d, lines: c.Lines, bucket: c.Bucket, place: place}
	s.member = room.Member{Peer: &s.out, Address: c.Address, Visit: c.Visit, Page: c.Page}
	s.out.door, s.out.conn, s.out.remote, s.out.payer = d, c.Conn, c.Remote, c.Payer
	s.entry = d.newEntry(&c)
	s.lines.OnRead = s.countBytes
	s.lines.OnWait = d.wakeLog
	if c.WebSocket {
		s.speakWebSocket(c.Ahead)
	}
	return s
}

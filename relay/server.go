package relay

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/internal/clock"
	"chat/relay/internal/fanout"
	"chat/relay/internal/front"
	"chat/relay/internal/room"
	"chat/relay/internal/session"
	"chat/relay/text"
	"chat/relay/wire"
)

// A Server hosts one room. It is safe for concurrent use. Its fields are fixed after New, except slowAt;
// the timers and relays have locks of their own.
type Server struct {
	opts    Options // with defaults
	log     *history.Log
	fanout  *fanout.Fanout
	room    *room.Room
	door    *session.Door
	front   *front.Front
	gate    *access.Gate  // nil: the room is plain
	flush   roomTimer     // calls room.Flush
	nicks   roomTimer     // calls room.GiveNicks
	closing chan struct{} // closed by close, when the room closes
	slowAt  time.Time     // when a slow disk was logged; owned by the log's committer
	restart atomic.Int64  // see restartWithin; a time.Duration
	sharing *sharing      // nil: no other host serves the room

	relays relays // that were there

	renewing sync.Mutex // held while the secrets are replaced, so that the last ones kept are those in use
}

// New returns a server for a new room whose log is in memory.
func New(opts Options) *Server {
	s := newServer(opts)
	s.log = history.New(s.opts.History, s.fanout.Wake)
	s.room = room.New(s.roomOptions(), s.log)
	s.connectParts()
	return s
}

// NewOn returns a server for the room in f, whose ID replaces opts.Room. Close f after
// Serve has returned. The error is that of reading or writing f.
func NewOn(f *history.File, opts Options) (*Server, error) {
	id, err := f.RoomID()
	if err != nil {
		return nil, err
	}
	opts.Room = id
	if opts.Secret, err = f.Secret(); err != nil {
		return nil, err
	}
	s := newServer(opts)
	if s.opts.Title != f.Title() {
		if err := f.SetTitle(s.opts.Title); err != nil {
			return nil, err
		}
	}
	fold, err := room.NewFold(f.Records)
	if err != nil {
		return nil, err
	}
	opened := make(chan struct{})
	if s.log, err = history.NewOn(f, s.opts.History, s.fanout.Wake, fold, owner{s, opened}, s.opts.Log); err != nil {
		return nil, err
	}
	s.room = room.NewOn(s.roomOptions(), s.log, fold, clock.Now())
	close(opened)
	s.connectParts()
	return s, nil
}

func newServer(opts Options) *Server {
	opts = opts.withDefaults()
	opts.Title = text.Title(opts.Title)
	return &Server{opts: opts, gate: opts.Seal.gate(opts.Secret), fanout: fanout.New(), closing: make(chan struct{})}
}

func (s *Server) roomOptions() room.Options {
	return room.Options{
		ID: s.opts.Room, Title: s.opts.Title, App: s.opts.App, Secret: s.opts.Secret, HostToken: s.opts.HostToken, OperatorToken: s.opts.OperatorToken, Sealed: s.gate.IsSealed(),
		FlushIn: s.flush.in, GiveNicksIn: s.nicks.in,
		HostMemberKey: s.hostMemberKey(), HandsOut: s.opts.Web != nil && s.opts.Program != nil, Relays: s.listRelays(),
	}
}

// connectParts connects the log and the room with the parts that serve connections.
func (s *Server) connectParts() {
	s.fanout.Attach(s.log)
	s.flush.call, s.nicks.call = s.room.Flush, s.room.GiveNicks
	s.door = &session.Door{
		Room: s.room, Log: s.log, Fanout: s.fanout, Logger: s.opts.Log, Limits: s.opts.sessionLimits(),
		Costs: session.NewCosts(session.NewRate(s.opts.Rate, s.opts.Burst)),
		Gate:  s.gate, WaysIn: s.waysIn, RenewInvite: s.renewInvite,
		RestartWithin: s.restartWithin, CatchUp: s.CatchUp, Info: s.Info, Upload: s.opts.Files, Uploads: s.opts.Uploads,
	}
	s.door.Open()
	s.front = front.New(s.opts.frontOptions(), s.door, s.opts.Log)
}

// An owner is the server as its log's [history.Owner].
type owner struct {
	*Server
	opened <-chan struct{} // closed when there is the room; its first events may be written before
}

// Failed implements [history.Owner].
func (o owner) Failed(err error, split func() ([]history.Rejected, []history.Held)) {
	<-o.opened
	o.opts.Log.Error("cannot write the history; messages are rejected until it works again", "error", err)
	o.room.CommitFailed(err, split)
}

// Recovered implements [history.Owner].
func (o owner) Recovered() { o.opts.Log.Warn("the history is written again") }

// Slow implements [history.Owner].
func (o owner) Slow() {
	<-o.opened
	if time.Since(o.slowAt) >= time.Minute {
		o.slowAt = time.Now()
		o.opts.Log.Warn("the disk with the history is slow; messages wait for it")
	}
	o.room.NotifySlow("the host's disk is slow; messages wait until it has stored them", clock.Now())
}

// Info returns the room's public description.
func (s *Server) Info() wire.RoomInfo {
	members := 0
	if !s.gate.IsSealed() { // only members learn who is there
		members = s.Members()
	}
	return wire.RoomInfo{ID: s.opts.Room, Title: s.opts.Title, Version: wire.Version, App: s.opts.App, Members: members, Sealed: s.gate.IsSealed()}
}

// Members returns how many members there are.
func (s *Server) Members() int {
	members, _ := s.room.Count()
	return members
}

// Next returns the ID that the next event in the room gets.
func (s *Server) Next() uint64 { return s.log.Next() }

// Secret returns a random string that no client knows. It stays the same as long as the
// room exists: a history file keeps it across restarts.
func (s *Server) Secret() string { return s.opts.Secret }

// MaxLine returns the limit of a program's line, in bytes.
func (s *Server) MaxLine() int { return s.door.CurrentLimits().JSONLine }

// MaxDelay is how long a request that reads much may wait for its address before it is rejected.
const MaxDelay = session.MaxDelay

// IsBanned reports whether connections from addr are banned.
func (s *Server) IsBanned(addr net.Addr) bool {
	address, _ := front.AddressOf(addr)
	return s.room.Admit(address) != nil
}

// IsKeyBanned reports whether whoever has the key with a fingerprint is banned.
func (s *Server) IsKeyBanned(fingerprint string) bool { return s.room.BansKey(fingerprint) }

// KeysChanged applies changes of [Seal.IsMember] and [Seal.IsOperator] to the members who are in
// the room: members whose key was removed are disconnected.
func (s *Server) KeysChanged() {
	if s.gate.IsSealed() {
		s.door.Regrade()
	}
}

// Serve accepts connections on ln until ctx ends. Then it closes ln and the room: every
// session receives the events accepted so far and a bye, for up to 2 s, and is closed. Serve
// returns once all sessions have ended. The error is that of a listener that failed while
// ctx was running, or of a history whose last events could not be written. If the process
// runs out of file descriptors, Serve waits and continues.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if s.sharing != nil {
		defer context.AfterFunc(s.sharing.works, cancel)()
	}
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	err := s.front.Accept(ctx, ln)
	ln.Close()
	return errors.Join(err, s.close())
}

// ServeConn serves one connection and returns when its session has ended; conn is closed
// then. Any net.Conn with deadlines will do: TCP, a pipe in memory. If it is not admitted
// (Options.MaxSessions, bans) it gets an error and is closed. When ctx ends, the session
// ends with a bye.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) { s.front.Serve(ctx, conn, nil) }

// ServeWebSocket serves a program on a WebSocket whose handshake is done; ahead are the bytes
// that were read after it. It returns once the program has said hello, or is gone; the session
// continues, and closes conn when it ends. A connection that Options.Web was given has been
// admitted; any other is admitted, or refused, as by ServeConn.
// proven are the credentials of its request in a sealed room.
func (s *Server) ServeWebSocket(conn net.Conn, ahead []byte, proven access.Credentials) {
	s.front.ServeWebSocket(conn, ahead, proven)
}

// ServeVisit is ServeConn for a program that connects only to send a message: the room
// receives its messages, but no join and no leave. proven are its credentials in a sealed room.
func (s *Server) ServeVisit(ctx context.Context, conn net.Conn, proven access.Credentials) {
	s.front.Serve(ctx, conn, &proven)
}

// ServeStream serves a program whose lines the HTTP handler carries; conn has them as they are. It returns when the
// session has ended; conn is closed then. proven are its request's credentials in a sealed room.
func (s *Server) ServeStream(conn net.Conn, proven access.Credentials) {
	s.front.ServeStream(conn, proven)
}

// close ends every session and waits for them. The error is the history's.
func (s *Server) close() error {
	s.room.Close() // first, so that all sessions receive the same events
	s.flush.stop()
	s.nicks.stop()
	err := errors.Join(s.log.Close(), s.sharing.close())
	s.prepareRestart()
	if !s.isClosing() {
		close(s.closing)
	}
	s.front.Close()
	return err
}

func (s *Server) isClosing() bool {
	return isClosed(s.closing)
}

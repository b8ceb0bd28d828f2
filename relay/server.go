package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// A Server hosts one room. It is safe for concurrent use.
type Server struct {
	opts    Options
	history *history.Log
	fanout  *fanout
	wake    func() // history.Wake, made once for all sessions
	room    *room
	pace    pace // of every session

	mu        sync.Mutex
	sessions  map[*session]struct{} // all that are open; under mu
	addresses map[string]int        // how many of them each address has; under mu
	pages     map[string]int        // connections of browsers, by address; under mu
	debts     map[string]time.Time  // by address: when what came from it is paid off; under mu
	closing   bool                  // nobody is let in any more; under mu
	admitted  int                   // sessions since the last tidying; under mu
	tidying   *time.Timer           // nil while there is no need for it; under mu
	serving   sync.WaitGroup        // the sessions; added to under mu and only before closing

	refusals chan struct{} // one place for each refused connection that is still told why
	searches chan struct{} // one place for each search
	over     chan struct{} // closed when the room closes

	past    Stats         // of the sessions that have ended; under mu
	stalled atomic.Uint64 // see Stats.Stalled
	writes  writeTimes
}

// maxRefusals is how many refused connections are told why at the same time.
// Beyond it they are just closed, so that a flood of them takes nothing from the room.
const maxRefusals = 64

// maxSearches is how many searches run at the same time, others wait: fewer than may read
// from disk, so that nobody's coming waits for them.
const maxSearches = 2

// New makes a server for one room, whose log is in memory.
func New(opts Options) *Server {
	s := newServer(opts)
	s.begin(history.New(s.opts.History, s.fanout.add))
	return s
}

// NewOn makes a server for the room that is kept in f, with the id it had. f has to be
// closed when the server has ended.
// The error is that of reading the file.
func NewOn(f *history.File, opts Options) (*Server, error) {
	kept, err := f.Room(nickHeld)
	if err != nil {
		return nil, err
	}
	opts.Room = kept.ID
	s := newServer(opts)
	if s.opts.Title != f.Title() {
		if err := f.SetTitle(s.opts.Title); err != nil {
			return nil, err
		}
	}
	log, err := history.NewOnWithClients(f, s.opts.History, s.fanout.add, s.refusedByDisk, s.opts.Log)
	if err != nil {
		return nil, err
	}
	s.begin(log)
	s.room.restore(kept)
	return s, nil
}

func newServer(opts Options) *Server {
	opts = opts.withDefaults()
	opts.Title = text.Clean(opts.Title)
	return &Server{
		opts:      opts,
		fanout:    &fanout{limit: runtime.GOMAXPROCS(0)},
		pace:      newPace(opts.Rate, opts.Burst),
		sessions:  make(map[*session]struct{}),
		addresses: make(map[string]int),
		pages:     make(map[string]int),
		debts:     make(map[string]time.Time),
		refusals:  make(chan struct{}, maxRefusals),
		searches:  make(chan struct{}, maxSearches),
		over:      make(chan struct{}),
	}
}

// begin gives the server its log.
func (s *Server) begin(log *history.Log) {
	s.history, s.fanout.log, s.wake = log, log, log.Wake
	s.room = newRoom(s.opts, log)
}

// refusedByDisk tells those who said something that it could not be kept, and so is not
// said; without an error, that the disk takes something again.
func (s *Server) refusedByDisk(refused []history.Refused, err error) {
	if err == nil {
		s.opts.Log.Warn("the history is written again")
		return
	}
	s.opts.Log.Error("what is said cannot be kept, and is refused until it can", "error", err)
	s.room.takeBack(refused, err)
}

// Info returns what the room says of itself to those who ask.
func (s *Server) Info() wire.RoomInfo {
	return wire.RoomInfo{
		ID: s.opts.Room, Title: s.opts.Title, Version: wire.Version, App: s.opts.App, Members: s.room.count(),
	}
}

// Next returns the id that the next event in the room gets.
func (s *Server) Next() uint64 { return s.history.Next() }

// Serve accepts connections on ln until ctx ends. Then it closes ln and the room:
// every session is told, gets what was accepted before (for 2 s at most), and is
// closed. Serve returns nil once all have ended, or the error of a listener that
// broke by itself, or of a history that could not be written to its end; running out of
// file descriptors is waited out.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	err := s.accept(ctx, ln)
	ln.Close()
	return errors.Join(err, s.close())
}

// warnEvery is how often it is told that connections cannot be accepted.
const warnEvery = 10 * time.Second

// accept serves what comes in by ln, until ctx ends or ln breaks.
func (s *Server) accept(ctx context.Context, ln net.Listener) error {
	var refused sync.WaitGroup
	defer refused.Wait()
	var pause time.Duration
	var warned time.Time
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			sess, refusal := s.admit(conn, false)
			if sess == nil {
				refused.Go(func() { s.refuse(conn, refusal) })
				continue
			}
			go sess.run(func() {})
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept connections: %w", err)
		default:
			// Out of file descriptors, most likely: others will be given back.
			if time.Since(warned) > warnEvery {
				s.opts.Log.Warn("cannot accept connections for the moment", "error", err)
				warned = time.Now()
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

// ServeConn serves one connection and returns when its session has ended; conn
// is closed then. TCP, a pipe in memory, anything that is a net.Conn with
// deadlines comes in here. One for which there is no room (Options.MaxSessions,
// bans) is told so and closed. When ctx ends the session is told that the room closes.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) { s.serveConn(ctx, conn, false) }

// ServeVisit is ServeConn for a program that comes to say something and goes again at
// once: the room hears what it says, but not that it came and went.
func (s *Server) ServeVisit(ctx context.Context, conn net.Conn) { s.serveConn(ctx, conn, true) }

func (s *Server) serveConn(ctx context.Context, conn net.Conn, visits bool) {
	if framed, ok := conn.(FramedConn); ok {
		if w, ok := framed.NetConn().(*webConn); ok {
			w.release() // the session counts in its place
		}
	}
	sess, refusal := s.admit(conn, visits)
	if sess == nil {
		s.refuse(conn, refusal)
		return
	}
	defer context.AfterFunc(ctx, sess.shutDown)()
	over := make(chan struct{})
	sess.run(func() { close(over) })
	<-over
}

// admit makes a session of conn, or returns why there is no room for it. A visit takes no place: the
// connection on which it is asked for has one.
func (s *Server) admit(conn net.Conn, visits bool) (*session, *wire.Event) {
	address := addressOf(conn.RemoteAddr())
	if address != "" && s.room.isBanned(address) {
		return nil, faultf(wire.CodeBanned, "you are banned from this room")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return nil, faultf(wire.CodeShutdown, "the room closes")
	case visits:
	case len(s.sessions) >= s.opts.MaxSessions:
		return nil, faultf(wire.CodeFull, "the room is full (%d connections); try again later", s.opts.MaxSessions)
	case address != "" && s.addresses[address] >= s.opts.MaxPerAddress:
		return nil, faultf(wire.CodeFull, "too many connections from %s (%d); close one first", address, s.opts.MaxPerAddress)
	}
	sess := newSession(s, conn, address)
	sess.visits = visits
	sess.due = s.debts[address]
	s.sessions[sess] = struct{}{}
	if address != "" && !visits {
		s.addresses[address]++
	}
	if sess.isFramed() {
		s.countPageLocked(address, 1)
	}
	s.past.Opened++
	s.serving.Add(1)
	switch s.admitted++; {
	case s.tidying != nil:
		s.tidying.Reset(rushTime)
	case s.admitted >= rush:
		s.tidying = time.AfterFunc(rushTime, s.tidy)
	}
	return sess, nil
}

// rush is how many sessions leave enough behind by their coming to be worth giving
// back; rushTime is how long after the last of them that is done.
const (
	rush     = 1000
	rushTime = 6 * time.Second
)

// tidy gives the memory back to the system that many sessions needed only to come
// in: a quarter of what each holds.
func (s *Server) tidy() {
	debug.FreeOSMemory()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admitted, s.tidying = 0, nil
}

// release takes back what admit gave.
func (s *Server) release(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, sess)
	s.past.add(sess)
	if sess.isFramed() || sess.handedOver {
		s.countPageLocked(sess.address, -1)
	}
	if sess.address != "" && !sess.visits {
		if s.addresses[sess.address]--; s.addresses[sess.address] == 0 {
			delete(s.addresses, sess.address)
		}
	}
	s.serving.Done()
}

// countPageLocked counts a connection of a browser at address.
func (s *Server) countPageLocked(address string, by int) {
	if s.pages[address] += by; s.pages[address] <= 0 {
		delete(s.pages, address)
	}
}

// hasPage reports whether a browser at address is connected.
func (s *Server) hasPage(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pages[address] > 0
}

// refuse tells why in one line and closes. Nothing is known of the peer yet, so
// the line is one for people, PROTOCOL.md tells programs to expect it; or an answer of HTTP
// where the silence shows a browser, which would take the line for a fault of the network.
func (s *Server) refuse(conn net.Conn, why *wire.Event) {
	defer conn.Close()
	s.opts.Log.Debug("refused", "remote", conn.RemoteAddr().String(), "code", string(why.Code))
	select {
	case s.refusals <- struct{}{}:
		defer func() { <-s.refusals }()
	default:
		return
	}
	line := why.AppendText(nil, wire.Viewer{})
	if framed, ok := conn.(FramedConn); ok { // a program for sure
		line = why.AppendJSON(nil)
		line = framed.AppendGoodbye(append(framed.AppendHeader(nil, len(line)), line...))
	} else if s.opts.Web != nil && beginsWithHTTP(conn) {
		status := "503 Service Unavailable"
		if why.Code == wire.CodeBanned {
			status = "403 Forbidden"
		}
		line = httpRefusal(status, why.Text)
	}
	sayAndClose(conn, line)
}

// beginsWithHTTP reports whether a request comes by conn before the silence is over. It reads the
// beginning of it.
func beginsWithHTTP(conn net.Conn) bool {
	conn.SetReadDeadline(time.Now().Add(silence))
	start := make([]byte, 16)
	n, _ := conn.Read(start)
	return isHTTP(start[:n])
}

// sayAndClose writes b and closes conn so that the peer can read it: closing
// while something the peer sent is unread would reset the connection and take b
// with it. It takes a second at most.
func sayAndClose(conn net.Conn, b []byte) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write(b); err != nil {
		return // it is gone, or does not read: there is nobody to tell
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		io.CopyN(io.Discard, conn, 64<<10)
	}
}

// close ends every session and waits for them. The error is the history's.
func (s *Server) close() error {
	s.room.close() // from here on nothing is said, so that all can be given the same
	err := s.history.Close()
	s.mu.Lock()
	if !s.closing {
		s.closing = true
		close(s.over)
	}
	if s.tidying != nil {
		s.tidying.Stop()
	}
	for sess := range s.sessions {
		sess.shutDown()
	}
	s.mu.Unlock()
	s.serving.Wait()
	return err
}

// addressOf returns what limits and bans count a peer by: its IP address. It is ""
// for this machine itself and for what is no network at all.
func addressOf(addr net.Addr) string {
	if addr == nil {
		return ""
	}
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return ""
	}
	return addressKey(at.Addr())
}

func addressKey(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if ip.IsLoopback() {
		return ""
	}
	return ip.String()
}

// keepDebt remembers how far a session that ends was ahead of its pace, so that
// coming back is no way around it.
func (s *Server) keepDebt(address string, due time.Time) {
	if address == "" || !due.After(time.Now()) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.debts) >= maxDebts {
		maps.DeleteFunc(s.debts, func(_ string, due time.Time) bool { return due.Before(time.Now()) })
	}
	if len(s.debts) < maxDebts && s.debts[address].Before(due) {
		s.debts[address] = due
	}
}

// maxDebts is how many addresses' debts are remembered at once, each for ten
// seconds with the usual limits.
const maxDebts = 10_000

// faultf makes the answer to what cannot be done.
func faultf(code wire.Code, format string, args ...any) *wire.Event {
	return &wire.Event{Type: wire.TypeError, Code: code, Text: fmt.Sprintf(format, args...)}
}

func byeEvent(code wire.Code, text string) wire.Event {
	return wire.Event{Type: wire.TypeBye, Code: code, Text: text}
}

package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"chat/relay/internal/room"
	"chat/relay/internal/session"
	"chat/relay/internal/websocket"
	"chat/relay/wire"
)

// Options are the limits at the door. All are positive; [session.Unlimited] and
// [session.Never] stand for no limit.
type Options struct {
	MaxConns      int // connections in all
	MaxPerAddress int // connections of one address; this machine itself is exempt
	Rate          session.Rate
	FirstLine     time.Duration // a first line that was begun must end within it
	DeadPeer      time.Duration // TCP finds a peer that is gone within it

	// HTTP takes connections that speak HTTP, as a *Conn. It has to close them. nil: they
	// get an error.
	HTTP func(net.Conn)
}

// A Front admits connections and hands each to its door. It is safe for concurrent use.
type Front struct {
	opts Options
	door *session.Door
	log  *slog.Logger

	refusals chan struct{} // one place for each refused connection that is told why

	mu       sync.Mutex
	conns    map[*Conn]struct{}   // all that are admitted; guarded by mu
	closing  bool                 // none is admitted any more; guarded by mu
	visits   int                  // of conns; guarded by mu
	counts   map[string]int       // of conns but visits, by address; guarded by mu
	browsers map[string]int       // of conns that speak HTTP, by address; guarded by mu
	debts    map[string]time.Time // by address: when the input from it is paid off; guarded by mu
	past     Stats                // of conns that are closed; guarded by mu
	rush     int                  // conns since memory was last released; guarded by mu
	release  *time.Timer          // releases memory after a rush; nil: there was none; guarded by mu
	open     sync.WaitGroup       // conns; added to under mu and only before closing
}

// Stats are what the front counts.
type Stats struct {
	Open   int    // connections that are open now
	Opened uint64 // connections there have been
	session.Counts
}

const (
	// Silence is how long the host leaves the first word to the client. It is part of the
	// protocol: one port tells programs from people by their first line.
	Silence = 300 * time.Millisecond

	// browserSilence takes its place while a browser at the same address is connected: it
	// opens connections ahead, which are silent until it needs them.
	browserSilence = 12 * time.Second

	// maxRefusals is how many refused connections are told why at the same time. Beyond
	// it they are just closed, so that a flood of them takes nothing from the room.
	maxRefusals = 64

	// maxDebts is how many addresses' debts are remembered at once, each for ten seconds
	// with the usual limits.
	maxDebts = 10_000
)

// New returns a front for the sessions of door.
func New(opts Options, door *session.Door, log *slog.Logger) *Front {
	return &Front{
		opts:     opts,
		door:     door,
		log:      log,
		conns:    make(map[*Conn]struct{}),
		counts:   make(map[string]int),
		browsers: make(map[string]int),
		debts:    make(map[string]time.Time),
		refusals: make(chan struct{}, maxRefusals),
	}
}

// warnEvery is how often it is reported that connections cannot be accepted.
const warnEvery = 10 * time.Second

// Accept serves the connections of ln until ctx ends, then it returns nil, or until ln
// fails, then it returns the error. Running out of file descriptors is waited out.
func (f *Front) Accept(ctx context.Context, ln net.Listener) error {
	var refused sync.WaitGroup
	defer refused.Wait()
	var pause time.Duration
	var warned time.Time
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			c, fault := f.admit(conn, false)
			if c == nil {
				refused.Go(func() { f.refuse(conn, fault) })
				continue
			}
			go c.serve()
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept connections: %w", err)
		default:
			// Out of file descriptors, most likely: others will be closed.
			if time.Since(warned) > warnEvery {
				f.log.Warn("cannot accept connections right now", "error", err)
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

// Serve serves one connection and returns when it is closed, or has been refused. When ctx
// ends, the connection is told that the room closes. visit is room.Member.Visit.
func (f *Front) Serve(ctx context.Context, conn net.Conn, visit bool) {
	c, fault := f.admit(conn, visit)
	if c == nil {
		f.refuse(conn, fault)
		return
	}
	done := make(chan struct{})
	c.whenClosed(func() { close(done) })
	defer context.AfterFunc(ctx, c.end)()
	c.serve()
	<-done
}

// ServeWebSocket serves a program on a WebSocket whose handshake is done. ahead are the bytes
// that were read after it. It returns once the program has said hello; the session continues.
// A [Conn] that was admitted continues on its admission.
func (f *Front) ServeWebSocket(conn net.Conn, ahead []byte) {
	c, ok := conn.(*Conn)
	if !ok {
		var fault error
		if c, fault = f.admit(conn, false); c == nil {
			f.refuseWebSocket(conn, fault)
			return
		}
		c.watchPeer()
	}
	c.serveWebSocket(ahead)
}

// admit returns conn as one that counts against the limits, or the fault that keeps it
// out. A visit takes no place: the connection on which it was asked for has one.
func (f *Front) admit(conn net.Conn, visit bool) (*Conn, error) {
	address := AddressOf(conn.RemoteAddr())
	if err := f.door.Room.Admit(address); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closing:
		return nil, wire.Faultf(wire.CodeShutdown, "the room is closing")
	case visit:
	case len(f.conns)-f.visits >= f.opts.MaxConns:
		return nil, wire.Faultf(wire.CodeFull, "the room is full (%d connections); try again later", f.opts.MaxConns)
	case address != "" && f.counts[address] >= f.opts.MaxPerAddress:
		return nil, wire.Faultf(wire.CodeFull, "too many connections from %s (%d); close one first", address, f.opts.MaxPerAddress)
	}
	c := newConn(f, conn, address, visit)
	c.bucket = session.Bucket{Rate: &f.opts.Rate, Due: f.debts[address]}
	f.conns[c] = struct{}{}
	switch {
	case visit:
		f.visits++
	case address != "":
		f.counts[address]++
	}
	f.past.Opened++
	f.open.Add(1)
	f.countRushLocked()
	return c, nil
}

// remove takes back what admit gave.
func (f *Front) remove(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	if s := c.currentSession(); s != nil {
		f.past.Add(s.Counts())
	}
	if c.isBrowser {
		f.countBrowserLocked(c.address, -1)
	}
	switch {
	case c.visit:
		f.visits--
	case c.address != "":
		if f.counts[c.address]--; f.counts[c.address] == 0 {
			delete(f.counts, c.address)
		}
	}
	f.keepDebtLocked(c.address, c.bucket.Due)
	f.open.Done()
}

// addBrowser notes that c speaks HTTP.
func (f *Front) addBrowser(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.isBrowser = true
	f.countBrowserLocked(c.address, 1)
}

func (f *Front) countBrowserLocked(address string, by int) {
	if f.browsers[address] += by; f.browsers[address] <= 0 {
		delete(f.browsers, address)
	}
}

// hasBrowser reports whether a connection of address speaks HTTP.
func (f *Front) hasBrowser(address string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.browsers[address] > 0
}

// keepDebtLocked remembers how far a connection was ahead of its rate, so that
// reconnecting is no way around it.
func (f *Front) keepDebtLocked(address string, due time.Time) {
	if address == "" || !due.After(time.Now()) {
		return
	}
	if len(f.debts) >= maxDebts {
		maps.DeleteFunc(f.debts, func(_ string, due time.Time) bool { return due.Before(time.Now()) })
	}
	if len(f.debts) < maxDebts && due.After(f.debts[address]) {
		f.debts[address] = due
	}
}

const (
	// rush is how many connections leave enough memory behind by being admitted to be
	// worth releasing; rushTime is how long after the last of them that is done.
	rush     = 1000
	rushTime = 6 * time.Second
)

func (f *Front) countRushLocked() {
	switch f.rush++; {
	case f.release != nil:
		f.release.Reset(rushTime)
	case f.rush >= rush:
		f.release = time.AfterFunc(rushTime, f.releaseMemory)
	}
}

// releaseMemory returns the memory to the system that many connections needed only to be
// admitted: a quarter of what each holds.
func (f *Front) releaseMemory() {
	debug.FreeOSMemory()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rush, f.release = 0, nil
}

// refuse tells the peer in one line why it is not admitted, and closes conn. Nothing is
// known of it yet, so the line is one for people, which PROTOCOL.md tells programs to
// expect; or an HTTP response, for a browser would take the line for a network error.
func (f *Front) refuse(conn net.Conn, why error) {
	f.refuseWith(conn, why, func(fault *wire.Fault) []byte {
		if f.opts.HTTP != nil && startsWithHTTP(conn) {
			status := "503 Service Unavailable"
			if fault.Code == wire.CodeBanned {
				status = "403 Forbidden"
			}
			return httpError(status, fault.Text)
		}
		e := fault.Event(0)
		return e.AppendText(nil, wire.Viewer{})
	})
}

// refuseWebSocket is refuse for a WebSocket, whose peer is a program.
func (f *Front) refuseWebSocket(conn net.Conn, why error) {
	f.refuseWith(conn, why, func(fault *wire.Fault) []byte {
		e := fault.Event(0)
		line := e.AppendJSON(nil)
		frames := append(websocket.AppendTextHeader(nil, len(line)), line...)
		return websocket.AppendClose(frames, websocket.GoingAway, "")
	})
}

// refuseWith sends the answer to a fault, unless too many are refused at the moment, and
// closes conn.
func (f *Front) refuseWith(conn net.Conn, why error, answer func(*wire.Fault) []byte) {
	defer conn.Close()
	fault, ok := errors.AsType[*wire.Fault](why)
	if !ok {
		fault = wire.Faultf(wire.CodeFull, "%s", why)
	}
	f.log.Debug("refused a connection", "remote", conn.RemoteAddr().String(), "code", string(fault.Code))
	select {
	case f.refusals <- struct{}{}:
		defer func() { <-f.refusals }()
	default:
		return
	}
	sendAndClose(conn, answer(fault))
}

// startsWithHTTP reports whether a request arrives on conn within Silence. It reads its start.
func startsWithHTTP(conn net.Conn) bool {
	conn.SetReadDeadline(time.Now().Add(Silence))
	start := make([]byte, 16)
	n, _ := conn.Read(start)
	return isHTTP(start[:n])
}

// sendAndClose sends b and closes conn so that the peer can read it: closing while some of
// its bytes are unread would reset the connection and lose b. It takes a second at most.
func sendAndClose(conn net.Conn, b []byte) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write(b); err != nil {
		return // it is gone, or does not read
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		io.CopyN(io.Discard, conn, 64<<10)
	}
}

// Close ends every connection and waits until all are closed. No other is admitted.
func (f *Front) Close() {
	f.mu.Lock()
	f.closing = true
	if f.release != nil {
		f.release.Stop()
	}
	for c := range f.conns {
		c.end()
	}
	f.mu.Unlock()
	f.open.Wait()
}

// Stats returns what the front and its sessions count. It looks at every session.
func (f *Front) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	stats := f.past
	stats.Open = len(f.conns)
	for c := range f.conns {
		if s := c.currentSession(); s != nil {
			stats.Add(s.Counts())
		}
	}
	return stats
}

// AddressOf returns the text by which limits and bans count a peer: its IP address, or ""
// for this machine's own and for anything but a network.
func AddressOf(addr net.Addr) string {
	if addr == nil {
		return ""
	}
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return ""
	}
	return room.AddressKey(at.Addr())
}

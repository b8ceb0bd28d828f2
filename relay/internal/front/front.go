package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"chat/relay/endpoint"
	"chat/relay/internal/access"
	"chat/relay/internal/pace"
	"chat/relay/internal/room"
	"chat/relay/internal/session"
	"chat/relay/internal/websocket"
	"chat/relay/wire"
)

// Options are the limits of a Front. All are positive; [session.Unlimited] and
// [session.Never] mean no limit.
type Options struct {
	MaxConns      int           // connections in total
	MaxPerAddress int           // connections from one address group (endpoint.Group); this machine is exempt
	Arrivals      session.Rate  // of new connections from one address group; this machine is exempt
	Rate          session.Rate  // of the lines of one connection
	FirstLine     time.Duration // an incomplete first line closes the connection after this
	DeadPeer      time.Duration // TCP detects an unresponsive peer within this

	// TLS makes the room sealed: connections from other machines have to be encrypted. It needs a certificate; the
	// front chooses versions and protocols, and does not call GetConfigForClient. nil: a plain room.
	TLS *tls.Config
	// Names are the host names, in addition to addresses and localhost, that a redirect to HTTPS may use.
	Names []string

	// TrustedProxies are reverse proxies, whose HTTP connections count for their clients.
	TrustedProxies endpoint.Proxies

	// HTTP serves connections that speak HTTP, as a *Conn, and must close them. nil: they
	// get an error.
	HTTP func(net.Conn)
}

// A Front admits connections and hands each to a session or to the HTTP handler. It is safe
// for concurrent use.
type Front struct {
	// fixed after New
	opts     Options
	door     *session.Door
	log      *slog.Logger
	refusals chan struct{} // a semaphore: refused connections that are being answered

	handshakes turns // see maxHandshakes

	busySince atomic.Int64 // when Accept got the connection that it deals with, in Unix ns; 0: it waits for the next

	rate     session.CurrentRate // Options.Rate, until SetLimits
	arriving session.CurrentRate // Options.Arrivals, likewise

	times atomic.Pointer[times] // of Options, likewise

	mu       sync.Mutex         // guards all below but open
	conns    map[*Conn]struct{} // admitted and not yet closed
	closing  bool               // no connection is admitted any more
	places   places             // of conns but visits
	browsers map[string]int     // number of conns that asked for the page, by address
	debts    pace.Dues          // when an address group has paid off its excess input
	arrivals pace.Dues          // when the next connection of an address group is due
	past     Stats              // of closed connections
	rush     int                // conns admitted since memory was last released
	release  *time.Timer        // releases memory after a rush; nil: there was none

	refused    refusals
	unaccepted atomic.Pointer[error] // why the last attempt to accept a connection failed; nil: it did not

	open sync.WaitGroup // of conns; Add is called under mu and only before closing
}

// times are the times of Options that SetLimits replaces.
type times struct{ firstLine, deadPeer time.Duration }

// Stats are the counters of a Front.
type Stats struct {
	Open   int    // open connections now, without those at the door
	Opened uint64 // likewise, so far

	Refused Refusals
	session.Counts
}

const (
	// Silence is how long the host waits for the first line before it greets the client as a
	// person. It is part of the protocol: the first line distinguishes programs from people.
	Silence = 300 * time.Millisecond

	// browserSilence replaces Silence while a browser at the same address is connected:
	// browsers open spare connections and send nothing on them until they need one.
	browserSilence = 12 * time.Second

	// maxRefusals is how many refused connections get an answer at the same time. Any more
	// are closed at once, so that a flood of them does not slow the room down.
	maxRefusals = 64
)

// New returns a front for the sessions of door.
func New(opts Options, door *session.Door, log *slog.Logger) *Front {
	opts.TLS = tlsConfig(opts.TLS)
	f := &Front{
		opts:     opts,
		door:     door,
		log:      log,
		conns:    make(map[*Conn]struct{}),
		places:   newPlaces(opts.MaxConns, opts.MaxPerAddress),
		browsers: make(map[string]int),
		debts:    make(pace.Dues),
		arrivals: make(pace.Dues),
		refusals: make(chan struct{}, maxRefusals),

		handshakes: make(turns, maxHandshakes),
	}
	f.rate.Set(opts.Rate)
	f.arriving.Set(opts.Arrivals)
	f.times.Store(&times{opts.FirstLine, opts.DeadPeer})
	return f
}

// SetLimits replaces the limits MaxConns, MaxPerAddress, Arrivals, Rate, FirstLine and DeadPeer; other options stay. Connections
// that have a place keep it, and their DeadPeer.
func (f *Front) SetLimits(to Options) {
	f.mu.Lock()
	f.places.max, f.places.maxPerGroup = to.MaxConns, to.MaxPerAddress
	f.mu.Unlock()
	f.rate.Set(to.Rate)
	f.arriving.Set(to.Arrivals)
	f.times.Store(&times{to.FirstLine, to.DeadPeer})
}

// warnEvery is the pause between warnings that connections cannot be accepted.
const warnEvery = 10 * time.Second

// Accept serves the connections of ln. It returns nil once ctx ends, or the error of ln if
// it was closed otherwise. If the process runs out of file descriptors, Accept waits and
// continues.
func (f *Front) Accept(ctx context.Context, ln net.Listener) error {
	var refused sync.WaitGroup
	defer refused.Wait()
	var pause time.Duration
	var warned time.Time
	for {
		f.busySince.Store(0)
		conn, err := ln.Accept()
		f.busySince.Store(time.Now().UnixNano())
		switch {
		case err == nil:
			pause = 0
			f.unaccepted.Store(nil)
			c, fault := f.admit(conn, nil)
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
			// Most likely out of file descriptors; some will be closed.
			failure := err // so that err itself stays on the stack
			f.unaccepted.Store(&failure)
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

// Busy returns for how long Accept has been at one connection; 0: it waits for the next.
func (f *Front) Busy() time.Duration {
	if since := f.busySince.Load(); since != 0 {
		return time.Since(time.Unix(0, since))
	}
	return 0
}

// AcceptError returns why no connection can be accepted at the moment; nil: they are, as far as is known.
func (f *Front) AcceptError() error {
	if err := f.unaccepted.Load(); err != nil {
		return *err
	}
	return nil
}

// Serve serves one connection and returns when it is closed, or has been refused. When ctx
// ends, the connection ends with a bye. visit has the credentials of a visit (room.Member.Visit); nil: it is none.
func (f *Front) Serve(ctx context.Context, conn net.Conn, visit *access.Credentials) {
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
// A [Conn] that was admitted continues on its admission. proven is what its request has shown in a sealed room.
func (f *Front) ServeWebSocket(conn net.Conn, ahead []byte, proven access.Credentials) {
	c, ok := conn.(*Conn)
	if !ok {
		var fault error
		if c, fault = f.admit(conn, nil); c == nil {
			f.refuseWebSocket(conn, fault)
			return
		}
		c.watchPeer()
	}
	c.serveWebSocket(ahead, proven)
}

// admit counts conn against the limits and returns it as a Conn, or returns the fault for
// which it is refused. If the limits leave it no place it waits at the door: see places. A
// visit is not counted: its HTTP connection is.
func (f *Front) admit(conn net.Conn, visit *access.Credentials) (*Conn, error) {
	address, _ := AddressOf(conn.RemoteAddr())
	if err := f.door.Room.Admit(address); err != nil {
		f.refused.banned.Add(1)
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		return nil, wire.Faultf(wire.CodeShutdown, "the room is closing")
	}
	c := newConn(f, conn, visit)
	if visit != nil {
		f.past.Opened++
	} else if err := f.arriveLocked(c); err != nil {
		return nil, err
	}
	c.bucket = session.Bucket{Rate: &f.rate, Due: f.debts[c.group]}
	f.conns[c] = struct{}{}
	f.open.Add(1)
	f.countRushLocked()
	return c, nil
}

// remove undoes admit.
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
	f.places.remove(c)
	if c.group != "" {
		f.debts.Keep(c.group, c.bucket.Due, time.Now())
	}
	f.open.Done()
}

// addBrowser counts c as the connection of a browser. Only the first call counts.
func (f *Front) addBrowser(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !c.isBrowser {
		c.isBrowser = true
		f.countBrowserLocked(c.address, 1)
	}
}

func (f *Front) countBrowserLocked(address string, by int) {
	if f.browsers[address] += by; f.browsers[address] <= 0 {
		delete(f.browsers, address)
	}
}

// awaitsBrowser reports whether c, which has sent nothing, may be a spare connection of a
// browser: one at its address has the page open. At the door there is no time to wait for it.
func (f *Front) awaitsBrowser(c *Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.browsers[c.address] > 0 && c.place.state != atDoor
}

const (
	// After rushSize new connections, and rushTime after the last of them, memory is
	// returned to the system.
	rushSize = 1000
	rushTime = 6 * time.Second
)

func (f *Front) countRushLocked() {
	switch f.rush++; {
	case f.release != nil:
		f.release.Reset(rushTime)
	case f.rush >= rushSize:
		f.release = time.AfterFunc(rushTime, f.releaseMemory)
	}
}

// releaseMemory returns to the system the memory that connections needed only while they
// were admitted: a quarter of the memory of each.
func (f *Front) releaseMemory() {
	debug.FreeOSMemory()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rush, f.release = 0, nil
}

// refuse sends the peer one line that says why it is not admitted, and closes conn. The
// peer has not sent anything yet, so the line is for people; PROTOCOL.md says that programs
// must expect it. A browser gets an HTTP response, or it would report a network error. In a sealed room the answer is
// encrypted if the peer begins with TLS.
func (f *Front) refuse(conn net.Conn, why error) {
	f.refuseWith(conn, why, func(fault *wire.Fault) (net.Conn, []byte) {
		to, isHTTP := f.recognizeRefused(conn)
		if f.opts.HTTP != nil && isHTTP {
			status := "503 Service Unavailable"
			if fault.Code == wire.CodeBanned {
				status = "403 Forbidden"
			}
			return to, httpError(status, fault.Text)
		}
		e := fault.Event(0)
		return to, e.AppendText(nil, wire.Viewer{})
	})
}

// refuseWebSocket is refuse for a WebSocket, whose peer is a program.
func (f *Front) refuseWebSocket(conn net.Conn, why error) {
	f.refuseWith(conn, why, func(fault *wire.Fault) (net.Conn, []byte) {
		e := fault.Event(0)
		line := e.AppendJSON(nil)
		frames := append(websocket.AppendTextHeader(nil, len(line)), line...)
		return conn, websocket.AppendClose(frames, websocket.GoingAway, "")
	})
}

// refuseWith sends the answer to a fault on the connection that answer returns, unless too many are refused at the
// moment, and closes conn.
func (f *Front) refuseWith(conn net.Conn, why error, answer func(*wire.Fault) (net.Conn, []byte)) {
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
	sendAndClose(answer(fault))
}

// recognizeRefused reports whether an HTTP request arrives on conn within Silence, by TLS in a sealed room. It reads
// the start of the request, and returns the connection for the answer.
func (f *Front) recognizeRefused(conn net.Conn) (to net.Conn, isRequest bool) {
	if f.opts.HTTP == nil && f.opts.TLS == nil {
		return conn, false
	}
	start := startOf(conn)
	conn.SetDeadline(time.Now().Add(refusedHandshake))
	to, err := f.encryptRefused(conn, start)
	if err != nil {
		f.log.Debug("not encrypted; closed", "remote", conn.RemoteAddr().String(), "error", err)
	}
	if to != conn {
		start = startOf(to)
	}
	return to, isHTTP(start)
}

// refusedHandshake is how long the handshake with a refused peer may take.
const refusedHandshake = time.Second

// startOf returns the bytes that arrive first on conn within Silence.
func startOf(conn net.Conn) []byte {
	conn.SetReadDeadline(time.Now().Add(Silence))
	start := make([]byte, 16)
	n, _ := conn.Read(start)
	return start[:n]
}

// sendAndClose sends b and closes conn so that the peer can read b: closing with unread
// input would reset the connection and lose b. It takes at most about a second.
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

// Close ends every connection and waits until all are closed. No more are admitted.
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

// Stats returns the counters of the front and its sessions. It locks every session.
func (f *Front) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	stats := f.past
	stats.Refused = f.refused.counts()
	stats.Open = len(f.conns) - f.places.door
	for c := range f.conns {
		if s := c.currentSession(); s != nil {
			stats.Add(s.Counts())
		}
	}
	return stats
}

// AddressOf returns the key of a peer for bans, its IP address, and that for limits, its group
// ([endpoint.Group]). Both are "" if the peer is on this machine or addr is no network address.
func AddressOf(addr net.Addr) (address, group string) {
	if addr == nil {
		return "", ""
	}
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return "", ""
	}
	if address, group = room.AddressKey(at.Addr()), endpoint.Group(at.Addr()); group == address {
		group = address // one string, not two
	}
	return address, group
}

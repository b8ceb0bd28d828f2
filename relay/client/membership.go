package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

const (
	firstPause  = 250 * time.Millisecond // before the first attempt to reconnect
	maxPause    = 15 * time.Second       // reached after a dozen attempts
	pauseGrowth = 1.6
	pauseJitter = 0.3 // ±, so that the members of a room do not reconnect all at once

	// steady is how long a connection must last before the pauses start over: a host
	// that crashes after each welcome must not be dialed four times a second.
	steady = 10 * time.Second

	// findAfter is how many attempts to reconnect follow the first call of Find; from then on
	// every other one calls it again.
	findAfter = 3
)

// A membership is the state of a client that outlives its connections: where the host is,
// how the host knows us, and which events came. It is owned by the goroutine of run, which
// also reads from each connection.
type membership struct {
	*Client
	opts Options

	addr  string // of the host, as last dialed
	room  string // its ID; before the first welcome Options.Room
	title string // its title
	token string
	nick  string // to ask for; the host may have given another one
	id    string // our client ID in the room

	transferred *lastTime // Client.transferred, from before there is a Client

	joined   bool          // there was a welcome
	dropping bool          // the client is being closed, and an event found no reader: none may follow it
	last     uint64        // ID of the last event; not the highest: an odd ID must not hide all that follow
	since    uint64        // last, when the connection began: events up to it are duplicates
	next     uint64        // ID of the first event that is not Past
	base     uint64        // the lowest next ID in the welcomes to this room
	baseAt   time.Time     // when that welcome came
	pause    time.Duration // before the last attempt, without jitter
}

// join makes the first connection.
func (s *membership) join(ctx context.Context) (*link, wire.Event, error) {
	if s.addr == "" && s.opts.Find != nil {
		addr, err := s.opts.Find(ctx, wire.RoomInfo{ID: s.room})
		if err != nil {
			return nil, wire.Event{}, err
		}
		s.addr = addr
	}
	return s.connect(ctx, s.addr, s.hello())
}

// hello returns the hello for the next connection.
func (s *membership) hello() wire.Request {
	r := wire.Request{
		Type: wire.TypeHello, Version: wire.Version,
		Nick: s.nick, Token: s.token, Room: s.room, Since: s.last,
	}
	if s.joined { // since 0 would bring only a backlog; event 1 is a join, which we need not see
		r.Since = max(r.Since, 1)
	}
	if !s.joined && s.opts.Backlog != 0 {
		n := max(s.opts.Backlog, 0)
		r.Backlog = &n
	}
	return r
}

// connect dials addr, sends hello and returns the welcome.
func (s *membership) connect(ctx context.Context, addr string, hello wire.Request) (*link, wire.Event, error) {
	conn, err := s.dial(ctx, addr)
	if err != nil {
		return nil, wire.Event{}, err
	}
	l := newLink(conn, addr, s.opts.Idle, s.transferred)
	welcome, err := l.hello(ctx, hello)
	if err != nil {
		conn.Close()
		return nil, wire.Event{}, fmt.Errorf("join %s: %w", addr, err)
	}
	return l, welcome, nil
}

func (s *membership) dial(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.DialTimeout)
	defer cancel()
	conn, err := s.opts.Dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, withoutAddr(err))
	}
	return conn, nil
}

// withoutAddr removes the "dial tcp ADDR:" that dialers put before their errors.
func withoutAddr(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// run serves one connection after another until the client ends.
func (s *membership) run(ctx, stay context.Context, l *link) {
	err := s.serve(ctx, stay, l)
	for !isFinal(err) && stay.Err() == nil {
		var next *link
		if next, err = s.reconnect(stay, l, err); err != nil {
			break
		}
		l = next
		err = s.serve(ctx, stay, l)
	}
	s.finish(ctx, stay, err)
}

// finish records why the client has ended.
func (s *membership) finish(ctx, stay context.Context, err error) {
	switch {
	case s.out.isClosing():
		err = nil
		s.out.end(ErrClosed)
	case stay.Err() != nil:
		err = context.Cause(ctx)
		s.out.end(err)
	default:
		s.out.end(err)
	}
	s.opts.Keeper.Release()
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	s.leave()
	s.cancel()
	close(s.events)
	close(s.done)
}

// reconnect tries until there is a new connection. cause is why l ended.
func (s *membership) reconnect(stay context.Context, l *link, cause error) (*link, error) {
	lost := time.Now()
	if lost.Sub(l.began) >= steady {
		s.pause = 0
	}
	var f *finding
	defer func() { f.stop() }()
	for attempt := 0; ; attempt++ {
		pause := s.nextPause()
		if s.opts.GiveUp > 0 {
			left := s.opts.GiveUp - time.Since(lost)
			if left <= 0 {
				return nil, fmt.Errorf("%w after %v: %w", ErrGaveUp, s.opts.GiveUp, cause)
			}
			pause = min(pause, left)
		}
		s.emit(stay, Disconnected{Err: cause, RetryIn: pause, Attempt: attempt})
		if f == nil && (attempt == 0 || attempt >= findAfter && (attempt-findAfter)%2 == 0) {
			f = s.startFinding(stay, attempt)
		}
		var addr string
		var err error
		if addr, f, err = s.waitToRedial(stay, pause, f); err != nil {
			return nil, err
		}
		var next *link
		next, f, err = s.redial(stay, addr, f)
		if err == nil || isFinal(err) || stay.Err() != nil {
			return next, err
		}
		cause = err
	}
}

// nextPause returns how long to wait before the next attempt.
func (s *membership) nextPause() time.Duration {
	s.pause = min(max(time.Duration(float64(s.pause)*pauseGrowth), firstPause), maxPause)
	return time.Duration(float64(s.pause) * (1 + pauseJitter*(2*mathrand.Float64()-1)))
}

// sleep waits for d. It returns false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// rejoin connects to the room we were in. If its host was restarted without a history, it
// is a new room at the old address, or a room of the same title at a new address: both
// will do. The token is not shown to any other room.
func (s *membership) rejoin(ctx context.Context, addr string) (*link, error) {
	hello, elsewhere := s.hello(), addr != s.addr
	if elsewhere {
		same, err := s.checkRoom(ctx, addr)
		if err != nil {
			return nil, err
		}
		if !same { // it may belong to a stranger, who must not get our token
			s.token = rand.Text()
			hello.Token, hello.Room, hello.Since = s.token, "", 0
		}
	}
	l, welcome, err := s.connect(ctx, addr, hello)
	if hasCode(err, wire.CodeWrongRoom) && !elsewhere {
		hello.Room, hello.Since = "", 0
		l, welcome, err = s.connect(ctx, addr, hello)
	}
	if err != nil {
		return nil, err
	}
	if welcome.Room != s.room && welcome.Title != s.title && addr != s.addr {
		l.conn.Close()
		return nil, errOtherRoom
	}
	s.adopt(l, welcome)
	return l, nil
}

// checkRoom probes the room at addr. It returns true if it is ours, false if it only has
// the same title, as ours may after a restart, and an error for any other room.
func (s *membership) checkRoom(ctx context.Context, addr string) (same bool, err error) {
	conn, err := s.dial(ctx, addr)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(probeTimeout))
	info, err := probe(conn)
	if err == nil && info.ID != s.room && info.Title != s.title {
		err = errOtherRoom
	}
	return info.ID == s.room, err
}

// serve reads from a connection until it ends, while a second goroutine writes. It closes
// the connection and returns why it ended.
func (s *membership) serve(ctx, stay context.Context, l *link) error {
	defer context.AfterFunc(ctx, func() { l.conn.Close() })()
	var beside sync.WaitGroup
	var writeErr error
	watching, stopWatching := context.WithCancel(ctx)
	beside.Go(func() { s.watch(watching, l) })
	beside.Go(func() { writeErr = l.write() })
	readErr := s.read(stay, l)
	stopWatching()
	close(l.ended)
	l.conn.Close()
	beside.Wait()

	switch {
	case l.goodbye != nil:
		return l.goodbye
	case l.endedBy() != nil:
		return l.endedBy()
	case writeErr != nil && (errors.Is(readErr, net.ErrClosed) || errors.Is(readErr, io.ErrClosedPipe)):
		return writeErr // the writer closed the connection while the reader used it
	}
	return readErr
}

// read handles events until the connection ends.
func (s *membership) read(stay context.Context, l *link) error {
	s.emit(stay, l.connected)
	for {
		e, err := l.next()
		if err != nil {
			return err
		}
		s.handle(stay, l, e)
		if e.Type == wire.TypeBye {
			return errHungUp
		}
	}
}

// handle delivers an event to the program and then acts on it. The order matters: once a
// Flush has returned, the events with the program's own messages are in Events.
func (s *membership) handle(stay context.Context, l *link, e wire.Event) {
	switch e.Type {
	case wire.TypeWelcome, wire.TypePong:
		return
	case wire.TypeBye:
		l.goodbye = refused(e)
	case wire.TypeError:
		switch {
		case e.Code == wire.CodeDuplicate && e.Seq != 0:
			s.out.acknowledge(e.Seq) // we resent it, to be sure
			return
		case e.Code == wire.CodeShutdown && e.Seq != 0:
			return // the host was closing already; the message waits for the next connection
		case e.Code == wire.CodeNotStored && e.Seq != 0:
			if s.out.retry(e.Seq) {
				s.emit(stay, Received{Event: e})
			}
			return
		case e.Code.Final():
			l.goodbye = refused(e)
		}
	}
	own := e.Client != "" && e.Client == s.id
	s.noteFiles(&e)
	if e.ID == 0 || e.ID > s.since {
		if e.ID != 0 && s.isPlausible(e.ID) {
			s.last = e.ID
		}
		s.emit(stay, Received{Event: e, Own: own, Past: e.ID != 0 && e.ID < s.next})
	}
	switch {
	case e.Type == wire.TypeGap:
		s.out.resend()
	case e.Type == wire.TypeError && e.Seq != 0 && !e.Code.Final():
		s.out.reject(e)
	case e.Type == wire.TypeError && e.Code == wire.CodeTooLong:
		s.out.rejectLongest(e)
	case own && e.Seq != 0:
		s.out.acknowledge(e.Seq)
	}
	if own && e.Type == wire.TypeNick {
		s.wantNick(cmp.Or(e.Wanted, e.Nick))
	}
}

// The log of a room cannot have grown by more than this since a welcome named its next ID,
// so no host assigns IDs beyond it. A fast host commits less than 2^20 events a second.
const (
	eventsAtOnce    = 1 << 20
	eventsPerSecond = 1 << 20
)

// isPlausible reports whether the room's log can have reached id by now. A client that
// resumed after an implausible ID would miss all events up to it.
func (s *membership) isPlausible(id uint64) bool {
	if id < s.base || id-s.base <= eventsAtOnce {
		return true
	}
	return id-s.base-eventsAtOnce <= eventsPerSecond*uint64(time.Since(s.baseAt)/time.Second)
}

// emit delivers an event to the program. While the client is being closed the program may
// have stopped reading: then this and all later events are dropped.
func (s *membership) emit(stay context.Context, e Event) {
	if s.dropping {
		return
	}
	select {
	case s.events <- e:
		return
	default:
	}
	select {
	case s.events <- e:
	case <-stay.Done():
		s.dropping = true // an event after this one would leave a hole
	}
}

// adopt makes the room that welcomed us over l the current one.
func (s *membership) adopt(l *link, welcome wire.Event) {
	first := !s.joined
	fresh := first || welcome.Room != s.room
	if fresh {
		s.last = 0
	}
	if welcome.Next > 0 {
		s.last = min(s.last, welcome.Next-1) // a higher ID was not from this log
	}
	s.since = s.last
	if fresh || welcome.Next < s.base {
		s.base, s.baseAt = welcome.Next, l.began
	}
	if fresh && welcome.Next > 0 {
		s.last = welcome.Next - 1 // until an event comes: if the connection is lost before, a backlog might not reach back this far
	}
	s.joined = true
	s.addr, s.room, s.title = l.addr, welcome.Room, welcome.Title
	s.id, s.next = welcome.Client, welcome.Next
	if welcome.Token != "" {
		s.token = welcome.Token
	}
	s.opts.Keeper.Keep(Identity{Room: s.room, Client: s.id, Token: s.token})
	welcome.Token = "" // a secret: programs may print welcomes
	s.mu.Lock()
	s.welcome, s.hostAddr = welcome, l.addr
	if fresh { // its uploads have other numbers
		s.files = nil
	}
	s.mu.Unlock()
	s.out.restart(welcome.Seq)
	l.out = s.out
	l.connected = Connected{Welcome: welcome, Addr: l.addr, Resumed: !first, NewRoom: !first && fresh}
}

// wantNick remembers the nick to ask for next time, unless only a host may assign it.
func (s *membership) wantNick(nick string) {
	if nick, err := text.NormalizeNick(nick); err == nil {
		s.nick = nick
	}
}

package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
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

	// maxFound is how many of the addresses are dialed that Find returns.
	maxFound = 8
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
	nick  string // to ask for; the host may have given another one
	known Identity

	connection uint64 // number of the last hello

	relays []string // the addresses of all hosts of the room, as listed last, without those that turned out to be others
	isNear bool     // the last connection did not leave this machine

	stranger    bool      // the host of the first connection did not prove that it knows Options.Identity
	transferred *lastTime // Client.transferred, from before there is a Client
	seal        *sealing  // Client.sealing, likewise

	joined   bool          // there was a welcome
	closed   bool          // the host has said that it closes the room
	dropping bool          // the client is being closed, and an event found no reader: none may follow it
	last     uint64        // ID of the last event; not the highest: an odd ID must not hide all that follow
	since    uint64        // last, when the connection began: events up to it are duplicates
	next     uint64        // ID of the first event that is not Past
	base     uint64        // the lowest next ID in the welcomes to this room
	baseAt   time.Time     // when that welcome came
	pause    time.Duration // before the last attempt, without jitter
	hole     blackHole

	small atomic.Bool // connections have small segments; transfers read it, too
}

// join makes the first connection. It asks the user whatever is not known of a sealed room, each
// time between two connections: a host that waits for an answer would close its one.
func (s *membership) join(ctx context.Context) (*link, wire.Event, error) {
	var downgrade error // of an address before; nil: there was none
	for asked := 0; ; {
		l, welcome, err := s.joinAnswering(ctx)
		if err == nil {
			return l, welcome, nil
		}
		if errors.Is(err, ErrDowngrade) {
			downgrade = cmp.Or(downgrade, err)
		}
		if s.tryOther(ctx, err) {
			continue
		}
		if again, err := s.settle(ctx, err, &asked); !again {
			if !isFinal(err) && ctx.Err() == nil { // no one answered at the last address
				err = cmp.Or(downgrade, err)
			}
			return nil, wire.Event{}, err
		}
	}
}

// joinAnswering is join once. If the host does not answer, it tries small segments.
func (s *membership) joinAnswering(ctx context.Context) (*link, wire.Event, error) {
	l, welcome, err := s.joinOnce(ctx)
	if errors.Is(err, ErrNoAnswer) && s.opts.dialSmall != nil && !s.small.Load() && ctx.Err() == nil {
		s.small.Store(true)
		return s.joinOnce(ctx)
	}
	return l, welcome, err
}

func (s *membership) joinOnce(ctx context.Context) (*link, wire.Event, error) {
	if s.addr == "" && s.opts.Find != nil {
		addrs, err := s.opts.Find(ctx, wire.RoomInfo{ID: s.room})
		if err != nil {
			return nil, wire.Event{}, err
		}
		s.addr = addrs[0]
	}
	if err := s.seal.lookUp(s.seal.host(s.addr)); err != nil {
		return nil, wire.Event{}, err
	}
	if s.known.Key == "" && (s.room != "" || !s.asksForRoom()) { // no host can prove itself to a new client
		l, err := s.open(ctx, s.addr)
		if err != nil {
			return nil, wire.Event{}, err
		}
		welcome, err := s.enter(ctx, l, s.hello())
		return l, welcome, err
	}
	l, at, err := s.ask(ctx, s.addr)
	if err != nil {
		return nil, wire.Event{}, err
	}
	return s.joinAt(ctx, l, at)
}

// asksForRoom reports whether a client that may join any room asks the host first which one it has: who it is there, and
// whether the host can have that room, may depend on it.
func (s *membership) asksForRoom() bool {
	return s.opts.Identify != nil || s.opts.Seal.Known != nil || s.seal.isSealed()
}

// joinAt joins the room that the host of l has, over that connection. The client may learn its
// identity only now that it knows the room.
func (s *membership) joinAt(ctx context.Context, l *link, at claim) (_ *link, _ wire.Event, err error) {
	if s.room == "" {
		if at.ID == "" {
			l.conn.Close()
			return nil, wire.Event{}, fmt.Errorf("ask %s for its room: %w", l.addr, ErrNoRoom)
		}
		if err := s.seal.checkRoom(Host{Addr: l.addr, Room: at.ID, Title: at.Title}); err != nil {
			l.conn.Close()
			return nil, wire.Event{}, err
		}
		s.room, s.title = at.ID, at.Title
		s.seal.setRoom(at.ID, at.Title)
		if s.opts.Identify != nil {
			id, keeper := s.opts.Identify(at.ID)
			s.opts.Keeper = keeper
			s.seal.offer(id.Secret)
			if id.Key != "" {
				s.known = id
				if l, at, err = s.askOn(ctx, l); err != nil {
					return nil, wire.Event{}, err
				}
			}
		}
	}
	if s.known.Key != "" && (!at.proven || at.ID != s.known.Room) {
		s.known, s.stranger = Identity{Token: newToken()}, true
	}
	welcome, err := s.enter(ctx, l, s.hello())
	return l, welcome, err
}

// hello returns the hello for the next connection.
func (s *membership) hello() wire.Request {
	s.connection = max(s.connection+1, uint64(time.Now().UnixMilli())) // above those of an earlier process, too
	r := wire.Request{
		Type: wire.TypeHello, Version: wire.Version,
		Nick: s.nick, Token: s.known.Token, Room: s.room, Since: s.last, Connection: s.connection,
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

// open connects to addr.
func (s *membership) open(ctx context.Context, addr string) (*link, error) {
	conn, err := s.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return s.linkOn(conn, addr), nil
}

// linkOn returns a link on conn, a connection to addr.
func (s *membership) linkOn(conn net.Conn, addr string) *link {
	l := newLink(conn, addr, s.opts.Idle, s.transferred)
	l.gather = s.opts.Gather
	return l
}

// enter sends hello on l and returns the welcome. In a sealed room the hello lets us in, or what
// comes before it. After an error it closes l.
func (s *membership) enter(ctx context.Context, l *link, hello wire.Request) (wire.Event, error) {
	err := s.identify(ctx, l, &hello)
	var welcome wire.Event
	if err == nil {
		err = s.showOperator(ctx, l, &hello)
	}
	if err == nil {
		welcome, err = l.hello(ctx, hello, s.answerTime())
	}
	if err == nil {
		err = s.checkOperator(&hello, &welcome)
	}
	if err == nil && hello.Room != "" && welcome.Room != hello.Room { // it must not be taken for a room that the user knows
		err = errOtherRoom
	}
	if err != nil {
		l.conn.Close()
		if !s.seal.isPlain() {
			err = secretErrorOf(err, s.title)
		}
		return wire.Event{}, fmt.Errorf("join %s: %w", l.addr, err)
	}
	return welcome, nil
}

const (
	// handshakeDials is how often a client connects for one handshake.
	handshakeDials = 3

	// lateHandshake is how old a connection is if its host may have had nothing of the handshake when it answered: after
	// some seconds of silence, as on a Wi-Fi that stalls, a host takes the client for a person, and says in plain text that
	// the room is sealed.
	lateHandshake = 1500 * time.Millisecond
)

// dial connects to addr, encrypted if the room is sealed. Transfers call it too.
func (s *membership) dial(ctx context.Context, addr string) (net.Conn, error) {
	return s.dialIf(ctx, addr, func(net.Conn) error { return nil })
}

// dialIf is dial that closes a connection before its first byte if check returns an error, and returns that.
func (s *membership) dialIf(ctx context.Context, addr string, check func(net.Conn) error) (net.Conn, error) {
	for dials := 1; ; dials++ {
		began := time.Now()
		conn, err := s.dialPlain(ctx, addr)
		if err != nil {
			return nil, fmt.Errorf("dial %s: %w", addr, withoutAddr(err))
		}
		if err := check(conn); err != nil {
			conn.Close()
			return nil, err
		}
		if !s.seal.isSealed() {
			return conn, nil
		}
		conn, err = s.seal.encrypt(ctx, conn, s.seal.host(addr), s.answerTime())
		if err == nil {
			return conn, nil
		}
		if !errors.Is(err, ErrDowngrade) || time.Since(began) < lateHandshake || dials == handshakeDials {
			return nil, fmt.Errorf("dial %s: %w", addr, err)
		}
	}
}

func (s *membership) dialPlain(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.DialTimeout)
	defer cancel()
	dial := s.opts.Dial
	if s.small.Load() {
		dial = s.opts.dialSmall
	}
	return dial(ctx, addr)
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
		s.noteDeath(err)
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
	lost, wasLockedOut := time.Now(), false
	if lost.Sub(l.began) >= steady {
		s.pause = 0
	}
	var f *finding
	defer func() { f.stop() }()
	for attempt := 0; ; attempt++ {
		pause := s.pauseAfter(cause)
		if isLockedOut(cause) && !wasLockedOut { // others tried wrong secrets; the host is not lost meanwhile
			wasLockedOut, lost = true, lost.Add(tooManyPause)
		}
		elsewhere := len(s.otherRelays()) > 0
		if s.opts.GiveUp > 0 {
			left := s.opts.GiveUp - time.Since(lost)
			if left <= 0 {
				return nil, fmt.Errorf("%w after %v: %w", ErrGaveUp, s.opts.GiveUp, cause)
			}
			pause = min(pause, left)
		}
		s.emit(stay, Disconnected{Err: cause, RetryIn: pause, Attempt: attempt, Elsewhere: elsewhere})
		if f == nil && (attempt == 0 || attempt >= findAfter && (attempt-findAfter)%2 == 0) {
			f = s.startFinding(stay)
		}
		var found []string
		var err error
		if found, f, err = s.waitToRedial(stay, pause, f); err != nil {
			return nil, err
		}
		var next *link
		next, f, err = s.rejoinSettled(stay, found, f, cause)
		if err == nil || isFinal(err) || stay.Err() != nil {
			return next, err
		}
		s.noteDeath(err)
		cause = err
	}
}

// rejoinSettled is rejoin, and again after each answer of the user.
func (s *membership) rejoinSettled(ctx context.Context, found []string, f *finding, cause error) (*link, *finding, error) {
	for asked := 0; ; {
		l, left, err := s.rejoin(ctx, found, f, cause)
		if err == nil {
			return l, left, nil
		}
		f = left
		if again, err := s.settle(ctx, err, &asked); !again {
			return nil, f, err
		}
	}
}

// pauseAfter returns how long to wait before the next attempt; cause is why there is no connection.
func (s *membership) pauseAfter(cause error) time.Duration {
	if within := restartOf(cause); within > 0 {
		s.pause = 0 // however short the last connection was: the host said goodbye
		if len(s.otherRelays()) > 0 {
			within = min(within, firstPause)
		}
		return mathrand.N(within)
	}
	pause := s.nextPause()
	if isLockedOut(cause) {
		pause = max(pause, tooManyPause)
	}
	return pause
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

// rejoin connects to the room we were in: at one of its relays, if it has several, at the addresses that Find found, or at
// the one that we know. If another room is there, the room may have moved: Find then decides whether it is gone.
func (s *membership) rejoin(ctx context.Context, found []string, f *finding, cause error) (*link, *finding, error) {
	if others := s.otherRelays(); len(others) > 0 {
		l, err := s.rejoinRelay(ctx, others, found, cause)
		return l, f, err
	}
	if l, err := s.rejoinFound(ctx, found); l != nil || ctx.Err() != nil || isFinal(err) {
		return l, f, err
	}
	l, f, err := s.redial(ctx, f)
	if !isElsewhere(err) || s.opts.Find == nil {
		return l, f, err
	}
	f.stop()
	if found, findErr := s.opts.Find(ctx, wire.RoomInfo{ID: s.room, Title: s.title}); findErr == nil {
		if l, findErr := s.rejoinFound(ctx, found); l != nil {
			return l, nil, nil
		} else if ctx.Err() != nil {
			return nil, nil, findErr
		}
	}
	return nil, nil, err
}

// rejoinFound connects to the room at one of the addresses that Find found. It returns nil, nil
// if there is only the address that we know.
func (s *membership) rejoinFound(ctx context.Context, found []string) (l *link, err error) {
	for _, addr := range found[:min(len(found), maxFound)] {
		if addr == s.addr {
			continue
		}
		if l, err = s.rejoinAt(ctx, addr); err == nil || ctx.Err() != nil {
			break
		}
		if isElsewhere(err) {
			err = errOtherRoom // it is not the end: the host may return to the address that we know
		}
	}
	return l, err
}

// rejoinAt connects to the host at addr, if it has the room we were in, and proves it.
func (s *membership) rejoinAt(ctx context.Context, addr string) (*link, error) {
	l, at, err := s.ask(ctx, addr)
	if err != nil {
		return nil, err
	}
	return s.rejoinOn(ctx, l, at)
}

// rejoinOn enters the room that the host of l has, if it is the one we were in, and proven. The others are
//
//   - a room that the same host opened after a restart without a history: it proves that the host
//     is the same one. It gets the unsent messages, unless the host had closed the room;
//   - a room of a host that never could prove itself, because its version is older: the client
//     joins as a new one and sends nothing of before;
//   - any other room: an [*OtherRoomError].
func (s *membership) rejoinOn(ctx context.Context, l *link, at claim) (*link, error) {
	hello, notSent := s.hello(), ""
	switch {
	case at.proven && at.ID == s.room:
	case at.proven:
		hello.Token, hello.Room, hello.Since = newToken(), at.ID, 0
		if s.closed {
			notSent = "not sent, because its room was closed and this is a new one"
		}
	case at.ID == s.room && s.known.Key == "":
		hello.Token = newToken()
		notSent = "perhaps not sent, because this older host cannot prove that it has the same room"
	default:
		l.conn.Close()
		return nil, &OtherRoomError{Addr: l.addr, Was: s.title, Now: at.RoomInfo, Claim: at.ID == s.room}
	}
	welcome, err := s.enter(ctx, l, hello)
	if err != nil {
		return nil, err
	}
	if notSent != "" {
		s.returnPending(ctx, notSent)
	}
	if s.known.Token != hello.Token {
		s.known = Identity{Token: hello.Token}
	}
	s.adopt(l, welcome)
	return l, nil
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
		s.closed = e.Code == wire.CodeShutdown
		if s.closed && len(s.otherRelays()) > 0 {
			return // only this relay closes
		}
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
	if e.Type == wire.TypeRelays {
		s.noteRelays(l, e.Relays)
	}
	if e.Type == wire.TypeInvite {
		s.adoptSecret(&e)
		e.Data = "" // programs may print events
	}
	own := e.Client != "" && e.Client == s.known.Client
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
	if fresh || s.addr != l.addr {
		s.seal.remember(Host{Addr: l.addr, Room: welcome.Room, Title: welcome.Title})
	}
	if !s.opts.Seal.Private { // else the host is the same process
		welcome.Sealed = s.seal.isSealed() // whatever it says
	}
	moved := !first && !fresh && s.addr != l.addr && slices.Contains(s.relays, l.addr)
	s.joined, s.closed = true, false
	s.isNear = isLoopback(l.conn)
	s.noteRelays(l, welcome.Relays)
	s.addr, s.room, s.title, s.next = l.addr, welcome.Room, welcome.Title, welcome.Next
	s.seal.setRoom(welcome.Room, welcome.Title)
	s.known = Identity{welcome.Room, welcome.Client, cmp.Or(welcome.Token, s.known.Token), welcome.Key, s.seal.secretToSend()}
	if !s.stranger { // else the identity that its host did not prove to know must stay
		s.opts.Keeper.Keep(s.known)
	}
	welcome.Token, welcome.Key = "", "" // secrets: programs may print welcomes
	s.mu.Lock()
	s.welcome, s.hostAddr, s.identity = welcome, l.addr, s.known
	s.cutTransfersLocked()
	if fresh { // its uploads have other numbers
		s.files = nil
	}
	s.mu.Unlock()
	s.out.restart(welcome.Seq)
	l.out = s.out
	l.connected = Connected{Welcome: welcome, Addr: l.addr, Resumed: !first, NewRoom: !first && fresh, Moved: moved, Unproven: first && s.stranger,
		SmallPackets: s.small.Load(), Unanswered: s.hole.deaths > 0, Sealed: welcome.Sealed, Access: welcome.Access}
}

// wantNick remembers the nick to ask for next time, unless only a host may assign it.
func (s *membership) wantNick(nick string) {
	if nick, err := text.NormalizeNick(nick); err == nil {
		s.nick = nick
	}
}

package client

import (
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
	firstPause = 250 * time.Millisecond // before the first attempt to reconnect
	maxPause   = 15 * time.Second       // grown to after a dozen attempts
	pauseGrow  = 1.6
	pauseSway  = 0.3 // ±, so that a whole room does not come back in one instant

	// steady is how long a connection lasts before the pauses start afresh: a host
	// that welcomes us and falls over must not be asked four times a second.
	steady = 10 * time.Second

	// findAfter is how many attempts the known address gets before Find is asked;
	// then the two take turns.
	findAfter = 3
)

// A membership is what outlives the connections of a client: where the host is,
// who we are to it, and what we have seen. It belongs to the goroutine of run,
// which is also the reader of each connection.
type membership struct {
	*Client
	opts Options

	addr  string // where the host was last
	room  string // its id; before the first welcome the one that is meant
	title string // its title
	token string
	nick  string // to ask for
	id    string // our client id there

	joined  bool          // there was a welcome
	unheard bool          // nobody took an event while the client was being closed
	last    uint64        // id of the last event seen; not the highest: one odd id must not hide all that follow
	since   uint64        // what last was when the connection began: events up to it are no news
	next    uint64        // id of the first event that is not past
	base    uint64        // the lowest next ID that a welcome of this room named
	baseAt  time.Time     // when it did
	pause   time.Duration // before the next attempt, without its sway
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
	return s.greet(ctx, s.addr, s.hello())
}

// hello is how we introduce ourselves.
func (s *membership) hello() wire.Request {
	r := wire.Request{
		Type: wire.TypeHello, Version: wire.Version,
		Nick: s.nick, Token: s.token, Room: s.room, Since: s.last,
	}
	if s.joined { // not as a newcomer, who gets no more than a backlog; the first event of a log is a join
		r.Since = max(r.Since, 1)
	}
	if !s.joined && s.opts.Backlog != 0 {
		n := max(s.opts.Backlog, 0)
		r.Backlog = &n
	}
	return r
}

// greet dials addr and says hello.
func (s *membership) greet(ctx context.Context, addr string, hello wire.Request) (*link, wire.Event, error) {
	conn, err := s.dial(ctx, addr)
	if err != nil {
		return nil, wire.Event{}, err
	}
	l := newLink(conn, addr, s.opts.Idle)
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

// withoutAddr takes a dialer's own "dial tcp ADDR:" off its error.
func withoutAddr(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// run lives through one connection after the other.
func (s *membership) run(ctx, stay context.Context, l *link) {
	err := s.serve(ctx, stay, l)
	for !final(err) && stay.Err() == nil {
		var next *link
		if next, err = s.reconnect(stay, l, err); err != nil {
			break
		}
		l = next
		err = s.serve(ctx, stay, l)
	}
	s.finish(ctx, stay, err)
}

// finish tells why the client has ended.
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
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	s.leave()
	s.cancel()
	close(s.events)
	close(s.done)
}

// reconnect tries until there is a connection again. cause is why l ended.
func (s *membership) reconnect(stay context.Context, l *link, cause error) (*link, error) {
	lost := time.Now()
	if lost.Sub(l.began) >= steady {
		s.pause = 0
	}
	for attempt := 0; ; attempt++ {
		pause := s.nextPause()
		if s.opts.GiveUp > 0 {
			left := s.opts.GiveUp - time.Since(lost)
			if left <= 0 {
				return nil, fmt.Errorf("%w within %v: %w", ErrGaveUp, s.opts.GiveUp, cause)
			}
			pause = min(pause, left)
		}
		s.emit(stay, Disconnected{Err: cause, RetryIn: pause, Attempt: attempt})
		if !sleep(stay, pause) {
			return nil, stay.Err()
		}
		next, err := s.rejoin(stay, s.where(stay, attempt))
		if err == nil || final(err) || stay.Err() != nil {
			return next, err
		}
		cause = err
	}
}

// nextPause returns how long to wait before the next attempt.
func (s *membership) nextPause() time.Duration {
	s.pause = min(max(time.Duration(float64(s.pause)*pauseGrow), firstPause), maxPause)
	return time.Duration(float64(s.pause) * (1 + pauseSway*(2*mathrand.Float64()-1)))
}

// sleep reports whether it was not woken.
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

// where returns the address for the next attempt, after so many in vain.
func (s *membership) where(ctx context.Context, attempts int) string {
	if s.opts.Find == nil || attempts < findAfter || (attempts-findAfter)%2 != 0 {
		return s.addr
	}
	if found, err := s.opts.Find(ctx, wire.RoomInfo{ID: s.room, Title: s.title}); err == nil && found != "" {
		return found
	}
	return s.addr
}

// rejoin connects to the room we were in. When its host was restarted, a new room
// stands at the old address, or one of the same title at a new address: that one
// will do. Any other does not concern us, and should not even see us come.
func (s *membership) rejoin(ctx context.Context, addr string) (*link, error) {
	hello, elsewhere := s.hello(), addr != s.addr
	if elsewhere {
		same, err := s.checkRoom(ctx, addr)
		if err != nil {
			return nil, err
		}
		if !same { // whoever that is, our token is not for them
			s.token = rand.Text()
			hello.Token, hello.Room, hello.Since = s.token, "", 0
		}
	}
	l, welcome, err := s.greet(ctx, addr, hello)
	if hasCode(err, wire.CodeWrongRoom) && !elsewhere {
		hello.Room, hello.Since = "", 0
		l, welcome, err = s.greet(ctx, addr, hello)
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

// checkRoom asks which room is at addr: the same as ours, or another of its title,
// which can be ours after a restart. Any other is an error.
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

// serve lives through one connection: it reads until the end, while a second
// goroutine writes. It owns the Close, and returns why the connection ended.
func (s *membership) serve(ctx, stay context.Context, l *link) error {
	defer context.AfterFunc(ctx, func() { l.conn.Close() })()
	var writer sync.WaitGroup
	var writeErr error
	writer.Go(func() { writeErr = l.write() })
	readErr := s.read(stay, l)
	close(l.ended)
	l.conn.Close()
	writer.Wait()

	switch {
	case l.word != nil:
		return l.word
	case writeErr != nil && (errors.Is(readErr, net.ErrClosed) || errors.Is(readErr, io.ErrClosedPipe)):
		return writeErr // the writer closed the connection under the reader
	}
	return readErr
}

// read takes events until there are no more.
func (s *membership) read(stay context.Context, l *link) error {
	s.emit(stay, l.connected)
	for {
		e, err := l.next()
		if err != nil {
			return err
		}
		s.take(stay, l, e)
		if e.Type == wire.TypeBye {
			return errHungUp
		}
	}
}

// take hands an event to the program and draws the conclusions. An acknowledgement
// counts only after the program could have its event, so that a Flush that has
// returned means that all own messages are in Events.
func (s *membership) take(stay context.Context, l *link, e wire.Event) {
	switch e.Type {
	case wire.TypeWelcome, wire.TypePong:
		return
	case wire.TypeBye:
		l.word = refused(e)
	case wire.TypeError:
		switch {
		case e.Code == wire.CodeDuplicate && e.Seq != 0:
			s.out.settle(e.Seq) // we sent it twice, to be sure
			return
		case e.Code == wire.CodeShutdown && e.Seq != 0:
			return // it came too late for this connection, and waits for the next
		case e.Code == wire.CodeNotStored && e.Seq != 0:
			if s.out.retry(e.Seq) {
				s.emit(stay, Received{Event: e})
			}
			return
		case e.Code.Final():
			l.word = refused(e)
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
		s.out.settle(e.Seq)
	}
	if own && e.Type == wire.TypeNick {
		s.keepNick(e.Nick)
	}
}

// The log of a room cannot have grown by more than this since a welcome named its next ID:
// an ID beyond it was never given out. A fast host commits less than 2^20 events a second.
const (
	eventsAtOnce    = 1 << 20
	eventsPerSecond = 1 << 20
)

// isPlausible reports whether the room's log can have reached id by now. A client that
// resumed after an ID from nowhere would miss all events up to it.
func (s *membership) isPlausible(id uint64) bool {
	if id < s.base || id-s.base <= eventsAtOnce {
		return true
	}
	return id-s.base-eventsAtOnce <= eventsPerSecond*uint64(time.Since(s.baseAt)/time.Second)
}

// emit gives the program an event. While the client is being closed nobody may be
// there to take it.
func (s *membership) emit(stay context.Context, e Event) {
	if s.unheard {
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
		s.unheard = true // what comes later must not come without this
	}
}

// adopt makes the room at the other end of l the one we are in.
func (s *membership) adopt(l *link, welcome wire.Event) {
	first := !s.joined
	fresh := first || welcome.Room != s.room
	if fresh {
		s.last = 0
	}
	if welcome.Next > 0 {
		s.last = min(s.last, welcome.Next-1) // a higher one was none of this log
	}
	s.since = s.last
	if fresh || welcome.Next < s.base {
		s.base, s.baseAt = welcome.Next, l.began
	}
	if fresh && welcome.Next > 0 {
		s.last = welcome.Next - 1 // until something comes: more may be said in the meantime than a backlog has
	}
	s.joined = true
	s.addr, s.room, s.title = l.addr, welcome.Room, welcome.Title
	s.id, s.next = welcome.Client, welcome.Next
	if welcome.Token != "" {
		s.token = welcome.Token
	}
	if s.nick != "" {
		s.keepNick(welcome.Nick)
	}
	welcome.Token = "" // a secret does not belong where it may be printed
	s.mu.Lock()
	s.welcome, s.hostAddr = welcome, l.addr
	if fresh { // its files have other numbers
		s.files = nil
	}
	s.mu.Unlock()
	s.out.restart(welcome.Seq)
	l.out = s.out
	l.connected = Connected{Welcome: welcome, Addr: l.addr, Resumed: !first, NewRoom: !first && fresh}
}

// keepNick remembers what to ask for next time, unless it is a name that only the
// host gives.
func (s *membership) keepNick(nick string) {
	if nick, err := text.NormalizeNick(nick); err == nil {
		s.nick = nick
	}
}

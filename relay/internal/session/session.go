package session

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"chat/relay/internal/access"
	"chat/relay/internal/clock"
	"chat/relay/internal/room"
	"chat/relay/internal/websocket"
	"chat/relay/text"
	"chat/relay/wire"
)

// A Session is one connection of a person or a program. This file is in the order of its
// life: hello, enter, read loop, goodbye.
type Session struct {
	// fixed after New
	door  *Door
	place Place

	// owned by the goroutine that reads
	spoke bool // it has sent a message, as place knows

	delayed atomic.Bool // its input waits, as it exceeds its rate or its address reads too much

	lines  *wire.LineReader
	drafts *drafts // to be posted together; nil: there are none
	bucket *Bucket
	late   Recognizer // recognizes a first line that arrives late; nil after the first line
	entry  *entry     // until it has entered a sealed room; otherwise nil

	member room.Member // guarded by the room
	out    outbox
}

// A Recognizer recognizes the kind of a client by its first line. A session uses it if the
// client was greeted as a person because it sent no line in time.
type Recognizer interface {
	// Late recognizes it by a whole first line; rest is the input after it. A stranger gets the
	// answer.
	Late(line, rest []byte) (speaker Speaker, answer []byte)
	Start(start []byte) Speaker // by the start of a line
}

// A Speaker is a kind of client, by the protocol that it speaks.
type Speaker uint8

const (
	Person   Speaker = iota
	Program          // its first line is a JSON object
	Browser          // its first line is an HTTP request
	Stranger         // it begins a handshake of another protocol
)

const (
	// drain is how long an ending session may still receive events.
	drain = 2 * time.Second

	// restartDrain replaces drain if the host restarts: clients get the rest from the next one, and
	// no slow reader should keep it from starting.
	restartDrain = 500 * time.Millisecond

	// lingerTime is how long a peer may take to read the last events after the host has
	// written them.
	lingerTime = 500 * time.Millisecond
)

// errEnded ends the read loop of a session that has received its last answer already.
var errEnded = errors.New("ended")

// ServePerson enters the room as a person and serves the session. line is the first line. If
// it is nil, none has arrived yet, and late recognizes the first line when it does.
//
// ServePerson, ServeTooLong and ServeProgram enter the room on the caller's goroutine and
// return; a new goroutine then reads. Stacks hardly shrink again, and thousands of readers
// must not keep the stacks that entering needs.
func (s *Session) ServePerson(line []byte, late Recognizer) {
	if s.entry != nil {
		if line != nil {
			late = nil
		}
		s.serve(s.enterBySecret(line, late))
		return
	}
	err := s.enter(&wire.Request{})
	if line == nil {
		s.late = late // the next line is the first one
	} else if err == nil {
		err = s.serveLine(line)
	}
	s.serve(err)
}

// ServeTooLong is ServePerson for a person whose first line was too long.
func (s *Session) ServeTooLong() {
	if s.entry != nil {
		s.rejectTooLong()
		s.serve(s.enterBySecret(nil, nil))
		return
	}
	err := s.enter(&wire.Request{})
	if err == nil {
		s.rejectTooLong()
	}
	s.serve(err)
}

// ServeProgram enters the room as a program and serves the session. line is the hello; nil
// means that it has not arrived yet.
func (s *Session) ServeProgram(line []byte) { s.serve(s.hello(line)) }

// serve serves the lines that are buffered already, and starts a goroutine for the rest.
// err ends the session at once, unless it is nil.
func (s *Session) serve(err error) {
	if err == nil {
		err = s.serveLines()
	}
	go s.readLoop(err)
}

// Close ends the session because the room closes: it receives the rest of the log and a bye.
func (s *Session) Close() {
	bye := wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Text: "the room is closing; goodbye"}
	if within := s.door.restartWithin(); within > 0 {
		bye.Text, bye.Restart = "the host restarts; connect again in a moment", int(within.Milliseconds())
	}
	s.out.End(bye)
}

// End ends the session because of a fault that another connection caused.
func (s *Session) End(why *wire.Fault) {
	s.out.End(wire.Event{Type: wire.TypeBye, Code: why.Code, Text: why.Text})
}

// Counts returns the counters of the session.
func (s *Session) Counts() Counts { return s.out.countsNow() }

// log returns a logger that names the peer.
func (s *Session) log() *slog.Logger {
	return s.out.log()
}

// hello reads lines, beginning with line, until one is a hello, and enters the room.
func (s *Session) hello(line []byte) error {
	s.speakJSON()
	if line != nil {
		s.keepPace() // a hello is a line, too: who reconnects without end is slowed down
	}
	s.out.readBy(time.Now().Add(s.door.CurrentLimits().FirstLine))
	for {
		if line != nil {
			if done, err := s.takeHello(line); done {
				return err
			}
		}
		var err error
		if line, err = s.nextHello(); err != nil {
			return err
		}
	}
}

// takeHello takes a line of a program that has not entered the room. done is true if it has entered now, or if the
// session ends with err.
func (s *Session) takeHello(line []byte) (done bool, err error) {
	if err := s.countEntryLine(); err != nil {
		return true, err
	}
	req, err := s.decodeJSON(line)
	switch {
	case err != nil:
		s.reject(req.Seq, err)
	case req.Type != wire.TypeHello && (req.Type != wire.TypeAuth || s.entry == nil):
		s.reject(req.Seq, wire.Faultf(wire.CodeBadRequest, `the first line is a hello: {"type":"hello","version":1,"nick":"NAME"}`))
	case req.Probe && req.Type == wire.TypeHello:
		if s.describeRoom(&req); wire.IsNonce(req.Nonce) { // the hello for real follows
			return false, nil
		}
		s.out.endQuietly()
		return true, errEnded
	default:
		ok, err := s.prove(&req)
		if ok {
			return true, s.enter(&req)
		}
		return err != nil, err
	}
	return false, nil
}

// nextHello reads the next line while no hello has arrived.
func (s *Session) nextHello() ([]byte, error) {
	for {
		s.keepPace()
		line, err := s.lines.ReadLine()
		switch {
		case errors.Is(err, wire.ErrLineTooLong):
			s.rejectTooLong()
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.out.End(wire.Event{Type: wire.TypeBye, Code: wire.CodeFirstLine, Text: "no hello arrived in time"})
			return nil, errEnded
		default:
			return line, err
		}
	}
}

// speakJSON makes the session one of a program.
func (s *Session) speakJSON() {
	s.lines.SetMax(s.door.CurrentLimits().JSONLine)
	if s.entry != nil {
		s.lines.SetMax(min(s.door.CurrentLimits().JSONLine, maxEntryLine))
	}
	s.member.Program = true
	s.out.speakJSON()
}

// enter enters the room as req asks.
func (s *Session) enter(req *wire.Request) error {
	s.out.readBy(time.Time{})
	err := s.place.Claim(s.door.Room.Standing(&s.member, req.Token))
	var welcomed room.Welcomed
	if err == nil {
		s.wait(min(s.door.Costs.Delay(s.out.payer), MaxDelay)) // what it missed, or the backlog, is charged
		err = s.catchUp(req)
	}
	if err == nil {
		welcomed, err = s.enterRoom(req)
	}
	if err != nil {
		return s.fail(err)
	}
	s.confirmKey()
	s.out.logPassing(s.presenceLevel(), "joined", "nick", welcomed.Nick, "members", welcomed.Members)
	return nil
}

// catchUp waits until the room has all that the client received at another relay.
func (s *Session) catchUp(req *wire.Request) error {
	if s.door.CatchUp == nil || req.Since == 0 {
		return nil
	}
	return s.door.CatchUp(req.Since, s.out.endingChan())
}

// describeRoom answers a probe. If it has a nonce, the host proves itself.
func (s *Session) describeRoom(probe *wire.Request) {
	info := s.door.Info()
	e := wire.Event{Type: wire.TypeRoom, Room: info.ID, Title: info.Title, Version: info.Version, App: info.App, Count: info.Members, Sealed: info.Sealed}
	if wire.IsNonce(probe.Nonce) {
		s.door.Room.Prove(&e, probe)
	}
	s.reply(&e)
}

// enterRoom closes the client's other connections and enters the room.
func (s *Session) enterRoom(req *wire.Request) (room.Welcomed, error) {
	for {
		pending, err := s.door.Room.TakeOver(&s.member, req)
		switch {
		case err != nil:
			return room.Welcomed{}, err
		case pending == nil:
			return s.door.Room.Enter(&s.member, req, s.backlogStart(req), clock.Now())
		}
		select {
		case <-pending:
		case <-s.out.endingChan():
			return room.Welcomed{}, wire.Faultf(wire.CodeShutdown, "the room is closing")
		}
	}
}

// backlogStart returns the ID of the first event that a new member receives; 0 if the
// client resumes after req.Since. It may read from disk.
func (s *Session) backlogStart(req *wire.Request) uint64 {
	if req.Since > 0 {
		return 0
	}
	backlog := s.door.CurrentLimits().Backlog
	if req.Backlog != nil {
		backlog = max(*req.Backlog, 0)
	}
	from, err := s.door.Log.Back(backlog)
	if err != nil {
		s.log().Error("the backlog is shorter than it should be", "error", err)
	}
	return from
}

// presenceLevel returns the level at which joining and leaving is logged.
func (s *Session) presenceLevel() slog.Level {
	if s.member.Visit {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// readLoop serves lines until the session ends or the connection fails, and then closes the
// connection. err is not nil if it has ended already.
func (s *Session) readLoop(err error) {
	for err == nil {
		if err = s.lines.Fill(); err == nil {
			err = s.serveLines()
		}
	}
	s.goodbye(err)
	s.linger()
	s.out.conn.Close()
	s.place.Over()
}

// serveLines serves the lines that are buffered.
func (s *Session) serveLines() error {
	defer s.postDrafts()
	for {
		line, ok, err := s.lines.NextLine()
		switch {
		case err != nil:
			if s.late != nil && s.late.Start(s.lines.Dropped()) != Person {
				return errEnded
			}
			s.late = nil
			s.rejectTooLong()
			continue
		case !ok:
			return nil
		}
		if err := s.serveNext(line); err != nil {
			return err
		}
	}
}

// serveNext serves a line. The first line may show that the client, greeted as a person
// because it was silent, is none.
func (s *Session) serveNext(line []byte) error {
	if s.late == nil {
		return s.serveLine(line)
	}
	speaker, answer := s.late.Late(line, s.lines.Pending())
	if len(line) == 0 && speaker == Person { // the next line decides
		return s.serveLine(line)
	}
	s.late = nil
	if speaker == Person || speaker == Program && !isHello(line) {
		return s.serveLine(line)
	}
	return s.serveOther(speaker, line, answer)
}

// serveOther serves a client that was taken for a person because its first line came late. The error has ended the
// session, unless it is nil.
func (s *Session) serveOther(speaker Speaker, line, answer []byte) error {
	switch speaker {
	case Program:
		return s.lateHello(line)
	case Browser:
		s.out.logPassing(slog.LevelInfo, "an HTTP request came too late; rejected")
		answer = []byte("HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\n" +
			"X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\nThe request came late; ask again.\n")
	default:
		s.out.logPassing(slog.LevelInfo, "a handshake of another protocol on the chat port; closed")
	}
	s.out.put(answer)
	return errEnded
}

// isHello reports whether line is a hello.
func isHello(line []byte) bool {
	req, err := wire.ParseRequest(line)
	return err == nil && req.Type == wire.TypeHello
}

// lateHello enters the room again, as a program whose hello was delayed by a slow network.
func (s *Session) lateHello(line []byte) error {
	s.door.Room.Leave(&s.member, "", clock.Now())
	s.out.pause()
	return s.hello(line)
}

// serveLine carries out one line, and waits if lines arrive faster than the rate allows.
func (s *Session) serveLine(line []byte) error {
	s.keepPace()
	if s.out.ending.Load() {
		return errEnded
	}
	if !s.member.Program && bytes.Contains(line, wire.TelnetMark) {
		s.out.put(wire.TelnetNoMark)
	}
	var req wire.Request
	err := s.decode(line, &req)
	switch {
	case err != nil:
		s.reject(req.Seq, err)
	case req.Type == wire.TypeSay && req.Once == "" && s.member.Level != access.Listen: // nearly every line
		s.draft(req.Seq, req.Text)
		return nil
	case req.Type != "":
		s.postDrafts()
		other := req // do must not move req to the heap
		s.do(&other)
	}
	s.awaitDisk()
	return nil
}

// noteSent notes that the client has sent a message; err is the room's answer.
func (s *Session) noteSent(err error) {
	if !s.spoke && (err == nil || err == room.ErrPending) {
		s.spoke = true
		s.place.Spoke()
	}
}

// keepPace counts a line and waits until the rate allows the next one.
func (s *Session) keepPace() { s.slowDown(s.bucket.Line()) }

// countBytes counts n bytes of input and waits until the rate allows more.
func (s *Session) countBytes(n int) { s.slowDown(s.bucket.Bytes(n)) }

// slowDown waits for d, as the rate asks.
func (s *Session) slowDown(d time.Duration) {
	if d > 0 {
		s.door.Delays.Add(1)
	}
	s.wait(d)
}

// wait waits for d, or until the session ends.
func (s *Session) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	s.delayed.Store(true)
	defer s.delayed.Store(false)
	s.postDrafts()
	s.door.wakeLog()
	select {
	case <-time.After(d):
	case <-s.out.endingChan():
	}
}

// awaitDisk waits while the log has too many uncommitted events.
func (s *Session) awaitDisk() {
	for {
		space := s.door.Log.Full()
		if space == nil {
			return
		}
		s.door.wakeLog()
		select {
		case <-space:
		case <-s.out.endingChan():
			return
		}
	}
}

// reply queues an event for this session only. It waits while the client does not read its
// replies.
func (s *Session) reply(e *wire.Event) { s.send(s.out.encode(e, "")) }

// send charges for an encoded reply, and queues it as reply does.
func (s *Session) send(b []byte) {
	s.door.Costs.Bytes(s.out.payer, len(b))
	s.out.putOrWait(b)
}

// reject reports to the client that its request seq was rejected; 0 if it has no number.
func (s *Session) reject(seq uint64, err error) {
	s.postDrafts()
	if err == room.ErrPending {
		return // the answer follows once the message is committed
	}
	fault, ok := errors.AsType[*wire.Fault](err)
	if !ok {
		s.log().Error("a request failed", "error", err)
		fault = wire.Faultf(wire.CodeBadRequest, "%s", text.Clean(err.Error()))
	}
	e := fault.Event(seq)
	s.reply(&e)
}

func (s *Session) rejectTooLong() {
	s.reject(0, wire.Faultf(wire.CodeTooLong, "a line has at most %d bytes; this one was dropped", s.lines.Max()))
}

// goodbye leaves the room and waits until the last events are written. err has ended the
// read loop.
func (s *Session) goodbye(err error) {
	if why, ok := errors.AsType[*websocket.CloseError](err); ok {
		s.out.closeAs(why)
	}
	s.door.wakeLog() // for the session's last messages
	s.awaitCommitted()
	s.endExchange()
	departure, left := s.door.Room.Drop(&s.member, clock.Now())
	s.out.endQuietly()
	s.out.writer.Wait()
	if left {
		s.out.logPassing(s.presenceLevel(), "left", "nick", departure.Nick, "members", departure.Members)
	}
	if missed := s.out.countsNow().Missed; missed > 0 {
		s.out.logPassing(slog.LevelWarn, "a slow session missed events", "missed", missed)
	}
	s.log().Debug("session over", "reason", err)
}

// linger lets the peer read the last events: closing with unread input would reset the
// connection and lose them.
func (s *Session) linger() {
	if half, ok := s.out.conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		s.out.conn.SetReadDeadline(time.Now().Add(lingerTime))
		io.CopyN(io.Discard, s.out.conn, 64<<10)
	}
}

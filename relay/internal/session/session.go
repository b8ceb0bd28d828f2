package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"chat/relay/internal/room"
	"chat/relay/internal/websocket"
	"chat/relay/text"
	"chat/relay/wire"
)

// A Session is one connection of a person or a program. This file reads as it lives:
// hello, enter, read loop, goodbye.
type Session struct {
	// fixed after New
	door *Door
	conn net.Conn
	over func()

	// owned by the goroutine that reads
	lines  *wire.LineReader
	bucket *Bucket
	late   Recognizer // nil once a line was served
	socket *socket    // the frames of a WebSocket; nil: there are none

	member room.Member // guarded by the room
	out    outbox
}

// A Recognizer finds out who speaks from a first line. It is asked about those who were
// taken for a person because they sent none in time.
type Recognizer interface {
	Line(line []byte) Speaker   // of a whole first line
	Start(start []byte) Speaker // of the start of one that was too long
}

// A Speaker is who speaks on a connection.
type Speaker uint8

const (
	Person   Speaker = iota
	Program          // a JSON object comes first
	Browser          // an HTTP request
	Stranger         // a handshake of another protocol
)

const (
	// drain is how long a session that ends may take what is still meant for it.
	drain = 2 * time.Second

	// lingerTime is how long a peer may take to read the last events.
	lingerTime = 500 * time.Millisecond
)

// errEnded ends a session that was answered already and needs no goodbye.
var errEnded = errors.New("ended")

// ServePerson lets a person in and serves it. line is its first line; nil: it has sent
// none, and late is asked about the one that comes later.
//
// A goroutine's stack grows and hardly shrinks again. So ServePerson and ServeProgram use
// the caller's, and leave the waiting, of many thousands perhaps, to a new one.
func (s *Session) ServePerson(line []byte, late Recognizer) {
	err := s.enter(&wire.Request{})
	if line == nil {
		s.late = late // the next line is the first one
	} else if err == nil {
		err = s.serveLine(line)
	}
	s.serve(err)
}

// ServeTooLong is ServePerson for one whose first line was too long.
func (s *Session) ServeTooLong() {
	err := s.enter(&wire.Request{})
	if err == nil {
		s.rejectTooLong()
	}
	s.serve(err)
}

// ServeProgram lets a program in and serves it. line is its hello; nil: it is still to come.
func (s *Session) ServeProgram(line []byte) { s.serve(s.hello(line)) }

// serve serves the lines that are read already, and has a goroutine serve the others.
func (s *Session) serve(err error) {
	if err == nil {
		err = s.serveLines()
	}
	go s.readLoop(err)
}

// Close ends the session because the room closes: it gets what is in the log, and a last event.
func (s *Session) Close() {
	s.out.End(wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Text: "the room is closing; goodbye"})
}

// Counts returns what the session was sent.
func (s *Session) Counts() Counts { return s.out.countsNow() }

// log returns a logger that names the peer.
func (s *Session) log() *slog.Logger {
	return s.door.Logger.With("remote", s.conn.RemoteAddr().String())
}

// hello takes a program's first line, or the next one if that is no hello.
func (s *Session) hello(line []byte) error {
	s.speakJSON()
	if line != nil {
		s.keepPace() // a hello is a line, too: who reconnects without end is slowed down
	}
	s.out.readBy(time.Now().Add(s.door.Limits.FirstLine))
	for {
		if line != nil {
			req, err := s.decodeJSON(line)
			switch {
			case err != nil:
				s.reject(req.Seq, err)
			case req.Type != wire.TypeHello:
				s.reject(req.Seq, wire.Faultf(wire.CodeBadRequest, `the first line is a hello: {"type":"hello","version":1,"nick":"NAME"}`))
			default:
				return s.enter(&req)
			}
		}
		var err error
		if line, err = s.nextHello(); err != nil {
			return err
		}
	}
}

// nextHello reads the next line that may be a hello.
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

// speakJSON makes the session a program's.
func (s *Session) speakJSON() {
	s.lines.SetMax(s.door.Limits.JSONLine)
	s.member.Program = true
	s.out.speakJSON()
}

// enter lets the session into the room as req asks, or says only which room it is.
func (s *Session) enter(req *wire.Request) error {
	s.out.readBy(time.Time{})
	if req.Probe {
		info := s.door.Info()
		s.reply(&wire.Event{
			Type: wire.TypeRoom, Room: info.ID, Title: info.Title, Version: info.Version, App: info.App, Count: info.Members,
		})
		s.out.endQuietly()
		return errEnded
	}
	welcomed, err := s.enterRoom(req)
	if err != nil {
		s.reject(0, err)
		s.out.endQuietly()
		return errEnded
	}
	s.log().Log(context.Background(), s.presenceLevel(), "joined", "nick", welcomed.Nick, "members", welcomed.Members)
	return nil
}

// enterRoom takes the client over from its other connections and enters the room.
func (s *Session) enterRoom(req *wire.Request) (room.Welcomed, error) {
	for {
		settled, err := s.door.Room.TakeOver(&s.member, req)
		switch {
		case err != nil:
			return room.Welcomed{}, err
		case settled == nil:
			return s.door.Room.Enter(&s.member, req, s.backlogStart(req), now())
		}
		select {
		case <-settled:
		case <-s.out.hasEnded():
			return room.Welcomed{}, wire.Faultf(wire.CodeShutdown, "the room is closing")
		}
	}
}

// backlogStart returns the ID with which the backlog of a new member begins. It may read
// from disk.
func (s *Session) backlogStart(req *wire.Request) uint64 {
	if req.Since > 0 {
		return 0
	}
	backlog := s.door.Limits.Backlog
	if req.Backlog != nil {
		backlog = max(*req.Backlog, 0)
	}
	from, err := s.door.Log.Back(backlog)
	if err != nil {
		s.log().Error("the backlog is shorter than it should be", "error", err)
	}
	return from
}

// presenceLevel is the level of the log lines about who joined and left.
func (s *Session) presenceLevel() slog.Level {
	if s.member.Visit {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// readLoop serves lines until the session ends or the connection fails; err is not nil if
// that has happened already. Then it closes the connection.
func (s *Session) readLoop(err error) {
	for err == nil {
		if err = s.lines.Fill(); err == nil {
			err = s.serveLines()
		}
	}
	s.goodbye(err)
	s.linger()
	s.conn.Close()
	s.over()
}

// serveLines serves the lines that are read.
func (s *Session) serveLines() error {
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

// serveNext serves a line. The first one of a member that was silent long enough to be
// greeted as a person may show that it is none.
func (s *Session) serveNext(line []byte) error {
	if s.late == nil || len(line) == 0 {
		return s.serveLine(line)
	}
	speaker := s.late.Line(line)
	s.late = nil
	switch {
	case speaker == Program && s.lateHello(line):
		return nil
	case speaker == Browser:
		s.log().Info("an HTTP request came too late; rejected")
		s.out.put([]byte("HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\n" +
			"X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\nThe request came late; ask again.\n"))
		return errEnded
	case speaker == Stranger:
		return errEnded
	}
	return s.serveLine(line)
}

// lateHello takes the hello of a program that a slow network delayed. It reports whether
// line is one.
func (s *Session) lateHello(line []byte) bool {
	req, err := wire.ParseRequest(line)
	if err != nil || req.Type != wire.TypeHello {
		return false
	}
	s.door.Room.Leave(&s.member, "", now())
	s.out.pause()
	s.speakJSON()
	s.enter(&req) // if it is rejected, the session ends, and the read loop with it
	return true
}

// serveLine carries out one line, at the rate that the connection may have.
func (s *Session) serveLine(line []byte) error {
	s.keepPace()
	if s.out.isEnding() {
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
	case req.Type == wire.TypeSay: // nearly every line
		s.rejectIf(req.Seq, s.door.Room.Post(&s.member, wire.TypeMessage, req.Seq, req.Text, now()))
	case req.Type != "":
		other := req // Post must not move req to the heap
		s.do(&other)
	}
	s.awaitDisk()
	return nil
}

// keepPace counts a line and waits until the next one may be read.
func (s *Session) keepPace() { s.wait(s.bucket.Line()) }

// countBytes counts n bytes that were read.
func (s *Session) countBytes(n int) { s.wait(s.bucket.Bytes(n)) }

func (s *Session) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	s.door.wakeLog()
	select {
	case <-time.After(d):
	case <-s.out.hasEnded():
	}
}

// awaitDisk waits while too much is pending on its way to disk.
func (s *Session) awaitDisk() {
	for {
		taken := s.door.Log.Full()
		if taken == nil {
			return
		}
		s.door.wakeLog()
		select {
		case <-taken:
		case <-s.out.hasEnded():
			return
		}
	}
}

// awaitCommitted waits until everything that the session sent is committed or rejected,
// for drain at most.
func (s *Session) awaitCommitted() {
	select {
	case <-s.door.Room.Committed(&s.member):
	case <-time.After(drain):
	}
}

// reply queues an event for this session only. If the client does not take its replies,
// its requests wait.
func (s *Session) reply(e *wire.Event) { s.out.putOrWait(s.out.encode(e, "")) }

// reject replies that the request which the client numbered seq was rejected.
func (s *Session) reject(seq uint64, err error) {
	if err == room.ErrPending {
		return // it is answered when it is committed
	}
	fault, ok := errors.AsType[*wire.Fault](err)
	if !ok {
		s.log().Error("a request failed", "error", err)
		fault = wire.Faultf(wire.CodeBadRequest, "%s", text.Clean(err.Error()))
	}
	e := fault.Event(seq)
	s.reply(&e)
}

func (s *Session) rejectIf(seq uint64, err error) {
	if err != nil {
		s.reject(seq, err)
	}
}

func (s *Session) rejectTooLong() {
	limit := s.door.Limits.Line
	if s.member.Program {
		limit = s.door.Limits.JSONLine
	}
	s.reject(0, wire.Faultf(wire.CodeTooLong, "a line has at most %d bytes; this one was dropped", limit))
}

// goodbye takes the session out of the room. err is what ended its read loop.
func (s *Session) goodbye(err error) {
	if why, ok := errors.AsType[*websocket.CloseError](err); ok {
		s.out.closeAs(why)
	}
	s.door.wakeLog() // for its last messages
	s.awaitCommitted()
	departure, left := s.door.Room.Drop(&s.member, now())
	s.out.endQuietly()
	s.out.writer.Wait()
	if left {
		s.log().Log(context.Background(), s.presenceLevel(), "left", "nick", departure.Nick, "members", departure.Members)
	}
	if missed := s.out.countsNow().Missed; missed > 0 {
		s.log().Warn("a slow session missed events", "missed", missed)
	}
	s.log().Debug("session over", "reason", err)
}

// linger lets the peer read to the end: closing while some of its bytes are unread would
// reset the connection and lose the last events.
func (s *Session) linger() {
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		s.conn.SetReadDeadline(time.Now().Add(lingerTime))
		io.CopyN(io.Discard, s.conn, 64<<10)
	}
}

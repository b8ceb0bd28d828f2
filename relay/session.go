package relay

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"chat/relay/history"
	"chat/relay/text"
	"chat/relay/wire"
)

// A session is one client's connection. This file reads as the connection lives:
// run, greet, hello, read loop, write loop, goodbye.
//
// One goroutine at a time reads it, until the peer is gone or the session ends.
// What is written is written by the fanout, and by a write loop of the session's
// own while its peer takes less than there is.
type session struct {
	// fixed after construction
	server  *Server
	conn    net.Conn
	address string // what limits count it by; "" for this machine itself
	visits  bool   // it comes to say something and goes: the room is not told of that

	// the read loop's
	lines   *wire.LineReader
	due     time.Time // when its next line is, at the pace; under mu once it was handed over
	unpaced int       // bytes read since some were last counted as a line
	fresh   bool      // it was greeted as a person and has said nothing yet

	// under room.mu
	identity  *identity // who this is; nil before the welcome
	nick      string
	keys      text.Keys // of nick, as room.nicks has them
	host      bool      // the hosting person
	announced bool      // the room was told that it joined
	slot      int       // its place in room.members

	mu         sync.Mutex     // of all down to ended
	format     history.Format // changed by the read loop alone
	started    bool           // there was a welcome, and cursor is the session's place in the log
	waiting    bool           // on the log's list of those to be handed over
	writing    bool           // it is being written to, or nothing will be any more
	ending     bool           // nothing new comes in
	handedOver bool           // the connection speaks HTTP: it is only counted here, and closed with the room
	cursor     history.Cursor
	places     int           // how many cursors there have been
	delivered  uint64        // how many events of the log it was sent; some of them were not for it
	missed     uint64        // how many events the log dropped before they were read
	sent       uint64        // bytes of lines
	out        [][]byte      // encoded events for this session alone, to be written before more of the log
	outBytes   int           // in out
	bye        *wire.Event   // the last event; nil: none
	deadline   time.Time     // of the write loop once the session is ending
	space      chan struct{} // closed when out is taken; nil while nobody waits for it
	ended      chan struct{} // closed once ending is set; nil while nobody waits for it

	writer sync.WaitGroup // what writing means
}

// bytesPaced is how many bytes count as a line of their own.
const bytesPaced = 8 << 10

// lingerTime is how long a peer may take to read the last events.
const lingerTime = 500 * time.Millisecond

func newSession(s *Server, conn net.Conn, address string) *session {
	sess := &session{server: s, conn: lazily(conn), address: address}
	if framed, ok := conn.(FramedConn); ok {
		c := newFramedConn(framed)
		framed.OnControl(sess.controlFrame)
		sess.conn = c
	}
	sess.lines = wire.NewLineReader(sess.conn, s.opts.MaxLine)
	sess.lines.OnRead = sess.count
	sess.lines.OnWait = s.wake
	return sess
}

// count counts n bytes that were read. A peer that sends bytes without end is
// slowed down like one that sends lines without end: every bytesPaced count as one.
func (s *session) count(n int) {
	for s.unpaced += n; s.unpaced >= bytesPaced; s.unpaced -= bytesPaced {
		s.keepPace()
	}
}

// keepPace counts one line and waits until the next may be read.
func (s *session) keepPace() {
	if wait := s.server.pace.take(&s.due); wait > 0 {
		s.server.wake()
		select {
		case <-time.After(wait):
		case <-s.hasEnded():
		}
	}
}

// run lets the client in and serves it; over is called when that has ended.
//
// A goroutine's stack grows and hardly shrinks again. So the greeting has one of its
// own, and the one that waits for the client from then on, as many thousands may,
// begins with a small one.
func (s *session) run(over func()) {
	s.open()
	first, err := s.greet()
	if err == errWeb {
		s.handOver(first, over)
		return
	}
	s.fresh = first == nil && !s.isJSON()
	if err == nil && first != nil {
		err = s.serve(first)
	}
	if err == nil {
		err = s.serveLines()
	}
	go s.readLoop(err, over)
}

// open prepares the connection.
func (s *session) open() {
	if err := watchPeer(s.conn, s.server.opts.DeadPeer); err != nil {
		s.log().Debug("dead peers are found later than they could be", "error", err)
	}
}

// shutDown ends the session because the room closes.
func (s *session) shutDown() { s.end(byeEvent(wire.CodeShutdown, "the room closes; goodbye")) }

// log returns a logger that names the peer.
func (s *session) log() *slog.Logger {
	return s.server.opts.Log.With("remote", s.conn.RemoteAddr().String())
}

// errRefused ends a session that was answered already and needs no goodbye.
var errRefused = errors.New("refused")

// greet finds out who is there and lets them into the room. It returns the first
// line of a person who did not wait for the welcome.
func (s *session) greet() (first []byte, err error) {
	if s.isFramed() {
		return nil, s.hello(nil)
	}
	s.readBy(time.Now().Add(silence))
	line, err := s.lines.ReadLine()
	if errors.Is(err, os.ErrDeadlineExceeded) && len(s.lines.Pending()) == 0 && s.server.hasPage(s.address) {
		s.readBy(time.Now().Add(pageSilence - silence))
		line, err = s.lines.ReadLine()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && unfinished(s.lines.Pending()) {
		s.readBy(time.Now().Add(s.server.opts.FirstLine - silence))
		line, err = s.lines.ReadLine()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && !unfinished(s.lines.Pending()):
		return nil, s.enter(wire.Request{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.end(byeEvent(wire.CodeFirstLine, "the first line did not end in time"))
		return nil, errRefused
	case errors.Is(err, wire.ErrLineTooLong) && isHTTP(s.lines.Dropped()):
		s.answer(httpRefusal("414 URI Too Long", "the address is too long"))
		return nil, errRefused
	case errors.Is(err, wire.ErrLineTooLong) && unfinished(s.lines.Dropped()):
		return nil, errRefused
	case errors.Is(err, wire.ErrLineTooLong):
		if err := s.enter(wire.Request{}); err != nil {
			return nil, err
		}
		s.tooLong(s.server.opts.MaxLine)
		return nil, nil
	case err != nil:
		return nil, err
	}
	switch speakerOf(line) {
	case program:
		return nil, s.hello(line)
	case web:
		if s.server.opts.Web != nil {
			return bytes.Clone(line), errWeb
		}
		return nil, s.refuseWeb()
	case stranger:
		s.log().Info("a handshake of another protocol on the chat port; refused")
		return nil, errRefused
	}
	if len(line) == 0 { // says nothing yet of who it is
		return nil, s.enter(wire.Request{})
	}
	return bytes.Clone(line), s.enter(wire.Request{})
}

// refuseWeb tells a browser that this is no web page. Nothing of what it sent is
// said: a page anywhere can make a browser in this network send it.
func (s *session) refuseWeb() error {
	s.log().Info("a web client spoke to the chat port; refused")
	if s.server.opts.Web != nil { // it was silent for too long, and greeted as a person
		s.answer(httpRefusal("408 Request Timeout", "The request came late; ask again."))
	} else {
		s.answer([]byte(httpAnswer))
	}
	return errRefused
}

// hello takes a program's first line (nil: it is still to come), or the next one where
// that was no hello.
func (s *session) hello(line []byte) error {
	s.speakJSON()
	s.readBy(time.Now().Add(s.server.opts.FirstLine))
	for {
		req, err := wire.ParseRequest(line)
		switch {
		case line == nil:
		case err != nil:
			s.fail(0, faultf(wire.CodeBadJSON, "%v", err))
		case req.Type != wire.TypeHello:
			s.fail(req.Seq, faultf(wire.CodeBadRequest, `the first line is a hello: {"type":"hello","version":1,"nick":"NAME"}`))
		default:
			return s.enter(req)
		}
		for {
			s.keepPace()
			line, err = s.lines.ReadLine()
			if !errors.Is(err, wire.ErrLineTooLong) {
				break
			}
			s.tooLong(s.server.opts.MaxJSONLine)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.end(byeEvent(wire.CodeFirstLine, "no hello came in time"))
			return errRefused
		}
		if err != nil {
			return err
		}
	}
}

// enter lets the session into the room as req asks, or only says which room it is.
func (s *session) enter(req wire.Request) error {
	s.readBy(time.Time{})
	if req.Probe {
		info := s.server.Info()
		s.reply(wire.Event{
			Type: wire.TypeRoom, Room: info.ID, Title: info.Title, Version: info.Version, App: info.App, Count: info.Members,
		})
		s.endQuietly()
		return errRefused
	}
	if fault := s.server.room.enter(s, req); fault != nil {
		s.fail(0, fault)
		s.endQuietly()
		return errRefused
	}
	return nil
}

// readLoop serves the lines of the client until the session is ending or the
// connection fails; err is not nil where that is so already. Then it closes it.
func (s *session) readLoop(err error, over func()) {
	for err == nil {
		if err = s.lines.Fill(); err == nil {
			err = s.serveLines()
		}
	}
	s.goodbye(err)
	s.linger()
	s.conn.Close()
	s.server.release(s)
	over()
}

// serveLines serves the lines that were read.
func (s *session) serveLines() error {
	for {
		line, ok, err := s.lines.NextLine()
		switch {
		case err != nil && s.fresh && unfinished(s.lines.Dropped()):
			return errRefused
		case err != nil:
			s.fresh = false
			if s.isJSON() {
				s.tooLong(s.server.opts.MaxJSONLine)
			} else {
				s.tooLong(s.server.opts.MaxLine)
			}
			continue
		case !ok:
			return nil
		}
		if s.fresh && len(line) > 0 { // who was silent long enough to be greeted may be no person all the same
			s.fresh = false
			switch speakerOf(line) {
			case program:
				if s.isLateHello(line) {
					continue
				}
			case web:
				return s.refuseWeb()
			case stranger:
				return errRefused
			}
		}
		if err := s.serve(line); err != nil {
			return err
		}
	}
}

// isLateHello takes the hello of a program that a slow network kept past the
// silence, so that it was greeted as a person: from here on it is a program.
func (s *session) isLateHello(line []byte) bool {
	req, err := wire.ParseRequest(line)
	if err != nil || req.Type != wire.TypeHello {
		return false
	}
	s.server.room.leave(s, "")
	s.pause()
	s.speakJSON()
	s.enter(req) // when it is refused, the session ends, and the read loop with it
	return true
}

// serve carries out one line, at the pace that the session may have.
func (s *session) serve(line []byte) error {
	s.keepPace()
	if s.isEnding() {
		return errRefused
	}
	if s.isJSON() {
		s.serveJSON(line)
	} else {
		if bytes.Contains(line, wire.TelnetMark) {
			s.answer(wire.TelnetNoMark)
		}
		s.serveTyped(string(wire.StripTelnet(line)))
	}
	s.awaitDisk()
	return nil
}

// serveTyped carries out a line that a person typed.
func (s *session) serveTyped(line string) {
	text := text.Clean(strings.TrimRight(line, " \t\r"))
	switch {
	case text == "":
	case len(text) > s.server.opts.MaxText:
		s.fail(0, faultf(wire.CodeTooLong, "a message has at most %d bytes; it was not sent", s.server.opts.MaxText))
	case strings.HasPrefix(text, "//"):
		s.say(0, text[1:])
	case strings.HasPrefix(text, "/"):
		req, err := wire.ParseCommand(text)
		if err != nil {
			s.fail(0, faultOf(err))
			return
		}
		s.do(req)
	default:
		s.say(0, text)
	}
}

// serveJSON carries out a line of a program.
func (s *session) serveJSON(line []byte) {
	req, err := wire.ParseRequest(line)
	if err != nil {
		s.fail(0, faultf(wire.CodeBadJSON, "%v", err))
		return
	}
	if fault := s.checkText(&req); fault != nil {
		s.fail(req.Seq, fault)
		return
	}
	if req.Type == wire.TypeSay {
		s.say(req.Seq, req.Text)
		return
	}
	other := req // say must not move req to the heap
	s.do(&other)
}

// say says text in the room: what nearly every line does, and so without the table
// of commands.
func (s *session) say(seq uint64, text string) {
	if text == "" {
		s.fail(seq, faultf(wire.CodeBadRequest, "there is no text in it"))
		return
	}
	if fault := s.server.room.say(s, wire.TypeMessage, seq, text); fault != nil {
		s.fail(seq, fault)
	}
}

// awaitDisk waits while more is on its way to disk than should be.
func (s *session) awaitDisk() {
	for {
		room := s.server.history.Full()
		if room == nil {
			return
		}
		s.server.wake()
		select {
		case <-room:
		case <-s.hasEnded():
			return
		}
	}
}

// checkText bounds and cleans what a program says.
func (s *session) checkText(req *wire.Request) *wire.Event {
	opts := &s.server.opts
	if len(req.Text) <= opts.MaxText {
		req.Text = text.CleanLines(req.Text) // stand-ins take up to three times the room
	}
	if len(req.Text) > opts.MaxText {
		return faultf(wire.CodeTooLong, "a message has at most %d bytes; it was not sent", opts.MaxText)
	}
	if strings.Count(req.Text, "\n") >= opts.MaxTextLines {
		return faultf(wire.CodeTooLong, "a message has at most %d lines; it was not sent", opts.MaxTextLines)
	}
	return nil
}

// speakJSON makes the session a program's.
func (s *session) speakJSON() {
	s.lines.SetMax(s.server.opts.MaxJSONLine)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.format = history.JSON
}

// isJSON is for the read loop, which alone changes the format.
func (s *session) isJSON() bool { return s.format == history.JSON }

func (s *session) tooLong(limit int) {
	s.fail(0, faultf(wire.CodeTooLong, "a line has at most %d bytes; this one was dropped", limit))
}

// fail tells the client that its request numbered seq could not be carried out.
func (s *session) fail(seq uint64, fault *wire.Event) {
	if fault == onItsWay {
		return
	}
	fault.Seq = seq
	s.reply(*fault)
}

// end makes the session end: what is in the log and the queue goes out, bye last,
// within a bounded time. Only the first call counts.
func (s *session) end(bye wire.Event) { s.endWith(&bye) }

// endQuietly is end without a last word.
func (s *session) endQuietly() { s.endWith(nil) }

func (s *session) endWith(bye *wire.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return
	}
	s.ending = true
	if s.handedOver {
		s.conn.Close()
		if s.ended != nil {
			close(s.ended)
		}
		return
	}
	s.bye = bye
	s.deadline = time.Now().Add(drain)
	s.conn.SetDeadline(s.deadline) // wakes a write that hangs
	s.conn.SetReadDeadline(time.Now())
	if s.ended != nil {
		close(s.ended)
	}
	s.startWritingLocked()
}

func (s *session) isEnding() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending
}

// hasEnded returns a channel that is closed once the session is ending.
func (s *session) hasEnded() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = make(chan struct{})
		if s.ending {
			close(s.ended)
		}
	}
	return s.ended
}

// readBy sets when the next reads fail, unless the session is ending.
func (s *session) readBy(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ending {
		s.conn.SetReadDeadline(t)
	}
}

// startWritingLocked has the session written to, if it is not already.
func (s *session) startWritingLocked() {
	if s.beginLocked() {
		s.server.fanout.begin(s)
	}
}

// begin marks a session that waited for the log as writing, unless it is already.
func (s *session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = false
	return s.beginLocked()
}

func (s *session) beginLocked() bool {
	if s.writing {
		return false
	}
	s.writing = true
	s.writer.Add(1)
	return true
}

// writeSome writes what there is for the session as far as its connection takes it
// without waiting. It reports whether there may be more; if not, the session waits
// for more, is over, or goes on in a goroutine of its own.
func (s *session) writeSome(w *writer) (more bool) {
	var behind bool
	w.runs, behind = s.collect(w.runs[:0])
	if behind {
		go s.writeLoop(nil)
		return false
	}
	if len(w.runs) == 0 {
		s.writer.Done()
		return false
	}
	left := w.runs
	if eager, ok := eagerly(s.conn); ok {
		began := s.server.writes.begin()
		var err error
		left, err = eager.writeNow(w)
		s.server.writes.end(began)
		if err != nil {
			s.lost(err)
			s.writer.Done()
			return false
		}
	}
	if len(left) == 0 {
		return true
	}
	go s.writeLoop(slices.Clone(left))
	return false
}

// writeLoop writes runs and then on until there is nothing more at the moment.
func (s *session) writeLoop(runs [][]byte) {
	defer s.writer.Done()
	for {
		if err := s.write(runs); err != nil {
			s.lost(err)
			return
		}
		var behind bool
		runs, behind = s.collect(runs[:0])
		if behind {
			runs = s.fetch(runs)
		} else if len(runs) == 0 {
			return
		}
	}
}

// write writes runs. A peer that takes no byte for the stall time ends it with
// an error; one that takes some, however few, goes on.
func (s *session) write(runs [][]byte) error {
	for buffers := net.Buffers(runs); len(buffers) > 0; {
		s.writeBy()
		began := s.server.writes.begin()
		n, err := buffers.WriteTo(s.conn)
		s.server.writes.end(began)
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded) || s.isOver()) {
			return err
		}
	}
	s.writeWithoutEnd()
	return nil
}

// writeWithoutEnd takes the time-out of a write back: past it, the next write that
// does not wait would fail for it.
func (s *session) writeWithoutEnd() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ending {
		s.conn.SetWriteDeadline(time.Time{})
	}
}

// writeBy sets when the next write fails.
func (s *session) writeBy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		s.conn.SetWriteDeadline(s.deadline)
		return
	}
	s.conn.SetWriteDeadline(time.Now().Add(s.server.opts.Stall))
}

// isOver reports whether the time to take the last events has run out.
func (s *session) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending && !time.Now().Before(s.deadline)
}

// lost notes why nothing more is written, and ends the session: the read loop
// reads, or waits for its answers to be taken.
func (s *session) lost(err error) {
	s.endQuietly()
	s.conn.Close()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.server.stalled.Add(1)
		s.log().Warn("closed a session that does not take what it is sent", "stall", s.server.opts.Stall)
		return
	}
	s.log().Debug("write failed", "error", err)
}

// goodbye takes the session out of the room. err is what ended its read loop.
func (s *session) goodbye(err error) {
	s.server.wake() // what it said last
	s.server.room.awaitSettled(s, drain)
	s.server.room.drop(s)
	s.endQuietly()
	s.writer.Wait()
	s.server.keepDebt(s.address, s.due)
	if s.missed > 0 {
		s.log().Warn("a slow consumer missed events", "missed", s.missed)
	}
	s.log().Debug("session over", "reason", err)
}

// linger lets the peer read to the end: closing while something it sent is
// unread would reset the connection and take the last events with it.
func (s *session) linger() {
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		s.conn.SetReadDeadline(time.Now().Add(lingerTime))
		io.CopyN(io.Discard, s.conn, 64<<10)
	}
}

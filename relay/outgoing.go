package relay

import (
	"errors"
	"slices"
	"time"

	"chat/relay/history"
	"chat/relay/wire"
)

// This file is what goes to a session: the log from the session's cursor on, and
// beside it a bounded queue of what is for this session alone.

// maxOut is how many bytes may wait in a session's out queue, or one event that is
// longer. Past it private messages to the session are refused, and its own requests wait.
const maxOut = 256 << 10

// start gives the session its place in the log behind the welcome. From here on
// it reads what is said. A person, whose terminal shows what is typed, does not
// get what it says itself.
func (s *session) start(welcome wire.Event, from, live uint64, me history.Author, ignored map[history.Author]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putLocked(&welcome, welcome.Nick)
	s.places++
	s.cursor = s.server.history.Cursor(from, live, history.View{
		Format: s.format, Me: me, Echo: s.format == history.JSON, Ignored: ignored,
	})
	s.started = true
}

// pause takes the session's place in the log away again.
func (s *session) pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = false
}

// ignore makes the session pass over what these authors say.
func (s *session) ignore(authors map[history.Author]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor.Ignore(authors)
}

// reply queues an event for this session alone. It is for the session's own read
// loop: where the client does not take its answers, its requests wait.
func (s *session) reply(e wire.Event) { s.replyEncoded(s.encode(&e, "")) }

// replyEncoded is reply for what is encoded already.
func (s *session) replyEncoded(b []byte) {
	for {
		space := s.queueOrWait(b)
		if space == nil {
			return
		}
		s.server.wake() // what it said before does not wait with it
		select {
		case <-space:
		case <-s.hasEnded():
			return
		}
	}
}

// queueOrWait queues b, or returns a channel that is closed when the queue is next
// taken: both under one lock, or it could be taken between.
func (s *session) queueOrWait(b []byte) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || s.offerLocked(b) {
		return nil
	}
	if s.space == nil {
		s.space = make(chan struct{})
	}
	return s.space
}

// view returns what this session gets of the log.
func (s *session) view() history.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursor.View()
}

// deliver queues an event for this session alone, unless its client does not
// keep up. It never waits.
func (s *session) deliver(e *wire.Event, nick string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ending && s.offerLocked(s.encode(e, nick))
}

// offerLocked queues b if the queue has room for it.
func (s *session) offerLocked(b []byte) bool {
	if s.outBytes > 0 && s.outBytes+len(b) > maxOut {
		return false
	}
	s.queueLocked(b)
	return true
}

// answer queues bytes that are no event.
func (s *session) answer(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queueLocked(b)
}

func (s *session) putLocked(e *wire.Event, nick string) { s.queueLocked(s.encode(e, nick)) }

func (s *session) queueLocked(b []byte) {
	s.out = append(s.out, b)
	s.outBytes += len(b)
	s.startWritingLocked()
}

func (s *session) encode(e *wire.Event, nick string) []byte {
	if s.format == history.JSON {
		return e.AppendJSON(nil)
	}
	return e.AppendText(nil, wire.Viewer{Zone: s.server.history.Zone(), Nick: nick})
}

// collect appends what is to be written next to runs: the session's own events,
// then the log from the cursor on. Where there is nothing the write loop has to
// end: writing begins again by the log, by the queue, or never if the session is over.
//
// behind is true where the next events are on disk, and there is nothing else: see fetch.
func (s *session) collect(runs [][]byte) (_ [][]byte, behind bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		runs = s.takeOutLocked(runs)
		runs, behind = s.takeLogLocked(runs)
		switch {
		case len(runs) > 0 || s.hasControl():
			return s.frameLocked(runs), false
		case behind && !(s.ending && time.Now().After(s.deadline)):
			return runs, true
		case s.bye != nil:
			runs = s.frameLocked(append(runs, s.encode(s.bye, "")))
			if c, ok := s.conn.(*framedConn); ok {
				runs = append(runs, c.AppendGoodbye(nil))
			}
			s.bye = nil
			return runs, false
		case s.ending:
			return nil, false
		case !s.started || s.waiting || s.cursor.Wait(s):
			s.waiting = s.started
			s.writing = false
			return nil, false
		}
	}
}

// takeOutLocked empties the queue.
func (s *session) takeOutLocked(runs [][]byte) [][]byte {
	runs = append(runs, s.out...)
	s.out, s.outBytes = nil, 0
	if s.space != nil {
		close(s.space)
		s.space = nil
	}
	return runs
}

// takeLogLocked reads on in the log.
func (s *session) takeLogLocked(runs [][]byte) (_ [][]byte, behind bool) {
	if !s.started {
		return runs, false
	}
	before, place := len(runs), s.cursor.Place()
	runs, missed, behind := s.cursor.Next(runs)
	s.delivered += s.cursor.Place() - place - missed
	return s.tellMissedLocked(runs, before, missed), behind
}

// tellMissedLocked tells of events that were missed in front of those that came then.
func (s *session) tellMissedLocked(runs [][]byte, before int, missed uint64) [][]byte {
	if missed == 0 {
		return runs
	}
	s.missed += missed
	gap := s.encode(&wire.Event{Type: wire.TypeGap, Missed: missed}, "")
	return slices.Insert(runs, before, gap)
}

// fetch is collect for a session whose next events are on disk. Nothing waits for it:
// the session can be told something while it reads.
func (s *session) fetch(runs [][]byte) [][]byte {
	s.mu.Lock()
	place, number := s.cursor, s.places
	s.mu.Unlock()
	before := len(runs)
	runs, missed, err := place.Fetch(runs)
	if err != nil {
		s.log().Error("what a session missed cannot be read", "error", err)
	}
	if err != nil && !errors.Is(err, history.ErrDamaged) { // it may be readable the next time
		s.pause()
		s.end(byeEvent(wire.CodeNotRead, "the host cannot read its history just now"))
		return runs[:before]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.places != number { // a late hello has begun anew
		return runs[:before]
	}
	s.delivered += place.Place() - s.cursor.Place() - missed
	s.cursor.MoveTo(&place)
	return s.frameLocked(s.tellMissedLocked(runs, before, missed))
}

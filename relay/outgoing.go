package relay

import (
	"chat/relay/history"
	"chat/relay/wire"
)

// This file is what goes to a session: the log from the session's cursor on, and
// beside it a bounded queue of what is for this session alone.

// maxOut is how many bytes may wait in a session's out queue. Past it private
// messages to the session are refused, and its own requests wait.
const maxOut = 256 << 10

// start gives the session its place in the log behind the welcome. From here on
// it reads what is said.
func (s *session) start(welcome wire.Event, from, live uint64, own history.Author, ignored map[history.Author]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own = own
	s.ignored = ignored
	s.putLocked(&welcome, welcome.Nick)
	s.cursor = s.server.history.Cursor(from, live, s.format, s.skipLocked())
}

// pause takes the session's place in the log away again.
func (s *session) pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = nil
}

// ignore makes the session pass over what these authors say.
func (s *session) ignore(authors map[history.Author]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ignored = authors
	s.cursor.SetSkip(s.skipLocked())
}

// skipLocked returns what the session's cursor leaves out: for a person, whose
// terminal shows what is typed, the session's own lines; and who is ignored.
func (s *session) skipLocked() func(history.Author) bool {
	own, ignored, isText := s.own, s.ignored, s.format == history.Text
	if !isText && len(ignored) == 0 {
		return nil
	}
	return func(a history.Author) bool { return isText && a == own || ignored[a] }
}

// reply queues an event for this session alone. It is for the session's own read
// loop: where the client does not take its answers, its requests wait.
func (s *session) reply(e wire.Event) {
	for !s.deliver(&e, "") {
		select {
		case <-s.space:
		case <-s.ended:
			return
		}
	}
}

// deliver queues an event for this session alone, unless its client does not
// keep up. It never waits.
func (s *session) deliver(e *wire.Event, nick string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending || s.outBytes >= maxOut {
		return false
	}
	s.putLocked(e, nick)
	return true
}

// answer queues bytes that are no event.
func (s *session) answer(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = append(s.out, b)
	s.outBytes += len(b)
	signal(s.wake)
}

func (s *session) putLocked(e *wire.Event, nick string) {
	b := s.encode(e, nick)
	s.out = append(s.out, b)
	s.outBytes += len(b)
	signal(s.wake)
}

func (s *session) encode(e *wire.Event, nick string) []byte {
	if s.format == history.JSON {
		return e.AppendJSON(nil)
	}
	return e.AppendText(nil, wire.Viewer{Zone: s.server.history.Zone(), Nick: nick})
}

// signal wakes the one who waits on c, now or next.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// collect appends what is to be written next to runs: the session's own events,
// then the log from the cursor on. Where there is nothing, more tells when the
// log goes on; last, that nothing will come.
func (s *session) collect(runs [][]byte) (_ [][]byte, more <-chan struct{}, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.out) > 0 {
		runs = append(runs, s.out...)
		s.out, s.outBytes = nil, 0
		signal(s.space)
	}
	if s.cursor != nil {
		own := len(runs)
		var missed uint64
		runs, missed = s.cursor.Next(runs)
		if missed > 0 {
			s.log.Warn("slow consumer missed events", "missed", missed)
			gap := wire.Event{Type: wire.TypeGap, Missed: missed}
			runs = append(runs, nil)
			copy(runs[own+1:], runs[own:])
			runs[own] = s.encode(&gap, "")
		}
	}
	switch {
	case len(runs) > 0:
	case s.bye != nil:
		runs = append(runs, s.encode(s.bye, ""))
		s.bye = nil
	case s.ending:
		last = true
	case s.cursor != nil:
		more = s.cursor.Wait()
	}
	return runs, more, last
}

package session

import "chat/relay/internal/room"

// A Report says how a session is doing, for the one who runs the host.
type Report struct {
	room.Description
	Queued  int    // bytes that wait for the client, in addition to events of the log
	Behind  uint64 // events of the log that the client has not been sent
	Sent    uint64 // bytes of lines
	Missed  uint64 // events that the log dropped before they were read
	Delayed bool   // its input waits: it sends or reads more than its share
}

// Report returns how the session is doing. Any goroutine may call it.
func (s *Session) Report() Report {
	r := Report{Description: s.door.Room.Describe(&s.member), Delayed: s.delayed.Load()}
	next := s.door.Log.Next()
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	r.Queued, r.Sent, r.Missed = s.out.queued, s.out.counts.Sent, s.out.counts.Missed
	if place := s.out.cursor.Place(); s.out.started && place < next {
		r.Behind = next - place
	}
	return r
}

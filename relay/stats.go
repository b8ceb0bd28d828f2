package relay

import "chat/relay/internal/fanout"

// Stats are what a host counts of itself, since it started if not said otherwise.
type Stats struct {
	Members    int    // members now
	Sessions   int    // connections that are open now
	Opened     uint64 // connections there have been
	Said       uint64 // messages, actions and private messages that were accepted
	Delivered  uint64 // events that sessions were sent; one for two sessions counts twice
	Sent       uint64 // bytes of lines to sessions, without frames
	Missed     uint64 // events that were not kept long enough for a slow session
	Gaps       uint64 // sessions that missed some
	Stalled    uint64 // sessions that were closed because they took no byte for Options.Stall
	WriteTimes []WriteTime
}

// A WriteTime is how many of the timed writes, one in about 16, took at most so long.
type WriteTime = fanout.WriteTime

// Stats returns the counts. It looks at every session, so do not call it more than once a
// second or so.
func (s *Server) Stats() Stats {
	f := s.front.Stats()
	members, accepted := s.room.Count()
	return Stats{
		Members: members, Sessions: f.Open, Opened: f.Opened, Said: accepted,
		Delivered: f.Delivered, Sent: f.Sent, Missed: f.Missed, Gaps: f.Gaps,
		Stalled: s.door.Stalled.Load(), WriteTimes: s.door.Times.Counts(),
	}
}

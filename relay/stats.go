package relay

import (
	"chat/relay/history"
	"chat/relay/internal/access"
	"chat/relay/internal/fanout"
	"chat/relay/internal/front"
	"chat/relay/internal/room"
)

// Stats are a host's counters since its start, except for Members and Sessions.
type Stats struct {
	Members    int         // members now
	Sessions   int         // open connections now
	Opened     uint64      // connections so far
	Accepted   uint64      // messages, actions and private messages accepted
	Delivered  uint64      // events sent to sessions; one event for two sessions counts twice
	Sent       uint64      // bytes of lines sent to sessions, without frames
	Missed     uint64      // events dropped before a slow session read them
	Gaps       uint64      // sessions that missed events
	Stalled    uint64      // sessions closed because they accepted no byte for Options.Stall
	WriteTimes []WriteTime // durations of writes, by upper bound
	Delays     uint64      // times that input waited for the rate

	Kinds         Kinds          // members now
	Refused       Refusals       // connections
	RefusedLogins RefusedLogins  // to a sealed room
	History       history.Status // of the log
}

// Kinds count the members by what they use.
type Kinds = room.Kinds

// Refusals count connections that were refused.
type Refusals = front.Refusals

// RefusedLogins count attempts to enter a sealed room that failed.
type RefusedLogins = access.Refusals

// A WriteTime counts writes up to a duration. One write in about 16 is timed.
type WriteTime = fanout.WriteTime

// Stats returns the counters. It locks every session, so call it at most about once a
// second.
func (s *Server) Stats() Stats {
	f := s.front.Stats()
	members, accepted := s.room.Count()
	return Stats{
		Members: members, Sessions: f.Open, Opened: f.Opened, Accepted: accepted,
		Delivered: f.Delivered, Sent: f.Sent, Missed: f.Missed, Gaps: f.Gaps,
		Stalled: s.door.Stalled.Load(), WriteTimes: s.door.Times.Counts(), Delays: s.door.Delays.Load(),
		Kinds: s.room.Kinds(), Refused: f.Refused, RefusedLogins: s.gate.Refusals(), History: s.log.Status(),
	}
}

// NotifyOperators sends a notice to all operators who are in the room.
func (s *Server) NotifyOperators(text string) { s.room.NotifyOperators(text) }

// HistorySize returns how many bytes the history has on disk; 0 if the room is in memory. It may have to wait for the
// disk.
func (s *Server) HistorySize() (int64, error) { return s.log.Size() }

package relay

import "chat/relay/internal/session"

// SetLimits replaces the limits, from History on, by those of to, in which zero means the default and a negative
// number no limit. All other options stay as they are. No connection is closed. Those that are open keep MaxLine,
// MaxJSONLine and DeadPeer; the other limits apply to them, too.
func (s *Server) SetLimits(to Options) {
	to = to.withDefaultLimits()
	s.front.SetLimits(to.frontOptions())
	s.door.Costs.SetRate(session.NewRate(to.Rate, to.Burst))
	limits := to.sessionLimits()
	limits.Backlog = s.door.CurrentLimits().Backlog
	s.door.SetLimits(limits)
	s.log.SetLimits(to.History)
}

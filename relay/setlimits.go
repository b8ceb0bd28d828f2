package relay

import "chat/relay/internal/session"

// SetLimits replaces MaxSessions, MaxPerAddress, NewConnections, Rate and Burst by those of to, in
// which zero means the default and a negative number no limit. All other options stay as they are.
// Rate and Burst apply to connections that are open, too; no connection is closed.
func (s *Server) SetLimits(to Options) {
	to = to.withDefaultLimits()
	s.front.SetLimits(to.frontOptions())
	s.door.Costs.SetRate(session.NewRate(to.Rate, to.Burst))
}

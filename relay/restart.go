package relay

import "time"

// When the host restarts, its clients reconnect at random times within a period that grows with their number, so that
// the new host is not busy with all of them at the same moment.
const (
	restartPerSession = 2 * time.Millisecond // a client of a sealed room costs a handshake, about 0.3 ms
	minRestart        = 50 * time.Millisecond
	maxRestart        = 2 * time.Second
)

// prepareRestart has the sessions end with a bye that says that the host restarts, if it does.
func (s *Server) prepareRestart() {
	if s.opts.Restarts == nil || !s.opts.Restarts() {
		return
	}
	within := time.Duration(s.front.Stats().Open) * restartPerSession
	s.restart.Store(int64(min(max(within, minRestart), maxRestart)))
}

// restartWithin returns within what time clients reconnect to the host, which restarts; 0: it does not.
func (s *Server) restartWithin() time.Duration { return time.Duration(s.restart.Load()) }

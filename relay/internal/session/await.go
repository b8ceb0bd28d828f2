package session

import "time"

// commitWait is how long an ending session waits until its messages are committed or rejected: its
// client should learn which, also from a slow disk.
const commitWait = 30 * time.Second

// awaitCommitted waits until all messages of the session are committed or rejected, for up to
// commitWait, or drain if the session has to end. It returns false if some are neither.
func (s *Session) awaitCommitted() bool {
	committed := s.door.Room.Committed(&s.member)
	patience := time.NewTimer(commitWait)
	defer patience.Stop()
	select {
	case <-committed:
		return true
	case <-patience.C:
		return false
	case <-s.out.endingChan():
	}
	select {
	case <-committed:
		return true
	case <-time.After(drain):
		return false
	}
}

package relay

import (
	"errors"
	"fmt"
	"time"

	"chat/relay/history"
)

// maxBusy is how long accepting one connection takes at most: it waits only for locks, or for a second if the
// process is out of file descriptors.
const maxBusy = 5 * time.Second

// A WorkCheck checks again and again that a server works. It is not safe for concurrent use.
type WorkCheck struct {
	server *Server
	before history.Pending // at the last check
}

// NewWorkCheck returns a check of s.
func (s *Server) NewWorkCheck() *WorkCheck { return &WorkCheck{server: s} }

// Check returns an error if a part of the server has made no progress since the last check, some seconds ago. If a lock
// is never released, it does not return. It says nothing about the disk: a host that waits for one works, and starting it
// again would not help.
func (c *WorkCheck) Check() error {
	s := c.server
	if busy := s.front.Busy(); busy > maxBusy {
		return fmt.Errorf("no connection was accepted for %v", busy.Round(time.Second))
	}
	s.Stats() // takes the locks of the front, the room and all sessions
	before := c.before
	if c.before = s.log.Pending(); c.before.IsStuckSince(before) {
		return errors.New("the log does not write pending events")
	}
	return nil
}

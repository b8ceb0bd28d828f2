package relay

import (
	"errors"
	"time"

	"chat/relay/history"
)

// maxWait is how long the disk may take to store something until it is a problem. Members are notified after a second.
const maxWait = 10 * time.Second

// Problems returns what keeps the room from working, in words for those who watch over it; none: it works. It does not
// wait for the disk.
func (s *Server) Problems() (list []string) {
	if s.isClosing() {
		list = append(list, "the room is closing")
	}
	if problem := historyProblem(s.log.Status()); problem != "" {
		list = append(list, problem)
	}
	if s.sharing != nil {
		if problem := s.sharing.problem(); problem != "" {
			list = append(list, problem)
		}
	}
	if s.front.AcceptError() != nil { // the error is in the log
		list = append(list, "no connections can be accepted")
	}
	return list
}

// historyProblem returns why nothing can be stored, or "".
func historyProblem(status history.Status) string {
	switch {
	case errors.Is(status.Failing, history.ErrDiskFull):
		return "the history cannot be written: the disk is full"
	case status.Failing != nil:
		return "the history cannot be written"
	case status.Waiting > maxWait:
		return "the history cannot be written: the disk does not answer"
	}
	return ""
}

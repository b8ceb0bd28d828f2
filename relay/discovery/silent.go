package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"chat/relay/errno"
	"chat/relay/wire"
)

var (
	errNoAnswer  = errors.New("no answer")
	errOtherRoom = errors.New("another room is there")
)

// silentAfter is how long a host must have been asked without an answer before it counts as
// silent: one that was heard at the end of a search is possibly only slow.
const silentAfter = dialTimeout / 2

// isTimeout reports whether err says that no answer came. A router or a firewall that rejects
// says that the host cannot be reached.
func isTimeout(err error) bool {
	for _, timeout := range []error{errNoAnswer, context.DeadlineExceeded, context.Canceled, os.ErrDeadlineExceeded} {
		if errors.Is(err, timeout) {
			return true
		}
	}
	return errno.Unreachable(err) || errno.TimedOut(err)
}

// Problem returns what happened at the addresses of a room whose host did not answer, as
// the rest of a sentence about them: "does not answer".
func (h Heard) Problem() string {
	switch {
	case h.Err == nil || isTimeout(h.Err):
		return "does not answer"
	case errno.Refused(h.Err):
		return "refuses the connection"
	case errors.Is(h.Err, errOtherRoom):
		return "has another room"
	}
	err := h.Err
	if op, ok := errors.AsType[*net.OpError](err); ok { // without the address
		err = op.Err
	}
	return "does not answer as a room (" + err.Error() + ")"
}

// Cause returns the likely cause of the Problem, as a sentence without a full stop.
func (h Heard) Cause() string {
	host, port := "", ""
	if len(h.Addrs) > 0 {
		host, port = h.Addrs[0].Addr().String(), fmt.Sprint(h.Addrs[0].Port())
	}
	switch {
	case h.Err == nil || isTimeout(h.Err):
		return fmt.Sprintf("a firewall on that machine probably blocks TCP port %s: run chat doctor on %s", port, host)
	case errno.Refused(h.Err), errors.Is(h.Err, errOtherRoom):
		return "the room has closed, or has another address by now: search again"
	}
	return fmt.Sprintf("another program, or a proxy, is at TCP port %s: run chat doctor on %s", port, host)
}

// Where lists the addresses of a room.
func (h Heard) Where() string {
	var list []string
	for _, a := range h.Addrs {
		list = append(list, a.String())
	}
	return strings.Join(list, ", ")
}

// What says in a sentence that the host of a room did not answer.
func (h Heard) What() string {
	if len(h.Addrs) == 1 {
		return fmt.Sprintf("room %q is announced at %s, which %s", h.Title, h.Where(), h.Problem())
	}
	return fmt.Sprintf("room %q is announced at %s; the best of these addresses %s", h.Title, h.Where(), h.Problem())
}

// matches is Room.Matches for a room that did not answer.
func (h Heard) matches(want string) bool { return wire.IsRoomNamed(want, h.Title, h.ID) }

// noteSilent remembers why the host of a record did not answer.
func (s *search) noteSilent(r Record, err error) {
	if r.ID == "" { // this machine's default port
		return
	}
	if _, noted := s.silent[r.ID]; !noted && len(s.silent) >= MaxHeard {
		return
	}
	if s.silent == nil {
		s.silent = map[string]Heard{}
	}
	s.silent[r.ID] = Heard{Record: r, Err: err}
}

// silentRooms returns the rooms that were announced and did not answer, those being asked
// still too, sorted as rooms are.
func (s *search) silentRooms() []Heard {
	for key, r := range s.open {
		if _, noted := s.silent[r.ID]; !noted && time.Since(s.since[key]) >= silentAfter {
			s.noteSilent(r, errNoAnswer)
		}
	}
	for key := range s.found {
		delete(s.silent, key.id)
	}
	return slices.SortedFunc(maps.Values(s.silent), func(a, b Heard) int {
		return cmp.Or(compareTitles(a.Title, b.Title), strings.Compare(a.ID, b.ID))
	})
}

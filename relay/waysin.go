package relay

import (
	"fmt"
	"net"
	"strings"

	"chat/relay/internal/access"
)

// This file has the text of /invite: how others can join.

// waysIn returns how others can join, for a member of a level who reached the host at an address; "": not by the
// network.
func (s *Server) waysIn(at string, level access.Level) string {
	if !s.gate.IsSealed() {
		return s.plainWays(at)
	}
	invite, ok := s.Invite(level)
	link := invite.URL()
	if ok {
		link = strings.Join(append([]string{link}, s.programWays(invite.Addr)...), "\n")
	}
	switch {
	case !ok:
		return "this room is sealed; on the host's machine, chat invite prints its invite"
	case level == access.Listen:
		return "this link lets others read:\n" + link
	case s.gate.NeedsKey():
		return "others join with this link, if the host has their keys:\n" + link
	}
	return "this link lets others in:\n" + link
}

// programWays returns how others get the program at an address; none if the host does not hand it out.
func (s *Server) programWays(addr string) []string {
	if s.opts.Program == nil {
		return nil
	}
	install, system, sum := s.opts.Program(addr)
	if install == "" {
		return nil
	}
	ways := []string{"to install chat:", install}
	if sum != "" {
		ways = append(ways, "SHA-256 of the program for "+system+":", sum)
	}
	return ways
}

// plainWays returns how others can join a plain room.
func (s *Server) plainWays(at string) string {
	if s.opts.Ways != nil {
		if ways := s.opts.Ways(); len(ways) > 0 {
			at = ways[0]
		}
	}
	ways := []string{"others can join:", "chat join"}
	if host, port, err := net.SplitHostPort(at); err == nil {
		ways = []string{ways[0], "chat join --addr " + at, fmt.Sprintf("nc %s %s", host, port)}
		if s.opts.Web != nil {
			ways = append(ways, "http://"+at+"/")
			ways = append(ways, s.programWays(at)...)
		}
	}
	return strings.Join(ways, "\n")
}

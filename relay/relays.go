package relay

import (
	"slices"
	"strings"
	"sync"

	"chat/relay/wire"
)

// maxPastRelays is how many addresses of relays are remembered that are no longer listed.
const maxPastRelays = 256

// relays are the addresses of the room's hosts that were listed since this one started.
type relays struct {
	mu   sync.Mutex
	past []string // the last ones at the end; guarded by mu
}

// listRelays returns the function that lists the addresses of the room's hosts; nil: there is only this one.
func (s *Server) listRelays() func() []string {
	if s.sharing == nil {
		return nil
	}
	return s.sharing.relayAddrs
}

// Relays returns the addresses of all hosts that serve the room; nil: there is only this one.
func (s *Server) Relays() []string {
	relays := s.listRelays()
	if relays == nil {
		return nil
	}
	list := wire.Relays(slices.Clone(relays()))
	s.relays.mu.Lock()
	defer s.relays.mu.Unlock()
	for _, addr := range list {
		if !slices.Contains(s.relays.past, addr) {
			s.relays.past = append(s.relays.past, addr)
		}
	}
	s.relays.past = s.relays.past[max(len(s.relays.past)-maxPastRelays, 0):]
	return list
}

// WasRelay reports whether addr is the address of a host of the room, or was since this one started: pages that came
// from a host which is gone are still open.
func (s *Server) WasRelay(addr string) bool {
	s.Relays()
	s.relays.mu.Lock()
	defer s.relays.mu.Unlock()
	return slices.ContainsFunc(s.relays.past, func(past string) bool { return strings.EqualFold(past, addr) })
}

// relaysChanged sends all programs in the room the addresses of its hosts.
func (s *Server) relaysChanged() {
	s.Relays()
	s.room.RelaysChanged()
}

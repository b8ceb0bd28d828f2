package relay

import (
	"net/netip"
	"time"

	"chat/relay/internal/front"
	"chat/relay/internal/room"
)

// This file shows whoever runs the host its connections, and who is banned or muted. operate.go is how they moderate.

// A Connection describes an open connection. The nick and what follows it is empty if it is not in the
// room: it asks by HTTP, or its first line has not arrived.
type Connection struct {
	Address string    `json:"address"` // of the client, with its port; "": it has none, as the host's own member
	Kind    string    `json:"kind"`    // person, program, page, http or new
	Since   time.Time `json:"since"`

	Relay string `json:"relay,omitempty"` // ID of the relay, in a shared room; the address is that of a client of this one only

	Nick     string `json:"nick,omitempty"`
	Tag      string `json:"tag,omitempty"`   // of the member's key
	Visit    bool   `json:"visit,omitempty"` // it connects only to send a message
	Host     bool   `json:"host,omitempty"`  // the host's own member
	Operator bool   `json:"operator,omitempty"`
	Muted    bool   `json:"muted,omitempty"`

	Queued  int    `json:"queued"`            // bytes that wait for the client, in addition to events of the log
	Behind  uint64 `json:"behind"`            // events of the log that the client has not been sent
	Sent    uint64 `json:"sent"`              // bytes of lines
	Missed  uint64 `json:"missed,omitempty"`  // events that the log dropped before they were read
	Delayed bool   `json:"delayed,omitempty"` // its input waits: it sends or reads more than its share
}

// IsMember reports whether the connection is that of a member in the room.
func (c *Connection) IsMember() bool { return c.Nick != "" && !c.Visit }

// Connections lists the open connections, the oldest first. It locks every session for a moment, so call it
// at most about once a second.
func (s *Server) Connections() []Connection {
	open, relay := s.front.Connections(), s.Relay()
	all := make([]Connection, len(open))
	for i := range open {
		c := &open[i]
		all[i] = Connection{
			Address: addressOf(c), Kind: string(c.Kind), Since: c.Since, Relay: relay,
			Nick: c.Nick, Tag: c.Tag, Visit: c.Visit, Host: c.Host, Operator: c.Operator, Muted: c.Muted,
			Queued: c.Queued, Behind: c.Behind, Sent: c.Sent, Missed: c.Missed, Delayed: c.Delayed,
		}
	}
	return all
}

// addressOf returns the address of a client; "": it has none.
func addressOf(c *front.Connection) string {
	if c.From == nil {
		return ""
	}
	at, err := netip.ParseAddrPort(c.From.String())
	if err != nil {
		return ""
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String()
}

// A Mark is a client or an address that is banned or muted.
type Mark struct {
	Name      string   `json:"name"`                // its nick at that time, or an address
	Addresses []string `json:"addresses,omitempty"` // of the client
}

// Marked lists who is banned, and who is muted.
func (s *Server) Marked() (banned, muted []Mark) {
	b, m := s.room.Marked()
	return marks(b), marks(m)
}

func marks(list []room.Mark) []Mark {
	all := make([]Mark, len(list))
	for i, m := range list {
		all[i] = Mark(m)
	}
	return all
}

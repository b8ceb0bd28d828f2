package front

import (
	"cmp"
	"net"
	"slices"
	"time"

	"chat/relay/internal/session"
)

// A Connection describes an open connection, for the one who runs the host.
type Connection struct {
	session.Report          // zero without a session
	From           net.Addr // of the client
	Since          time.Time
	Kind           Kind
}

// A Kind says what a connection is used for.
type Kind string

// The kinds of connections.
const (
	KindPerson  Kind = "person"  // of nc or telnet
	KindProgram Kind = "program" // of chat join, or another program
	KindPage    Kind = "page"    // of the web page
	KindHTTP    Kind = "http"    // of requests; it has no session
	KindNew     Kind = "new"     // its first line has not arrived
)

// Connections lists the open connections, the oldest first. It locks every session for a moment.
func (f *Front) Connections() []Connection {
	type open struct {
		*Conn
		Connection
		isBrowser bool
	}
	f.mu.Lock()
	list := make([]open, 0, len(f.conns))
	for c := range f.conns {
		list = append(list, open{c, Connection{From: c.from, Since: time.Unix(int64(c.since), 0)}, c.isBrowser})
	}
	f.mu.Unlock()
	all := make([]Connection, len(list))
	for i := range list {
		c := &list[i]
		c.mu.Lock()
		s, isHandled := c.session, c.isHandled
		c.mu.Unlock()
		if s != nil {
			c.Report = s.Report()
		}
		switch {
		case s != nil && c.isBrowser:
			c.Kind = KindPage
		case s != nil && c.Program:
			c.Kind = KindProgram
		case s != nil && c.Nick != "":
			c.Kind = KindPerson
		case isHandled:
			c.Kind = KindHTTP
		default:
			c.Kind = KindNew
		}
		all[i] = c.Connection
	}
	slices.SortFunc(all, func(a, b Connection) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Nick, b.Nick))
	})
	return all
}

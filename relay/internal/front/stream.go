package front

import (
	"net"

	"chat/relay/internal/access"
	"chat/relay/internal/session"
	"chat/relay/wire"
)

// ServeStream serves a program whose lines an HTTP connection carries; conn has them as they are. It returns when the
// session has ended. proven are its request's credentials in a sealed room.
func (f *Front) ServeStream(conn net.Conn, proven access.Credentials) {
	c, fault := f.admit(conn, nil)
	if c == nil {
		f.refuseWith(conn, fault, func(fault *wire.Fault) (net.Conn, []byte) {
			e := fault.Event(0)
			return conn, e.AppendJSON(nil)
		})
		return
	}
	done := make(chan struct{})
	c.whenClosed(func() { close(done) })
	c.newSessionAs(session.Conn{Page: true, Proven: proven}).ServeProgram(nil)
	<-done
}

// Carry notes that the connection, which speaks HTTP, carries a session. That has a place of its own, so the connection
// needs none.
func (c *Conn) Carry() {
	c.front.mu.Lock()
	defer c.front.mu.Unlock()
	c.front.places.remove(c)
}

//go:build !unix

package fanout

import "net"

// nonBlocking returns conn: non-blocking reads and writes need Unix.
func nonBlocking(conn net.Conn) net.Conn { return conn }

//go:build !unix

package fanout

import "net"

// nonBlocking returns conn: here a read needs its buffer from the start.
func nonBlocking(conn net.Conn) net.Conn { return conn }

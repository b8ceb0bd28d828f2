//go:build unix

package client

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// setSegments limits the segments that a new connection sends, and by its first packet those that it
// receives. It is called before that packet.
func setSegments(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, smallSegment)
	})
	return errors.Join(err, failed)
}

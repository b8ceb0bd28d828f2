//go:build linux || darwin || freebsd

package admin

import "net"

// checkPeer returns the user at the other end of a Unix socket, or an error if that is another user. The socket's mode keeps
// others out; this holds even where a file system ignores modes.
func checkPeer(conn net.Conn) (user string, err error) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return "", nil // the token is what counts
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return "", err
	}
	var uid uint32
	var sockErr error
	if err := raw.Control(func(fd uintptr) { uid, sockErr = peerUID(int(fd)) }); err != nil {
		return "", err
	}
	if sockErr != nil {
		return "", sockErr
	}
	return peerOf(uid)
}

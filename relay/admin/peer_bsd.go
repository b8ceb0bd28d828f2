//go:build darwin || freebsd

package admin

import "golang.org/x/sys/unix"

// peerUID returns the ID of the user at the other end of a Unix socket.
func peerUID(fd int) (uint32, error) {
	peer, err := unix.GetsockoptXucred(fd, 0, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return peer.Uid, nil
}

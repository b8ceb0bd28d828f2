//go:build !windows

package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"chat/relay/errno"
)

// listen opens the server's socket at the first place where that works.
func (s *Server) listen(dir string) (net.Listener, error) {
	var errs []error
	for _, place := range s.places(dir) {
		path, err := place()
		if err == nil {
			var ln net.Listener
			if ln, err = listenAt(path); err == nil {
				s.entry.Socket = path
				s.onClose(removeOwn(path))
				if len(errs) > 0 {
					s.log.Info("the admin socket is not where it should be", "socket", path, "error", errors.Join(errs...))
				}
				return ln, nil
			}
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// listenAt listens on a Unix socket at path, which only the user can use. A socket that no one listens on any more is
// replaced. It is made in a private folder beside path, and moved: it never has the mode of the umask where
// others could reach it.
func listenAt(path string) (net.Listener, error) {
	if err := checkFree(path); err != nil {
		return nil, fmt.Errorf("no socket at %s: %w", path, err)
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), ".chat-")
	if err != nil {
		return nil, fmt.Errorf("no socket at %s: %w", path, err)
	}
	defer os.RemoveAll(folder)
	made := filepath.Join(folder, "s")
	if longest := max(len(path), len(made)); longest > maxSocketPath {
		return nil, fmt.Errorf("no socket at %s: the path is too long: sockets have %d bytes", path, maxSocketPath)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false) // it has another name by then
	if err = os.Chmod(made, 0o600); err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("no socket at %s: %w", path, err)
	}
	return ln, nil
}

// checkFree returns an error if there is something at path other than a socket that a host left when it was killed.
func checkFree(path string) error {
	info, err := os.Lstat(path)
	switch {
	case isGone(err):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errOccupied
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		conn.Close()
		return errOccupied
	case errno.Refused(err):
		return nil
	}
	return err
}

// dial connects to a Unix socket, which has to be that of the same user.
func (e *Entry) dial(d *net.Dialer) (net.Conn, error) {
	if e.Socket == "" {
		return dialLoopback(d, e.Address)
	}
	conn, err := d.Dial("unix", e.Socket)
	if err != nil {
		return nil, err
	}
	if _, err := checkPeer(conn); err != nil && os.Geteuid() != 0 {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// peerOf returns an error if the user at the other end is neither the user of this process nor root; the string names
// the user for the log.
func peerOf(uid uint32) (string, error) {
	if own := os.Geteuid(); uid != uint32(own) && uid != 0 {
		return "", fmt.Errorf("the admin socket is used by user ID %d, and this is %d", uid, own)
	}
	return fmt.Sprint(uid), nil
}

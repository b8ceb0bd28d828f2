//go:build unix

package supervisor

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// firstPassed is the descriptor of the first socket that a service manager passes; see sd_listen_fds(3).
const firstPassed = 3

// checkPassed checks the sockets that the environment says the service manager passed, before anything takes them over.
// The environment may be wrong, and then the descriptors are something else: this process already has some of its own, which would be
// closed.
func checkPassed() error {
	if pid, err := strconv.Atoi(os.Getenv("LISTEN_PID")); err != nil || pid != os.Getpid() {
		return nil // they are for another process
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	switch {
	case err != nil || n <= 0:
		return nil // there are none
	case n > 1:
		return severalError(n)
	}
	switch listens, err := syscall.GetsockoptInt(firstPassed, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); {
	case err == syscall.ENOPROTOOPT: // it is a socket; the system does not say more
	case err != nil:
		return fmt.Errorf("cannot listen on the socket of the service manager: descriptor %d: %w%s", firstPassed, err, socketHint)
	case listens == 0:
		return fmt.Errorf("cannot listen on the socket of the service manager: it does not listen%s", socketHint)
	}
	return nil
}

// hangupReloads: SIGHUP can ask the program to reload.
const hangupReloads = true

// hasTerminal reports whether this process has a controlling terminal, from whose end SIGHUP can be.
func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	tty.Close()
	return true
}

// IsJournal reports whether f is a stream to systemd's journal: JOURNAL_STREAM names that stream, see
// systemd.exec(5).
func IsJournal(f *os.File) bool {
	stream := os.Getenv("JOURNAL_STREAM")
	if stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

//go:build unix

package plain

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// closedPipe are the errors of writes that no one will read.
var closedPipe = []error{syscall.EPIPE}

// WatchReader returns a channel that is closed when no one can read f any more: f is a pipe
// whose readers have all closed it, a socket, or a terminal that is gone. Until end is called,
// writing to such a pipe returns an error and does not end the program.
func WatchReader(f *os.File) (gone <-chan struct{}, end func(), err error) {
	woken, wake, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("watch the output: %w", err)
	}
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	closed := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		if waitForHangup(int(f.Fd()), int(woken.Fd())) {
			close(closed)
		}
	})
	return closed, func() {
		wake.Close()
		watching.Wait()
		woken.Close()
		signal.Stop(pipes)
	}, nil
}

// waitForHangup waits until no one reads out any more, and returns true; or until the other
// end of the pipe wake is closed.
func waitForHangup(out, wake int) bool {
	const over = unix.POLLERR | unix.POLLHUP
	for {
		files := []unix.PollFd{{Fd: int32(out)}, {Fd: int32(wake)}} // these events always count
		_, err := unix.Poll(files, -1)
		switch {
		case err == unix.EINTR:
		case err != nil, files[1].Revents != 0, files[0].Revents&unix.POLLNVAL != 0:
			return false
		case files[0].Revents&over != 0:
			return true
		}
	}
}

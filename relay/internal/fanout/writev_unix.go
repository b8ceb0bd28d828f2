//go:build linux || darwin || openbsd

package fanout

import "golang.org/x/sys/unix"

const (
	// maxVector is how many pieces one write takes from where they are.
	maxVector = 8

	// shortRun is from how many bytes on a run is not copied: below it, another piece costs
	// the system more.
	shortRun = 4 << 10
)

// writev writes pieces once.
func writev(fd int, pieces [][]byte) (int, error) { return unix.Writev(fd, pieces) }

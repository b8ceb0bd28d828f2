//go:build darwin || openbsd

package fanout

import "golang.org/x/sys/unix"

// writev writes pieces once.
func writev(fd int, pieces [][]byte) (int, error) { return unix.Writev(fd, pieces) }

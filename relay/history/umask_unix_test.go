//go:build unix

package history

import (
	"syscall"
	"testing"
)

// umask sets the mode bits that new files do not get, until the test ends.
func umask(t *testing.T, bits int) {
	before := syscall.Umask(bits)
	t.Cleanup(func() { syscall.Umask(before) })
}

//go:build !linux

package history

import (
	"os"
	"runtime"
	"testing"
)

// asAnother does something as a user whom permissions bind.
func asAnother(t *testing.T, do func()) {
	t.Helper()
	if os.Getuid() <= 0 {
		t.Skip("permissions bind nobody on " + runtime.GOOS)
	}
	do()
}

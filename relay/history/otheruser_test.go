//go:build !linux

package history

import (
	"os"
	"runtime"
	"testing"
)

// asOtherUser calls do as a user without special permissions.
func asOtherUser(t *testing.T, do func()) {
	t.Helper()
	if os.Getuid() <= 0 {
		t.Skip("the user has all permissions on " + runtime.GOOS)
	}
	do()
}

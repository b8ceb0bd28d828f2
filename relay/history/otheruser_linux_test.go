package history

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// asOtherUser calls do as a user without special permissions: in place of root, as nobody.
func asOtherUser(t *testing.T, do func()) {
	t.Helper()
	if os.Getuid() != 0 {
		do()
		return
	}
	const nobody = 65534
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // so that the thread ends with the goroutine
		if err := syscall.Setfsuid(nobody); err != nil {
			t.Error(err)
			return
		}
		do()
	}()
	<-done
}

// A pipe is refused, and opening it does not block.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := OpenFile(path, Keep{}); !errors.Is(err, ErrNotHistory) {
		t.Errorf("hosting on it: %v, %v", f, err)
	}
	for e, err := range ReadFile(t.Context(), path, Selection{}) {
		if !errors.Is(err, ErrNotHistory) {
			t.Errorf("reading it: %v, %v", e, err)
		}
	}
}

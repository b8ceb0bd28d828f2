package history

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A backup to a disk that fills up halfway leaves nothing there.
func TestBackupToFullDisk(t *testing.T) {
	dir := t.TempDir()
	from, small := filepath.Join(dir, "room.chat"), filepath.Join(dir, "small")
	makeFile(t, from, 4_000)
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	var mounted error
	var thread sync.WaitGroup
	thread.Go(func() { // which alone sees the disk, and ends with it
		runtime.LockOSThread()
		mounted = unix.Unshare(unix.CLONE_NEWNS)
		if mounted == nil {
			mounted = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if mounted == nil {
			mounted = unix.Mount("small", small, "tmpfs", 0, "size=400k")
		}
		if mounted != nil {
			return
		}
		copied := int64(0)
		err := Backup(t.Context(), from, filepath.Join(small, "copy"), func(done, _ int64) { copied = done })
		if !errors.Is(err, ErrDiskFull) {
			t.Errorf("the error is %v", err)
		}
		if copied == 0 {
			t.Error("the disk was full from the start")
		}
		if left := filesIn(t, small); len(left) > 0 {
			t.Errorf("there are %v", left)
		}
	})
	thread.Wait()
	if mounted != nil {
		t.Skip("cannot mount a small disk: ", mounted)
	}
}

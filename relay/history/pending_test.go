package history

import (
	"path/filepath"
	"runtime"
	"testing"
)

// A log whose disk hangs is not stuck. One that does not publish what is on disk is.
func TestPending(t *testing.T) {
	h := host(t, filepath.Join(t.TempDir(), "room.chat"), few)
	if err := h.file.exec(`PRAGMA busy_timeout = 60000`); err != nil { // for which SQLite hangs
		t.Fatal(err)
	}
	idle := h.log.Pending()
	lock, _ := h.blockCommit()
	last := h.put(message("during it"), Origin{Author: 1}) // pending
	for !h.log.committer.atDisk.Load() {
		runtime.Gosched()
	}
	before := h.log.Pending()
	if now := h.log.Pending(); now.IsStuckSince(before) || now.IsStuckSince(idle) {
		t.Errorf("a disk that hangs: %+v after %+v", now, before)
	}
	h.log.committer.atDisk.Store(false) // as if it were anywhere else
	before = h.log.Pending()
	if now := h.log.Pending(); !now.IsStuckSince(before) || now.IsStuckSince(idle) {
		t.Errorf("a log that does nothing: %+v after %+v", now, before)
	}
	lock.release()
	h.waitUntilSettled(last)
	if h.log.Pending().IsStuckSince(before) {
		t.Error("all is written, but the log is stuck")
	}
	h.close()
}

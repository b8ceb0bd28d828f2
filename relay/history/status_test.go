package history

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// While the disk is full the status has the reason and counts the attempts, and afterwards the file is well again.
func TestStatusOfAFullDisk(t *testing.T) {
	onDisk(t, func(t *testing.T, h *hosted) {
		<-h.log.WhenSettled(h.put(message("first"), Origin{Author: 1}))
		before := h.log.Status()
		if want := (Status{Durable: true, Events: 1}); before != want {
			t.Errorf("%+v, want %+v", before, want)
		}
		free := h.fillDisk()
		h.put(long("x"), Origin{Author: 1, Sender: "x"})
		held := h.put(join("bob"), Origin{})
		synctest.Wait()
		time.Sleep(3*retryEvery + retryEvery/2)
		s := h.log.Status()
		if !errors.Is(s.Failing, ErrDiskFull) || s.Errors < 3 || s.Pending != 1 || s.Events != 1 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		free()
		<-h.log.WhenSettled(held)
		synctest.Wait()
		after := h.log.Status()
		if after.Failing != nil || after.Waiting != 0 || after.Pending != 0 || after.Events != 2 || after.Errors != s.Errors {
			t.Errorf("%+v", after)
		}
		if size, err := h.log.Size(); err != nil || size < 4096 {
			t.Errorf("%d bytes, %v", size, err)
		}
	})
}

// While the disk hangs, the status says for how long.
func TestStatusWhenTheDiskHangs(t *testing.T) {
	h := host(t, filepath.Join(t.TempDir(), "room.chat"), few)
	defer h.close()
	if err := h.file.exec(`PRAGMA busy_timeout = 60000`); err != nil { // for which SQLite hangs
		t.Fatal(err)
	}
	lock, first := h.blockCommit()
	time.Sleep(10 * time.Millisecond)
	second := h.put(message("second"), Origin{Author: 1})
	if s := h.log.Status(); s.Waiting < 10*time.Millisecond || s.Pending != 1 || s.Failing != nil {
		t.Errorf("%+v", s)
	}
	lock.release()
	<-h.log.WhenSettled(first)
	<-h.log.WhenSettled(second)
	if s := h.log.Status(); s.Waiting != 0 || s.Pending != 0 || s.Events != 2 {
		t.Errorf("%+v", s)
	}
}

// The number of events is right after a file was opened again and old events were deleted.
func TestStatusCountsEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "room.chat")
	h := host(t, path, few)
	for range 40 {
		<-h.log.WhenSettled(h.put(message("soup"), Origin{Author: 1}))
	}
	h.close()
	h = host(t, path, few)
	defer h.close()
	if s := h.log.Status(); s.Events != 40 {
		t.Errorf("%+v", s)
	}
	<-h.log.WhenSettled(h.put(message("soup"), Origin{Author: 1}))
	h.file.keep = Keep{Bytes: 1} // the committer is idle
	done, err := h.file.trim(time.Now(), 0)
	if s := h.log.Status(); err != nil || done.events == 0 || s.Events != 41-done.events {
		t.Errorf("%+v of %+v, %v", s, done, err)
	}
	if s := New(Limits{}, wakeAll).Status(); s != (Status{}) {
		t.Errorf("in memory: %+v", s)
	}
}

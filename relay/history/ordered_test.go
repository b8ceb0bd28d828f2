package history

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// noRequests is a Queue without any.
type noRequests struct{}

func (noRequests) Settled(uint64) bool                { return true }
func (noRequests) WhenSettled(uint64) <-chan struct{} { return nil }
func (noRequests) Full() <-chan struct{}              { return nil }
func (noRequests) Waiting() (int, time.Duration)      { return 0, 0 }

// While the disk does not take the copy of a shared room, its readers miss nothing; afterwards the events are
// only in the file.
func TestCopyBehind(t *testing.T) {
	h := &hosted{t: t, path: filepath.Join(t.TempDir(), "room.chat"), limits: few}
	h.openLog = func() (*Log, error) {
		fold := &toyFold{make(map[string]string), make(map[string]string)}
		return NewOrderedOn(h.file, h.limits, wakeAll, noRequests{}, fold, slog.New(slog.NewTextHandler(&h.warnings, nil)))
	}
	h.open()
	defer h.close()
	lock := openSecond(t, h.path)
	if _, err := lock.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	put := func(n int) {
		e := message(fmt.Sprintf("message %d", n))
		h.log.Put(e, Origin{Author: 1})
		h.log.PutAll(uint64(n))
		want.Write(e.AppendText(nil, h.log.viewer(e)))
	}
	const events = 1000
	for n := range events {
		put(n + 1)
	}
	c := h.log.Cursor(1, 1, View{})
	if got, missed := drain(t, &c); got != want.String() || missed > 0 {
		t.Errorf("a reader missed %d events while the disk was slow", missed)
	}
	if _, err := lock.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	for copied := uint64(0); copied < events; runtime.Gosched() {
		h.log.mu.Lock()
		copied = h.log.copied
		h.log.mu.Unlock()
	}
	put(events + 1)
	if first := h.log.firstInMemory(); first < events/2 {
		t.Errorf("the events from %d on are in memory, although the file has them", first)
	}
	c = h.log.Cursor(1, 1, View{})
	if got, missed := drain(t, &c); got != want.String() || missed > 0 {
		t.Errorf("a reader of the file missed %d events", missed)
	}
}

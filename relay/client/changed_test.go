package client_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"chat/relay/client"
	"chat/relay/files"
)

// A file that becomes shorter during its upload, or is gone, does not wait for the host. The next one is
// sent, and nothing of it stays there.
func TestChangedFile(t *testing.T) {
	h := hostFiles(t, files.Limits{})
	c := h.enter(t, "alice", nil)
	path, _ := randomFile(t, "log.bin", 64<<20)
	shorten := sync.OnceFunc(func() {
		if err := os.Truncate(path, 1000); err != nil {
			t.Error(err)
		}
	})
	err := c.Send(t.Context(), path, func(p client.Progress) {
		if p.Done > 0 {
			shorten()
		}
	})
	if err == nil || !strings.Contains(err.Error(), "the file became shorter during the upload") {
		t.Errorf("a file that became shorter: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), path, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is gone: %v", err)
	}
	next, _ := randomFile(t, "next.bin", 1000)
	if err := c.Send(t.Context(), next, nil); err != nil {
		t.Errorf("the next file: %v", err)
	}
	awaitFile(t, c)
	if list := h.store.List(0, 10); len(list) != 1 || list[0].Name != "next.bin" {
		t.Errorf("the host has %+v", list)
	}
}

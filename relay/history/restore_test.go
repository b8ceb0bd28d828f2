package history

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

// copyAll copies a history that is open, with what SQLite has beside it: what a host that is killed leaves.
func copyAll(t *testing.T, from, to string) {
	t.Helper()
	for _, end := range append(slices.Clone(besides), "") {
		b, err := os.ReadFile(from + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+end, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A restored history is the backup, and has nothing of what a host that was killed left beside the file in its place. That is kept, and
// can be read.
func TestRestore(t *testing.T) {
	dir := t.TempDir()
	open, killed, backup := filepath.Join(dir, "open.chat"), filepath.Join(dir, "killed.chat"), filepath.Join(dir, "backup.chat")
	makeFile(t, open, 20)
	h := host(t, open, few)
	if err := h.file.Backup(t.Context(), backup, nil); err != nil {
		t.Fatal(err)
	}
	h.waitUntilSettled(h.put(message("after the backup"), Origin{Author: 1}))
	copyAll(t, open, killed)
	if _, err := Restore(t.Context(), backup, open, time.Now(), nil); !errors.Is(err, ErrInUse) {
		t.Errorf("while a host has it open: %v", err)
	}
	h.close()

	kept, err := Restore(t.Context(), backup, killed, time.Date(2026, 11, 29, 9, 30, 0, 0, time.UTC), nil)
	if err != nil || kept != killed+".20261129T093000.replaced" {
		t.Fatal(kept, err)
	}
	for _, test := range []struct {
		path string
		want int
	}{{killed, 20}, {kept, 21}, {backup, 20}} {
		if n := len(readAllOf(t, test.path, Selection{})); n != test.want {
			t.Errorf("%s has %d messages, not %d", test.path, n, test.want)
		}
	}
	if info, err := os.Stat(killed); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	// Where there is no file, it becomes one. In a second restore within a second no file is lost.
	other := filepath.Join(dir, "other.chat")
	if kept, err := Restore(t.Context(), backup, other, time.Now(), nil); err != nil || kept != "" {
		t.Error(kept, err)
	}
	again := func() error {
		_, err := Restore(t.Context(), backup, killed, time.Date(2026, 11, 29, 9, 30, 0, 0, time.UTC), nil)
		return err
	}
	if err := again(); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if n := len(readAllOf(t, killed, Selection{})); n != 20 {
		t.Errorf("it has %d messages", n)
	}
}

// What cannot be restored leaves the folder as it was.
func TestRestoreRefuses(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	makeFile(t, path("backup"), 3)
	os.WriteFile(path("text"), []byte("no history"), 0o600)
	os.Mkdir(path("folder"), 0o700)
	for _, test := range []struct {
		from, to string
		want     error
	}{
		{"backup", "backup", nil}, {"text", "new", ErrNotHistory}, {"missing", "new", os.ErrNotExist}, {"backup", "folder", ErrNotHistory},
		{"backup", "no/folder", os.ErrNotExist},
	} {
		if _, err := Restore(t.Context(), path(test.from), path(test.to), time.Now(), nil); err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s to %s: %v", test.from, test.to, err)
		}
	}
	for name := range filesIn(t, dir) {
		if !slices.Contains([]string{"backup", "backup.lock", "text", "folder"}, name) {
			t.Errorf("there is %s", name)
		}
	}
	if n := len(readAllOf(t, path("backup"), Selection{})); n != 3 {
		t.Errorf("the backup has %d messages", n)
	}
}

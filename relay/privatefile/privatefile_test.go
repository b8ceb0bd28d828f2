package privatefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestReplaceAndRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "chat")
	unlock, err := Enter(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	path := filepath.Join(dir, "key")
	for _, content := range []string{"one", "the second"} {
		if err := Replace(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path, 10); string(got) != content || err != nil {
			t.Errorf("Read = %q, %v; want %q", got, err, content)
		}
	}
	if _, err := Read(path, 9); !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is too long: %v", err)
	}
	if _, err := Read(path+"s", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 { // and the lock
		t.Errorf("%d files are left, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

func TestReadChecksTheMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, says := range map[fs.FileMode]string{
		0o600: "", 0o400: "", 0o640: "other users can read it", 0o604: "other users can read it", 0o666: "other users can read it", 0o200: "you cannot read it", 0: "you cannot read it",
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		b, err := Read(path, 100)
		if says == "" {
			if err != nil || string(b) != "secret" {
				t.Errorf("mode %04o: %q, %v", mode, b, err)
			}
			continue
		}
		want := fmt.Sprintf("%s has mode %04o: %s\nhint: chmod 600 %[1]s", path, mode, says)
		if _, ok := errors.AsType[*ModeError](err); !ok || err.Error() != want {
			t.Errorf("mode %04o: %v; want %s", mode, err, want)
		}
	}
}

// A directory in the place of a file is called that: chmod 600 would make it worse.
func TestReadDirectory(t *testing.T) {
	_, err := Read(t.TempDir(), 10)
	if _, isMode := errors.AsType[*ModeError](err); err == nil || isMode || !strings.HasSuffix(err.Error(), "is a directory") {
		t.Errorf("got %v", err)
	}
}

// A file that the system lets no one open says why. The tests may run as root, who can open all.
func TestDenied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	cause := &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	if err := denied(path, cause); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "\nhint: ") || !strings.Contains(err.Error(), "sudo chown \"$USER\" "+path) {
		t.Errorf("a file of another user: %v", err)
	}
	if runtime.GOOS == "windows" {
		return // it has no such modes
	}
	if err := os.Chmod(path, 0o200); err != nil {
		t.Fatal(err)
	}
	if _, ok := errors.AsType[*ModeError](denied(path, cause)); !ok {
		t.Errorf("a file of mode 0200: %v", denied(path, cause))
	}
	if err := denied(path+"s", cause); err != error(cause) {
		t.Errorf("a file in a folder of another user: %v", err)
	}
}

// Only one at a time is in the folder, which others cannot read from then on.
func TestEnter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chat")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			unlock, err := Enter(dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			b, _ := os.ReadFile(filepath.Join(dir, "count"))
			if err := Replace(filepath.Join(dir, "count"), append(b, '.')); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if b, err := os.ReadFile(filepath.Join(dir, "count")); len(b) != 20 {
		t.Errorf("%d of 20 writers saw the file of the one before, %v", len(b), err)
	}
	if info, err := os.Stat(dir); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
}

func TestIsLeftover(t *testing.T) {
	for name, want := range map[string]bool{"new-123": true, "new-": false, "news": false, "key.pem": false} {
		if got := IsLeftover(name); got != want {
			t.Errorf("IsLeftover(%q) = %v", name, got)
		}
	}
}

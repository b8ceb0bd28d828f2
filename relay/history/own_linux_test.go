package history

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// What root restores belongs to the user of the service, even if root put a file of its own there before.
func TestRestoreAsRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files to others")
	}
	const service = 65534
	backup := filepath.Join(t.TempDir(), "backup.chat")
	makeFile(t, backup, 3)
	for name, owner := range map[string]int{"of the service": service, "of root": 0, "none": -1} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "room.chat")
			if owner >= 0 {
				makeFile(t, path, 5)
				if err := os.Chown(path, owner, owner); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chown(dir, service, service); err != nil {
				t.Fatal(err)
			}
			if _, err := Restore(t.Context(), backup, path, time.Now(), nil); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{path, path + ".lock"} {
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if has := info.Sys().(*syscall.Stat_t); has.Uid != service || has.Gid != service {
					t.Errorf("%s belongs to %d:%d", filepath.Base(path), has.Uid, has.Gid)
				}
			}
		})
	}
}

//go:build unix

package program

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A named pipe in place of the hashes does not make the host wait for its writer.
func TestPipeInFolder(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, sums), 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := Open(Options{Folder: dir}); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("the error is %v", err)
	}
}

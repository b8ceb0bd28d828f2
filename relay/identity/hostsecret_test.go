package identity

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestHostSecret(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "chat")
	secret, err := HostSecret(dir)
	if err != nil || len(secret) != 26 {
		t.Fatalf("HostSecret = %q, %v", secret, err)
	}
	if again, err := HostSecret(dir); again != secret || err != nil {
		t.Errorf("the second time: %q, %v; want %q", again, err, secret)
	}
	path := filepath.Join(dir, "host-secret")
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := HostSecret(dir); err == nil || !strings.HasPrefix(err.Error(), path+" is damaged") {
		t.Errorf("a damaged file: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := HostSecret(dir); runtime.GOOS != "windows" && (err == nil || !strings.Contains(err.Error(), "hint: chmod 600 "+path)) {
		t.Errorf("a file that others can read: %v", err)
	}
	if _, err := HostSecret(""); err == nil {
		t.Error("no error without a folder")
	}
}

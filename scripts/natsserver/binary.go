// Package natsserver runs nats-server for tests and measurements: one server or a cluster of them on this machine,
// started, stopped, killed and paused one by one.
package natsserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Version is the release of nats-server that is run.
const Version = "v2.15.2"

// Binary returns the path of nats-server. It is built from the Go module proxy the first time, which takes about a
// minute, and kept in the user's folder of caches. Several processes may call it at once.
func Binary(ctx context.Context) (string, error) {
	caches, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the folder of caches: %w", err)
	}
	dir := filepath.Join(caches, "chat-bench", Version)
	path := filepath.Join(dir, "nats-server")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for nats-server: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return "", fmt.Errorf("wait for another process that builds nats-server: %w", err)
	}
	defer lock.Close()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.CommandContext(ctx, "go", "install", "github.com/nats-io/nats-server/v2@"+Version)
	cmd.Dir = dir // outside of any module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS=", "GOARCH=", "GOBIN="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build nats-server %s: %w: %s", Version, err, strings.TrimSpace(string(bytes.TrimSpace(out))))
	}
	return path, nil
}

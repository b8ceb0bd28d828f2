//go:build !windows

package identity

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// dialAgent connects to the SSH agent, for at most d.
func dialAgent(d time.Duration) (io.ReadWriteCloser, error) {
	path := os.Getenv("SSH_AUTH_SOCK")
	if path == "" {
		return nil, errNoAgent
	}
	conn, err := net.DialTimeout("unix", path, d)
	if err != nil {
		return nil, fmt.Errorf("connect to the SSH agent: %w", err)
	}
	conn.SetDeadline(time.Now().Add(d))
	return conn, nil
}

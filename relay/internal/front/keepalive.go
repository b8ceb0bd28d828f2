package front

import (
	"fmt"
	"net"
	"syscall"
	"time"

	"chat/relay/internal/session"
)

// watchPeer makes TCP detect an unresponsive peer within dead.
//
// Keepalive does so on an idle connection. While sent bytes are unacknowledged, TCP sends no
// probes, and the system would retry for many minutes. The user timeout (RFC 5482) bounds
// that, if the system has one; otherwise only the write timeout of the session does.
func watchPeer(conn net.Conn, dead time.Duration) error {
	tcp, ok := conn.(interface {
		SetKeepAliveConfig(net.KeepAliveConfig) error
		syscall.Conn
	})
	if !ok || dead >= session.Never {
		return nil
	}
	// Idle + Count × Interval = dead
	err := tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: dead / 3, Interval: dead * 2 / 9, Count: 3})
	if err != nil {
		return fmt.Errorf("set keepalive: %w", err)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return fmt.Errorf("set user timeout: %w", err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = setUserTimeout(fd, dead) }); err != nil {
		return fmt.Errorf("set user timeout: %w", err)
	}
	if failed != nil {
		return fmt.Errorf("set user timeout: %w", failed)
	}
	return nil
}

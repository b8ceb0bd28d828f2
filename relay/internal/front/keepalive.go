package front

import (
	"chat/relay/internal/session"
	"fmt"
	"net"
	"syscall"
	"time"
)

// watchPeer has TCP detect an unresponsive peer within dead.
//
// Keepalive does so on a connection that rests. On one with bytes on their way no
// probe is sent, and the system would retry for many minutes: the user time-out
// (RFC 5482) bounds that, where the system has one. Elsewhere the write time-out
// of a session (Options.Stall) remains.
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
		return fmt.Errorf("set user time-out: %w", err)
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = setUserTimeout(fd, dead) }); err != nil {
		return fmt.Errorf("set user time-out: %w", err)
	}
	if failed != nil {
		return fmt.Errorf("set user time-out: %w", failed)
	}
	return nil
}

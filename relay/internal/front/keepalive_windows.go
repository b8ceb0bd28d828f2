package front

import (
	"time"

	"golang.org/x/sys/windows"
)

// setUserTimeout bounds how long sent bytes may stay unacknowledged: IPPROTO_TCP socket options, TCP_MAXRT, in seconds.
func setUserTimeout(fd uintptr, d time.Duration) error {
	const tcpMaxRT = 5
	return windows.SetsockoptInt(windows.Handle(fd), windows.IPPROTO_TCP, tcpMaxRT, int(max(d.Seconds(), 1)))
}

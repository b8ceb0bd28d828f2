package errno

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// The number that syscall invents, which the fake networks and disks of tests return; the
// number of a socket (WSA…); the number of the system, which some calls return instead
// (https://learn.microsoft.com/en-us/windows/win32/debug/system-error-codes--1000-1299-).
var (
	refused      = []syscall.Errno{syscall.ECONNREFUSED, windows.WSAECONNREFUSED, windows.ERROR_CONNECTION_REFUSED}
	inUse        = []syscall.Errno{syscall.EADDRINUSE, windows.WSAEADDRINUSE, windows.WSAEACCES} // WSAEACCES: for its exclusive use, or reserved by Windows
	notAvailable = []syscall.Errno{syscall.EADDRNOTAVAIL, windows.WSAEADDRNOTAVAIL}
	unreachable  = []syscall.Errno{
		syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN,
		windows.WSAENETUNREACH, windows.WSAEHOSTUNREACH, windows.WSAENETDOWN, windows.WSAEHOSTDOWN,
		windows.ERROR_NETWORK_UNREACHABLE, windows.ERROR_HOST_UNREACHABLE,
	}
	timedOut      = []syscall.Errno{syscall.ETIMEDOUT, windows.WSAETIMEDOUT, windows.ERROR_SEM_TIMEOUT}
	reset         = []syscall.Errno{syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, windows.WSAECONNRESET, windows.WSAECONNABORTED, windows.ERROR_BROKEN_PIPE}
	wouldBlock    = []syscall.Errno{syscall.EAGAIN, windows.WSAEWOULDBLOCK}
	notADirectory []syscall.Errno
	diskFull      = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}
)

//go:build !windows

package errno

import "syscall"

var (
	refused       = []syscall.Errno{syscall.ECONNREFUSED}
	inUse         = []syscall.Errno{syscall.EADDRINUSE}
	notAvailable  = []syscall.Errno{syscall.EADDRNOTAVAIL}
	unreachable   = []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN}
	timedOut      = []syscall.Errno{syscall.ETIMEDOUT}
	reset         = []syscall.Errno{syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE}
	wouldBlock    = []syscall.Errno{syscall.EAGAIN}
	notADirectory = []syscall.Errno{syscall.ENOTDIR}
	diskFull      = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT}
)

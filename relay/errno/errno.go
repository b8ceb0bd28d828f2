// Package errno recognizes the error numbers of each system. syscall.ECONNREFUSED and the like
// are the kernel's numbers on Unix only: on Windows, syscall invents numbers
// for these names, and sockets return others (WSAECONNREFUSED). So no other package of the
// program compares an error with a syscall.E… constant.
package errno

import (
	"errors"
	"slices"
	"syscall"
)

// Refused reports whether no program listens at the address, or a firewall rejects connections.
func Refused(err error) bool { return isOneOf(err, refused) }

// InUse reports whether another socket has the address and port to itself.
func InUse(err error) bool { return isOneOf(err, inUse) }

// NotAvailable reports whether this machine does not have the address to listen on.
func NotAvailable(err error) bool { return isOneOf(err, notAvailable) }

// Unreachable reports whether this machine has no way to the address, or a router or the
// local network answered that there is none.
func Unreachable(err error) bool { return isOneOf(err, unreachable) }

// TimedOut reports whether the system gave up waiting for an answer. A deadline of ours is
// os.ErrDeadlineExceeded.
func TimedOut(err error) bool { return isOneOf(err, timedOut) }

// Reset reports whether the other side, or something between, cut the connection.
func Reset(err error) bool { return isOneOf(err, reset) }

// DiskFull reports whether the disk or the user's quota is full.
func DiskFull(err error) bool { return isOneOf(err, diskFull) }

// WouldBlock reports whether a non-blocking file has no input yet, or no space.
func WouldBlock(err error) bool { return isOneOf(err, wouldBlock) }

// NotADirectory reports whether a part of a path that has to be a directory is a file. Windows reports
// that there is no such path: see fs.ErrNotExist.
func NotADirectory(err error) bool { return isOneOf(err, notADirectory) }

func isOneOf(err error, numbers []syscall.Errno) bool {
	number, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains(numbers, number)
}

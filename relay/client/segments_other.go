//go:build !unix

package client

import "syscall"

// setSegments is nil: the system has no such option.
var setSegments func(network, address string, c syscall.RawConn) error

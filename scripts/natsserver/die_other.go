//go:build !linux

package natsserver

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }

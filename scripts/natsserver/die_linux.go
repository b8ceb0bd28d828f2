package natsserver

import "syscall"

// dieWithParent lets the server die when the process that started it does, for example a test that took too long.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

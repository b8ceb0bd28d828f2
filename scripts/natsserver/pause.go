//go:build unix

package natsserver

import "syscall"

// Pause stops the server's process where it is, as SIGSTOP does: its connections stay open.
func (s *Server) Pause() error { return s.process.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused server continue.
func (s *Server) Resume() error { return s.process.Process.Signal(syscall.SIGCONT) }

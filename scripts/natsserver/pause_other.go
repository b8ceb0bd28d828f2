//go:build !unix

package natsserver

import "errors"

// Pause fails: a process can be paused on Unix only.
func (s *Server) Pause() error { return errors.ErrUnsupported }

// Resume fails, as Pause does.
func (s *Server) Resume() error { return errors.ErrUnsupported }

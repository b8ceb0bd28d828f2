//go:build !unix

package screen

import (
	"errors"

	tea "charm.land/bubbletea/v2"
)

// watch does nothing: there are no signals that stop a program.
func (j *jobs) watch(func(tea.Msg)) (end func()) { return func() {} }

// whyNoSuspend returns why the program cannot be suspended.
func whyNoSuspend() string { return "Ctrl-Z: this system cannot suspend a program" }

func stopGroup() error { return errors.ErrUnsupported }

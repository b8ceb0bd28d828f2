//go:build !unix

package screen

import tea "charm.land/bubbletea/v2"

// catchFatal does nothing: there are no such signals.
func (m *model) catchFatal(*tea.Program) (end func()) { return func() {} }

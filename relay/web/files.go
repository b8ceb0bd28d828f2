package web

// handleFiles serves files, where the host takes some.
func (h *Handler) handleFiles() {}

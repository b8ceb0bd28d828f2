package web

import (
	"io"
	"net/http"
	"strings"
)

// healthz answers GET /healthz: that the room works, or a line on each problem. The answer is for everyone, and names no
// files.
func (h *Handler) healthz(w http.ResponseWriter, _ *http.Request) {
	problems := h.problems()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(problems) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, strings.Join(problems, "\n")+"\n")
		return
	}
	io.WriteString(w, "ok\n")
}

// problems returns what keeps the room from working.
func (h *Handler) problems() []string {
	problems := h.room.Problems()
	if h.opts.Problems != nil {
		problems = append(problems, h.opts.Problems()...)
	}
	return problems
}

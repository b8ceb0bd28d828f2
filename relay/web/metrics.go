package web

import (
	"net/http"
)

// maxScrapes is how many requests for metrics are answered at the same time: reading them stops the program for a moment.
const maxScrapes = 2

// metrics serves the host's metrics to Prometheus, by default only on the host's own machine.
func (h *Handler) metrics() http.HandlerFunc {
	scrapes := make(chan struct{}, maxScrapes)
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.opts.MetricsForAll && (isForwarded(r) || !isOwnMachine(r)) {
			http.Error(w, "metrics are available only on the host's machine; chat host --metrics serves them to others", http.StatusForbidden)
			return
		}
		select {
		case scrapes <- struct{}{}:
		default:
			http.Error(w, "too many requests for metrics at once", http.StatusServiceUnavailable)
			return
		}
		b := h.measure()
		<-scrapes
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(b)
	}
}

// measure returns the metrics in the text format of Prometheus.
func (h *Handler) measure() []byte {
	var e exposition
	e.addRoom(h.room.Stats())
	e.addHost(h)
	e.addProcess()
	return e.described()
}

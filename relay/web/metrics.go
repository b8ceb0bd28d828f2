package web

import (
	"io"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"chat/relay"
)

// healthz answers that the room is open.
func (h *Handler) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ok\n")
}

// metrics answers with the host's counts, for Prometheus, to this machine alone unless it is told otherwise.
func (h *Handler) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(counts{h.room}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.opts.MetricsForAll && !isLoopback(r.RemoteAddr) {
			http.Error(w, "metrics are for the host's own machine; chat host --metrics serves them to others", http.StatusForbidden)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err != nil || net.ParseIP(host).IsLoopback() // a pipe within the host has no address
}

// counts gives Prometheus what the room counts.
type counts struct{ room *relay.Server }

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("chat_"+name, help, nil, nil)
}

var (
	membersDesc   = describe("members", "Who are in the room.")
	sessionsDesc  = describe("sessions", "Connections that are open.")
	openedDesc    = describe("sessions_total", "Connections that there have been.")
	saidDesc      = describe("messages_total", "Messages, actions and private messages that were taken.")
	deliveredDesc = describe("deliveries_total", "Events sent to sessions; one for two sessions counts twice.")
	sentDesc      = describe("sent_bytes_total", "Bytes of lines sent to sessions.")
	missedDesc    = describe("missed_events_total", "Events that the room did not keep long enough for a slow session.")
	gapsDesc      = describe("slow_sessions_total", "Sessions that missed events.")
	stalledDesc   = describe("stalled_sessions_total", "Sessions that were closed because they took no byte.")
	writesDesc    = describe("write_seconds", "How long writes to sessions took; one in 16 is timed.")
)

func (c counts) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }

func (c counts) Collect(out chan<- prometheus.Metric) {
	stats := c.room.Stats()
	gauge := func(desc *prometheus.Desc, n int) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n))
	}
	counter := func(desc *prometheus.Desc, n uint64) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n))
	}
	gauge(membersDesc, stats.Members)
	gauge(sessionsDesc, stats.Sessions)
	counter(openedDesc, stats.Opened)
	counter(saidDesc, stats.Said)
	counter(deliveredDesc, stats.Delivered)
	counter(sentDesc, stats.Sent)
	counter(missedDesc, stats.Missed)
	counter(gapsDesc, stats.Gaps)
	counter(stalledDesc, stats.Stalled)
	buckets := make(map[float64]uint64)
	for _, w := range stats.WriteTimes {
		if w.AtMost > 0 {
			buckets[w.AtMost.Seconds()] = w.Count
		} else {
			out <- prometheus.MustNewConstHistogram(writesDesc, w.Count, w.Total.Seconds(), buckets)
		}
	}
}

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

// healthz answers GET /healthz: the room is open.
func (h *Handler) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "ok\n")
}

// metrics serves the host's metrics to Prometheus, by default only on the host's own machine.
func (h *Handler) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(counts{h.room}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.opts.MetricsForAll && (isForwarded(r) || !isLoopback(r.RemoteAddr)) {
			http.Error(w, "metrics are available only on the host's machine; chat host --metrics serves them to others", http.StatusForbidden)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err != nil || net.ParseIP(host).IsLoopback() // a pipe in this process has no address
}

// counts collects the room's statistics for Prometheus.
type counts struct{ room *relay.Server }

func describe(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("chat_"+name, help, nil, nil)
}

var (
	membersDesc   = describe("members", "Members of the room.")
	sessionsDesc  = describe("sessions", "Open connections.")
	openedDesc    = describe("sessions_total", "Connections since the start.")
	acceptedDesc  = describe("messages_total", "Messages, actions and private messages accepted.")
	deliveredDesc = describe("deliveries_total", "Events sent to sessions; an event sent to two sessions counts twice.")
	sentDesc      = describe("sent_bytes_total", "Bytes of lines sent to sessions.")
	missedDesc    = describe("missed_events_total", "Events dropped before a slow session received them.")
	gapsDesc      = describe("slow_sessions_total", "Sessions that missed events.")
	stalledDesc   = describe("stalled_sessions_total", "Sessions closed because they took no byte for the stall time.")
	writesDesc    = describe("write_seconds", "Duration of writes to sessions; one write in 16 is timed.")
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
	counter(acceptedDesc, stats.Accepted)
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

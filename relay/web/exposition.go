package web

import (
	"bytes"
	"fmt"
	"runtime"
	runtimemetrics "runtime/metrics"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"chat/relay"
)

// An exposition is an answer to GET /metrics in the text format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats/). Package metrics writes the values and types.
// It knows no descriptions, without which promtool finds fault with them.
type exposition struct{ bytes.Buffer }

func init() { metrics.ExposeMetadata(true) } // the types

func (e *exposition) gauge(name string, n float64)  { metrics.WriteGaugeFloat64(e, name, n) }
func (e *exposition) counter(name string, n uint64) { metrics.WriteCounterUint64(e, name, n) }

// described returns the exposition with the descriptions. Metrics without one are left out: of those that package metrics
// writes of Go and the process, some have a wrong type. The lines of one metric follow each other.
func (e *exposition) described() []byte {
	var out bytes.Buffer
	var name string
	var isKnown, isAgain bool
	for line := range strings.Lines(e.String()) {
		switch {
		case strings.HasPrefix(line, "# HELP "): // then the type, then the values
			before := name
			name = strings.TrimSpace(strings.TrimPrefix(line, "# HELP "))
			isAgain = name == before // with another label
			var text string
			if text, isKnown = descriptions[name]; isKnown && !isAgain {
				fmt.Fprintf(&out, "# HELP %s %s\n", name, text)
			}
		case isKnown && !(isAgain && strings.HasPrefix(line, "# TYPE ")):
			out.WriteString(line)
		}
	}
	return out.Bytes()
}

// addRoom adds the statistics of the room.
func (e *exposition) addRoom(stats relay.Stats) {
	e.gauge("chat_members", float64(stats.Members))
	e.gauge("chat_sessions", float64(stats.Sessions))
	e.counter("chat_sessions_total", stats.Opened)
	e.counter("chat_messages_total", stats.Accepted)
	e.counter("chat_deliveries_total", stats.Delivered)
	e.counter("chat_sent_bytes_total", stats.Sent)
	e.counter("chat_missed_events_total", stats.Missed)
	e.counter("chat_slow_sessions_total", stats.Gaps)
	e.counter("chat_stalled_sessions_total", stats.Stalled)
	e.histogram("chat_write_seconds", stats.WriteTimes)
	e.counter("chat_delayed_inputs_total", stats.Delays)

	for _, of := range []struct {
		kind string
		n    int
	}{{"person", stats.Kinds.People}, {"program", stats.Kinds.Programs}, {"page", stats.Kinds.Pages}} {
		e.gauge(`chat_members_by_kind{kind="`+of.kind+`"}`, float64(of.n))
	}
	for _, of := range []struct {
		reason string
		n      uint64
	}{{"banned", stats.Refused.Banned}, {"full", stats.Refused.Full}, {"too_fast", stats.Refused.TooFast}, {"displaced", stats.Refused.Displaced}} {
		e.counter(`chat_refused_connections_total{reason="`+of.reason+`"}`, of.n)
	}
	e.counter(`chat_refused_logins_total{reason="wrong_secret"}`, stats.RefusedLogins.Wrong)
	e.counter(`chat_refused_logins_total{reason="locked_out"}`, stats.RefusedLogins.LockedOut)

	e.gauge("chat_history_events", float64(stats.History.Events))
	if stats.History.Durable {
		e.gauge("chat_history_pending_events", float64(stats.History.Pending))
		e.gauge("chat_history_wait_seconds", stats.History.Waiting.Seconds())
		e.counter("chat_history_errors_total", stats.History.Errors)
	}
}

// addHost adds what the host knows of its disks, files and log, and whether the room works.
func (e *exposition) addHost(h *Handler) {
	if bytes, err := h.room.HistorySize(); err == nil && bytes > 0 { // a room in memory has none
		e.gauge("chat_history_bytes", float64(bytes))
	}
	if h.opts.Files != nil {
		usage := h.opts.Files.Usage()
		e.gauge("chat_files", float64(usage.Files))
		e.gauge("chat_files_bytes", float64(usage.Bytes))
		e.gauge("chat_uploads", float64(usage.Uploads))
	}
	if h.opts.Disks != nil {
		disks := h.opts.Disks()
		for _, d := range disks {
			e.gauge(fmt.Sprintf("chat_disk_free_bytes{disk=%q}", d.Name), float64(d.Free))
		}
		for _, d := range disks {
			e.gauge(fmt.Sprintf("chat_disk_size_bytes{disk=%q}", d.Name), float64(d.Total))
		}
	}
	if c, ok := h.room.Cluster(); ok {
		e.addCluster(&c)
	}
	if h.opts.LostLines != nil {
		e.counter("chat_lost_log_lines_total", h.opts.LostLines())
	}
	healthy := 0.0
	if len(h.problems()) == 0 {
		healthy = 1
	}
	e.gauge("chat_healthy", healthy)
	metrics.WriteMetadataIfNeeded(e, "chat_build_info", "gauge")
	fmt.Fprintf(e, "chat_build_info{version=%q,go=%q} 1\n", h.room.Info().App, runtime.Version())
}

// addCluster adds how the cluster of a shared room does.
func (e *exposition) addCluster(c *relay.ClusterStatus) {
	connected, alive := 0.0, 0
	if c.Connected {
		connected = 1
	}
	for _, r := range c.Relays {
		if r.Lives {
			alive++
		}
	}
	e.gauge("chat_cluster_connected", connected)
	e.gauge("chat_cluster_relays", float64(alive))
	e.gauge("chat_cluster_position", float64(c.Position))
	e.counter("chat_cluster_records_total", c.Records)
	e.gauge("chat_cluster_waiting_requests", float64(c.Requests))
	e.gauge("chat_cluster_wait_seconds", c.Wait)
	e.gauge("chat_cluster_silent_seconds", c.Silent.Seconds())
}

// histogram adds durations that were counted elsewhere; package metrics has only histograms that it counts itself.
func (e *exposition) histogram(name string, times []relay.WriteTime) {
	metrics.WriteMetadataIfNeeded(e, name, "histogram")
	for _, t := range times {
		if t.AtMost > 0 {
			fmt.Fprintf(e, "%s_bucket{le=%q} %d\n", name, strconv.FormatFloat(t.AtMost.Seconds(), 'g', -1, 64), t.Count)
		} else {
			fmt.Fprintf(e, "%s_bucket{le=\"+Inf\"} %d\n%[1]s_sum %[3]g\n%[1]s_count %[2]d\n", name, t.Count, t.Total.Seconds())
		}
	}
}

// addProcess adds what is known of Go and the process.
func (e *exposition) addProcess() {
	metrics.WriteGoMetrics(e)
	metrics.WriteProcMetrics(e)
	metrics.WriteFDMetrics(e)
	settings := []runtimemetrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}, {Name: "/sched/gomaxprocs:threads"}}
	runtimemetrics.Read(settings)
	for i, name := range []string{"go_gc_gogc_percent", "go_gc_gomemlimit_bytes", "go_sched_gomaxprocs_threads"} {
		metrics.WriteGaugeUint64(e, name, settings[i].Value.Uint64())
	}
}

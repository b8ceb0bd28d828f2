//go:build linux

package main

import (
	"context"
	"fmt"
)

// A cell is one kind of measurement, made for several shapes.
type cell struct {
	name    string
	shapes  []shape
	peers   []string
	base    string   // the peer that ratios refer to
	dialect *dialect // of the peers that can run it; nil: any
	columns []column
	run     func(ctx context.Context, b *bench, p *peer, s shape) (values, error)
}

type shape struct {
	clients, senders int
	peers            []string // instead of the cell's; nil: the cell's
}

const maxWantedClients = 50_000

type values map[string]float64

// A column shows one value and, if ratio is set, its ratio to the base's.
type column struct {
	key   string
	title string
	show  func(float64) string
	ratio bool
}

var (
	withCeilings = []string{"chat", "nats-server", "ngircd", "ncat", "tutorial", "bare-64k", "bare-line"}
	allPeers     = []string{"chat", "nats-server", "ngircd", "ncat", "tutorial"}
	bigPeers     = []string{"chat", "nats-server", "bare-64k", "bare-line"}
)

func scaled(by float64, format string) func(float64) string {
	return func(v float64) string { return fmt.Sprintf(format, v/by) }
}

var floodColumns = []column{
	{"rate", "deliveries/s", scaled(1e6, "%.2f M"), true},
	{"cpu", "server CPU s/M", scaled(1, "%.4f"), true},
	{"ceiling", "of ceiling", scaled(0.01, "%.0f %%"), false},
	{"generator", "generator CPU s/M", scaled(1, "%.4f"), false},
}

var programsColumns = []column{floodColumns[0], floodColumns[1], floodColumns[3]}

var latencyColumns = []column{
	{"p50", "p50 µs", scaled(1e3, "%.0f"), true},
	{"p99", "p99 µs", scaled(1e3, "%.0f"), true},
	{"p999", "p99.9 µs", scaled(1e3, "%.0f"), true},
	{"cpu", "server CPU s/M", scaled(1, "%.3f"), false},
}

var stalledColumns = []column{
	{"p99 alone", "p99 µs without stalled", scaled(1e3, "%.0f"), true},
	{"p99 beside", "with stalled", scaled(1e3, "%.0f"), true},
	{"times", "times", scaled(1, "%.2f"), false},
	{"rss before", "RSS MiB before", scaled(1<<20, "%.1f"), false},
	{"rss peak", "peak", scaled(1<<20, "%.1f"), true},
}

var idleColumns = []column{
	{"each", "KiB per client", scaled(1<<10, "%.2f"), true},
	{"rss", "RSS MiB", scaled(1<<20, "%.1f"), true},
	{"empty", "without clients", scaled(1<<20, "%.1f"), false},
	{"peak", "peak", scaled(1<<20, "%.1f"), false},
}

var secureColumns = []column{
	floodColumns[0], floodColumns[1],
	latencyColumns[0], latencyColumns[1],
	{"welcome", "welcome ms", scaled(1e6, "%.2f"), true},
	idleColumns[0],
}

var churnColumns = []column{
	{"rate", "visits/s", scaled(1, "%.0f"), true},
	{"cpu", "server CPU ms/visit", scaled(1, "%.3f"), true},
}

var startColumns = []column{
	{"start", "start ms", scaled(1e-3, "%.1f"), true},
	{"best", "best", scaled(1e-3, "%.1f"), false},
	{"binary", "binary MB", scaled(1e6, "%.1f"), true},
	{"rss", "RSS MiB", scaled(1<<20, "%.1f"), true},
}

var historyColumns = []column{
	{"messages", "messages/s", scaled(1, "%.0f"), true},
	{"cpu", "server CPU µs/message", scaled(1, "%.1f"), true},
	{"p50", "ack at 1,000/s: p50 ms", scaled(1e6, "%.2f"), true},
	{"p99", "p99 ms", scaled(1e6, "%.2f"), true},
}

var clusterColumns = []column{
	{"messages", "messages/s", scaled(1, "%.0f"), true},
	{"hosts", "hosts' CPU µs/message", scaled(1, "%.1f"), true},
	{"nats", "NATS CPU µs/message", scaled(1, "%.1f"), false},
	{"rate", "deliveries/s", scaled(1, "%.0f"), false},
	{"each", "hosts' CPU s/M", scaled(1, "%.3f"), true},
	{"p50", "ack at 1,000/s: p50 ms", scaled(1e6, "%.2f"), true},
	{"p99", "p99 ms", scaled(1e6, "%.2f"), true},
}

var longColumns = []column{
	{"count", "messages", scaled(1, "%.0f"), false},
	{"ready", "ready ms", scaled(1e6, "%.0f"), false},
	{"cold", "cold cache ms", scaled(1e6, "%.0f"), false},
	{"rss", "RSS MiB", scaled(1<<20, "%.1f"), false},
	{"empty", "empty history", scaled(1<<20, "%.1f"), false},
	{"short", "short history", scaled(1<<20, "%.1f"), false},
	{"search", "search p50 ms", scaled(1e6, "%.1f"), false},
	{"slowest", "slowest", scaled(1e6, "%.1f"), false},
	{"page", "page p50 ms", scaled(1e6, "%.1f"), false},
	{"catch up", "caught up/s", scaled(1, "%.0f"), false},
	{"peak", "peak RSS MiB", scaled(1<<20, "%.1f"), false},
	{"fill", "filled/s", scaled(1, "%.0f"), false},
	{"bytes", "bytes/message on disk", scaled(1, "%.0f"), false},
}

var filesColumns = []column{
	{"down", "down MB/s", scaled(1e6, "%.0f"), true},
	{"up", "up MB/s", scaled(1e6, "%.0f"), true},
	{"peak", "peak RSS MiB", scaled(1<<20, "%.1f"), false},
}

var screenColumns = []column{
	{"first", "first frame ms", scaled(1e6, "%.0f"), false},
	{"in", "100,000 received, ms", scaled(1e6, "%.0f"), false},
	{"rss", "RSS MiB", scaled(1<<20, "%.1f"), false},
	{"peak", "peak", scaled(1<<20, "%.1f"), false},
	{"p50", "key p50 ms", scaled(1e6, "%.1f"), false},
	{"p99", "p99 ms", scaled(1e6, "%.1f"), false},
	{"cores", "cores", scaled(1, "%.2f"), false},
	{"lines", "CPU s/10,000 lines", scaled(1, "%.2f"), true},
	{"drawn", "drawn kB/s", scaled(1e3, "%.0f"), false},
}

func newCells() []*cell {
	return []*cell{
		{
			name: "flood", base: "nats-server", peers: withCeilings, columns: floodColumns, run: runFlood,
			shapes: []shape{{20, 1, nil}, {20, 20, allPeers}, {100, 1, nil}, {1000, 1, nil}, {10_000, 1, bigPeers}},
		},
		{
			name: "programs", base: "chat", columns: programsColumns, run: runFlood,
			peers:  []string{"chat", "chat-json", "chat-page", "nats-page", "npm-ws"},
			shapes: []shape{{20, 1, nil}, {20, 20, nil}, {100, 1, nil}},
		},
		{
			name: "latency", base: "nats-server", peers: allPeers, columns: latencyColumns, run: runLatency,
			shapes: []shape{{20, 20, nil}, {1000, 1, nil}},
		},
		{
			name: "stalled", base: "nats-server", peers: []string{"chat", "nats-server"}, columns: stalledColumns, run: runStalled,
			shapes: []shape{{20, 20, nil}},
		},
		{
			name: "churn", base: "nats-server", peers: []string{"chat", "chat-json", "nats-server", "tutorial"},
			columns: churnColumns, run: runChurn, shapes: []shape{{1000, 1, nil}},
		},
		{
			name: "idle", base: "nats-server", peers: []string{"chat", "nats-server", "tutorial"}, columns: idleColumns, run: runIdle,
			shapes: []shape{{10_000, 0, nil}, {maxWantedClients, 0, nil}},
		},
		{
			name: "secure", base: "nats-tls", peers: []string{"chat-sealed", "chat", "nats-tls", "ngircd-tls", "ncat-ssl"},
			columns: secureColumns, run: runSecure, shapes: []shape{{100, 1, nil}},
		},
		{
			name: "start", base: "nats-server", peers: []string{"chat", "nats-server", "ngircd", "ncat"}, columns: startColumns,
			run: runStart, shapes: []shape{{1, 0, nil}},
		},
		{
			name: "history", base: "jetstream", peers: []string{"chat-history", "chat-json", "jetstream"}, columns: historyColumns,
			run: runHistory, shapes: []shape{{20, 20, nil}},
		},
		{
			name: "cluster", base: "chat-json", peers: []string{"chat-json", "hosts-1", "hosts-2", "hosts-3"}, columns: clusterColumns,
			run: runCluster, shapes: []shape{{21, 21, nil}},
		},
		{
			name: "history-long", base: "chat-json", peers: []string{"chat-json"}, dialect: &jsonDialect, columns: longColumns,
			run: runLongHistory, shapes: []shape{{1, 1, nil}},
		},
		{
			name: "files", base: "go-files", peers: []string{"chat", "go-files", pythonPeer}, columns: filesColumns,
			run: runFiles, shapes: []shape{{1, 1, nil}},
		},
		{
			name: "screen", base: "irssi", peers: []string{"chat", "chat-plain", "irssi", "weechat"}, columns: screenColumns,
			run: runScreen, shapes: []shape{{1, 1, nil}},
		},
	}
}

func cellNames() (names []string) {
	for _, c := range newCells() {
		names = append(names, c.name)
	}
	return names
}

//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// rateOf returns how many messages per second are sent in total: 50 by each of 20 clients,
// 100 by a single one.
func rateOf(s shape) int {
	if s.senders == 1 {
		return 100
	}
	return 50 * s.senders
}

func runLatency(ctx context.Context, b *bench, p *peer, s shape) (values, error) {
	st, err := b.open(ctx, p, s)
	if err != nil {
		return nil, err
	}
	defer st.close()
	if err := st.warmUp(ctx); err != nil {
		return nil, err
	}
	return st.latency(ctx, rateOf(s), b.latencyLength())
}

// latencyLength is long enough for a 99.9th percentile.
func (b *bench) latencyLength() time.Duration { return 2 * b.opts.length }

func (st *stage) latency(ctx context.Context, rate int, length time.Duration) (values, error) {
	// One second at this pace first, so that the flood of the warm-up does not count.
	if _, err := st.gen.pace(ctx, rate, min(time.Second, length/2)); err != nil {
		return nil, err
	}
	before, err := cpuTime(st.server.pid())
	if err != nil {
		return nil, err
	}
	h, err := st.gen.pace(ctx, rate, length)
	if err != nil {
		return nil, err
	}
	after, err := cpuTime(st.server.pid())
	return values{
		"p50":      h.quantile(0.5),
		"p99":      h.quantile(0.99),
		"p999":     h.quantile(0.999),
		"receipts": float64(h.total),
		"cpu":      (after - before) / float64(h.total) * 1e6,
	}, err
}

// runStalled measures the latency, then again with clients that do not read. In between it
// sends so much that the server cannot leave it in the stalled clients' sockets.
func runStalled(ctx context.Context, b *bench, p *peer, s shape) (values, error) {
	alone, err := runLatency(ctx, b, p, s)
	if err != nil {
		return nil, err
	}
	st, err := b.open(ctx, p, s)
	if err != nil {
		return nil, err
	}
	defer st.close()
	const stalled = 5
	if err := st.addStalled(ctx, p, stalled); err != nil {
		return nil, err
	}
	before, err := st.server.memory("VmRSS")
	if err != nil {
		return nil, err
	}
	const tooMuch = 20 << 20 / textSize
	if err := st.flood(ctx, time.Minute, tooMuch); err != nil {
		return nil, fmt.Errorf("with stalled clients: %w", err)
	}
	beside, err := st.latency(ctx, rateOf(s), b.latencyLength())
	if err != nil {
		return nil, fmt.Errorf("with stalled clients: %w", err)
	}
	peak, err := st.server.memory("VmHWM")
	return values{
		"p99 alone":  alone["p99"],
		"p99 beside": beside["p99"],
		"times":      beside["p99"] / alone["p99"],
		"rss before": before,
		"rss peak":   peak,
	}, err
}

// addStalled connects clients that stop reading once they have joined.
func (st *stage) addStalled(ctx context.Context, p *peer, n int) error {
	lazy, err := newGenerator(p.dialect, n, 0)
	if err != nil {
		return err
	}
	st.stalled = lazy
	lazy.receive = 4 << 10
	if err := lazy.connect(ctx, st.server.addr); err != nil {
		return err
	}
	lazy.stop()
	return nil
}

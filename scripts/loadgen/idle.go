//go:build linux

package main

import (
	"context"
	"math"
	"time"
)

// runIdle measures the memory that silent clients cost.
func runIdle(ctx context.Context, b *bench, p *peer, s shape) (values, error) {
	server, err := b.serve(ctx, p, s.clients)
	if err != nil {
		return nil, err
	}
	st := &stage{server: server}
	defer st.close()
	empty, err := server.settledMemory(ctx)
	if err != nil {
		return nil, err
	}
	start := clock()
	if st.gen, err = newGenerator(p.dialect, s.clients, 0); err != nil {
		return nil, err
	}
	if err := st.gen.connect(ctx, server.addr); err != nil {
		return nil, err
	}
	seconds := float64(clock()-start) / 1e9
	full, err := server.settledMemory(ctx)
	if err != nil {
		return nil, err
	}
	if err := st.gen.failed(); err != nil {
		return nil, err
	}
	peak, err := server.memory("VmHWM")
	return values{
		"each":    (full - empty) / float64(s.clients),
		"rss":     full,
		"empty":   empty,
		"peak":    peak,
		"seconds": seconds,
	}, err
}

// settledMemory returns the RSS of the process once it is stable. Garbage collectors return
// memory only some time after a peak.
func (p *process) settledMemory(ctx context.Context) (float64, error) {
	const look, within, longest = 5 * time.Second, 0.005, 6
	last := math.Inf(1)
	for range longest {
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(look):
		}
		rss, err := p.memory("VmRSS")
		if err != nil || math.Abs(rss-last) <= within*rss {
			return rss, err
		}
		last = rss
	}
	return last, nil
}

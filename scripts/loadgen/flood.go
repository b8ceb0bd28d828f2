//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"os"
)

func runFlood(ctx context.Context, b *bench, p *peer, s shape) (values, error) {
	if p.bare() && s.senders > 1 {
		return nil, fmt.Errorf("the bare server has no senders")
	}
	st, err := b.open(ctx, p, s)
	if err != nil {
		return nil, err
	}
	defer st.close()
	if err := st.warmUp(ctx); err != nil {
		return nil, err
	}
	pids := []int{st.server.pid(), os.Getpid()}
	before, err := cpuTimes(pids)
	if err != nil {
		return nil, err
	}
	start, had := clock(), st.gen.delivered()
	if err := st.flood(ctx, b.opts.length, math.MaxInt64); err != nil {
		return nil, err
	}
	after, err := cpuTimes(pids)
	if err != nil {
		return nil, err
	}
	deliveries := float64(st.gen.delivered() - had)
	seconds := float64(st.gen.lastArrival()-start) / 1e9
	rss, err := st.server.memory("VmRSS")
	return values{
		"deliveries": deliveries,
		"seconds":    seconds,
		"rate":       deliveries / seconds,
		"cpu":        (after[0] - before[0]) / deliveries * 1e6,
		"generator":  (after[1] - before[1]) / deliveries * 1e6,
		"rss":        rss,
	}, err
}

func cpuTimes(pids []int) (times []float64, err error) {
	for _, pid := range pids {
		t, err := cpuTime(pid)
		if err != nil {
			return nil, err
		}
		times = append(times, t)
	}
	return times, nil
}

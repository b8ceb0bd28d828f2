//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"time"
)

// runStart measures the time from the start of a server until it lets the first client in.
func runStart(ctx context.Context, b *bench, p *peer, s shape) (values, error) {
	const times = 10
	path, err := exec.LookPath(p.binary)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var took []float64
	var rss float64
	for range times {
		t, m, err := b.startOnce(ctx, p)
		if err != nil {
			return nil, err
		}
		took, rss = append(took, t), m
	}
	slices.Sort(took)
	return values{"start": took[times/2], "best": took[0], "binary": float64(info.Size()), "rss": rss}, nil
}

func (b *bench) startOnce(ctx context.Context, p *peer) (seconds, rss float64, err error) {
	server, seconds, err := b.startUp(ctx, p)
	if err != nil {
		return 0, 0, err
	}
	defer server.stop()
	rss, err = server.memory("VmRSS")
	return seconds, rss, err
}

// startUp starts a server, with additional flags, and returns the time until it let the
// first client in.
func (b *bench) startUp(ctx context.Context, p *peer, flags ...string) (_ *server, seconds float64, err error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, 0, err
	}
	argv, err := p.argv(b, addr, 1)
	if err != nil {
		return nil, 0, err
	}
	start := clock()
	server, err := startServer(b.dir, addr, append(argv, flags...))
	if err != nil {
		return nil, 0, err
	}
	for {
		conn, _, err := connectClient(addr.String(), p.dialect, "v0000")
		if err == nil {
			conn.Close()
			return server, float64(clock()-start) / 1e9, nil
		}
		if clock()-start > int64(patience) || ctx.Err() != nil {
			server.stop()
			return nil, 0, err
		}
		time.Sleep(100 * time.Microsecond)
	}
}

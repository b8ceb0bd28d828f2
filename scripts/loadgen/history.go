//go:build linux

package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// diskDir creates an empty folder on a disk. The system's temporary folder may be in
// memory; /var/tmp, whose files survive a restart, is not.
func (b *bench) diskDir(name string) (string, error) {
	for _, parent := range []string{os.TempDir(), "/var/tmp"} {
		if b.disk != "" || inMemory(parent) {
			continue
		}
		var err error
		if b.disk, err = os.MkdirTemp(parent, "chat-bench-disk-"); err != nil {
			return "", err
		}
	}
	if b.disk == "" {
		return "", errors.New("no folder on a disk: set TMPDIR to one")
	}
	return os.MkdirTemp(b.disk, name+"-")
}

func inMemory(folder string) bool {
	var at unix.Statfs_t
	err := unix.Statfs(folder, &at)
	return err != nil || uint32(at.Type) == unix.TMPFS_MAGIC || uint32(at.Type) == unix.RAMFS_MAGIC
}

// runHistory measures acknowledged messages, in a flood and then at a steady pace. With a
// history, an acknowledged message is on disk. The senders share [inFlight] unacknowledged
// messages.
func runHistory(ctx context.Context, b *bench, p *peer, s shape) (values, error) {
	v, err := runFlood(ctx, b, p, s)
	if err != nil {
		return nil, err
	}
	copies := float64(s.clients)
	v["messages"], v["cpu"] = v["rate"]/copies, v["cpu"]*copies
	st, err := b.open(ctx, p, s)
	if err != nil {
		return nil, err
	}
	defer st.close()
	st.gen.acksOnly = true
	if err := st.warmUp(ctx); err != nil {
		return nil, err
	}
	acks, err := st.latency(ctx, rateOf(s), b.latencyLength())
	if err != nil {
		return nil, err
	}
	v["p50"], v["p99"] = acks["p50"], acks["p99"]
	return v, nil
}

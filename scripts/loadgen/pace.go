//go:build linux

package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A schedule has the time at which each message is due: the senders take turns, one message
// every gap. A delay in the generator counts as latency.
type schedule struct {
	start, end int64
	gap        int64
	base       []int64 // messages that each sender had sent before
}

func (s *schedule) due(sender int, k int64) (at int64, ok bool) {
	k -= s.base[sender]
	return s.start + (k*int64(len(s.base))+int64(sender))*s.gap, k >= 0
}

// pace sends rate messages per second. When all have arrived, it returns their latencies at
// all receivers.
func (g *generator) pace(ctx context.Context, rate int, length time.Duration) (*histogram, error) {
	sched := &schedule{
		start: clock() + int64(10*time.Millisecond),
		gap:   int64(time.Second) / int64(rate),
		base:  g.flow.stop(),
	}
	sched.end = sched.start + int64(length)
	before := g.latencies()
	g.schedule.Store(sched)
	defer g.schedule.Store(nil)
	if err := g.keepSchedule(ctx, sched); err != nil {
		return nil, err
	}
	if err := g.awaitDelivery(ctx, g.flow.stop()); err != nil {
		return nil, err
	}
	all := g.latencies()
	for i, n := range before.counts {
		all.counts[i] -= n
	}
	all.total -= before.total
	return all, nil
}

// keepSchedule sends from a thread of its own, which wakes up on time.
func (g *generator) keepSchedule(ctx context.Context, sched *schedule) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const usualSlack = 50_000
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, usualSlack, 0, 0, 0) }()
	for i, at := 0, sched.start; at < sched.end; i, at = i+1, at+sched.gap {
		sleepUntil(at)
		if err := g.failed(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s := g.flow.senders[i%len(g.flow.senders)]
		if err := s.sendNow(); err != nil {
			return fmt.Errorf("sender %d: %w", s.client.id, err)
		}
	}
	return nil
}

// sendNow sends one message and, if it must, waits for the socket.
func (s *sender) sendNow() error {
	s.flow.mu.Lock()
	defer s.flow.mu.Unlock()
	if err := s.send(1); err != nil {
		return err
	}
	for tries := 0; s.waits(); tries++ {
		if time.Duration(tries)*time.Second > patience {
			return fmt.Errorf("the server accepts no more")
		}
		ready := []unix.PollFd{{Fd: int32(s.client.fd), Events: unix.POLLOUT}}
		if _, err := unix.Poll(ready, 1000); err != nil && err != unix.EINTR {
			return err
		}
		if err := s.write(s.pending); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) latencies() *histogram {
	all := new(histogram)
	for _, r := range g.readers {
		all.merge(r.latency)
	}
	return all
}

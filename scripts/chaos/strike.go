//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// strikes count what happened.
type strikes struct {
	mu      sync.Mutex
	done    map[string]int
	skipped map[string]string // why, by kind
	full    atomic.Int64      // when the disk was full last, in Unix milliseconds
}

func (s *strikes) count(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[kind]++
}

func (s *strikes) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range kindNames() {
		n += s.done[k]
	}
	return n
}

// strikeAll lets the plan happen, and returns when the last fault is over.
func (r *run) strikeAll(ctx context.Context, plan []fault) {
	began := time.Now()
	var all sync.WaitGroup
	for _, f := range plan {
		select {
		case <-time.After(time.Until(began.Add(f.at))):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			if err := r.strike(ctx, f); err != nil {
				r.fail(fmt.Errorf("%s: %w", f.kind, err))
			}
		})
	}
	all.Wait()
}

// strike lets one fault happen, from its beginning to its end.
func (r *run) strike(ctx context.Context, f fault) error {
	switch f.kind {
	case killHost:
		return r.killHost(ctx, f)
	case stopHost:
		r.host.turn.Lock()
		defer r.host.turn.Unlock()
		r.host.signal(syscall.SIGSTOP)
		time.Sleep(f.last)
		r.host.signal(syscall.SIGCONT)
	case killClient:
		s := r.seats[f.seats[0]]
		s.turn.Lock()
		defer s.turn.Unlock()
		if err := s.kill(f.last); err != nil {
			return err
		}
	case stopClient:
		r.seats[f.seats[0]].suspend(f.last)
	case fullDisk:
		return r.fillDisk(f)
	case moveClock:
		if err := r.moveClock(f); err != nil {
			return err
		}
	default:
		r.disturb(f)
	}
	r.strikes.count(f.kind)
	return nil
}

// killHost kills the host and starts it again, at times once more while it starts.
func (r *run) killHost(ctx context.Context, f fault) error {
	r.host.turn.Lock()
	defer r.host.turn.Unlock()
	if err := r.killHostOnce(ctx, f.draw); err != nil {
		return err
	}
	time.Sleep(f.last)
	if err := r.host.start(); err != nil {
		return err
	}
	if f.draw%8 == 0 {
		time.Sleep(time.Duration(f.draw % uint64(60*time.Millisecond)))
		r.host.kill()
		r.strikes.count(killStarting)
		if err := r.host.start(); err != nil {
			return err
		}
	}
	for {
		err := r.host.awaitOpen(ctx)
		if err == nil {
			r.strikes.count(killHost)
			return nil
		}
		full := time.Since(time.UnixMilli(r.strikes.full.Load())) < 2*time.Second
		if err != errDied || !full || ctx.Err() != nil {
			return err
		}
		r.strikes.count(startedFull) // it says that it cannot; then somebody makes room
		time.Sleep(200 * time.Millisecond)
		if err := r.host.start(); err != nil {
			return err
		}
	}
}

// killHostOnce kills the host, at times in the middle of a commit. A host that acknowledges
// before it commits is always killed there, and not before a message was acknowledged that
// is not on disk: then the run has a loss to find.
func (r *run) killHostOnce(ctx context.Context, draw uint64) error {
	switch {
	case r.bug == acksBeforeCommit:
		acknowledged, err := r.killInCommit(ctx, 30*time.Second)
		if err == nil && !acknowledged {
			err = errors.New("the bug had no effect: nothing was acknowledged before it was on disk")
		}
		return err
	case draw/8%4 == 0:
		if _, err := r.killInCommit(ctx, 0); err != nil {
			return err
		}
		r.strikes.count(killInCommit)
	default:
		r.host.kill()
	}
	return nil
}

// Details of faults that the report counts besides their kinds.
const (
	killInCommit = "was killed in the middle of a commit"
	killStarting = "was killed again while it started"
	startedFull  = "could not start on a full disk"
)

// fillDisk leaves no byte free for a time. What the host gives back meanwhile is taken.
func (r *run) fillDisk(f fault) error {
	if r.disk.absent != "" {
		r.strikes.mu.Lock()
		defer r.strikes.mu.Unlock()
		r.strikes.skipped[fullDisk] = r.disk.absent
		return nil
	}
	r.disk.turn.Lock()
	defer r.disk.turn.Unlock()
	defer r.disk.free()
	for end := time.Now().Add(f.last); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		r.strikes.full.Store(time.Now().UnixMilli())
		if err := r.disk.fill(); err != nil {
			return err
		}
	}
	r.strikes.count(fullDisk)
	return nil
}

// moveClock sets the host's clock up to an hour forward or back.
func (r *run) moveClock(f fault) error {
	const most = 3600
	off := int(f.draw%(2*most)) - most
	next := r.host.clock + ".next"
	if err := os.WriteFile(next, []byte(strconv.Itoa(off)), 0o644); err != nil {
		return err
	}
	return os.Rename(next, r.host.clock) // never half written
}

// disturb lets something happen to the connections of the seats that f names.
func (r *run) disturb(f fault) {
	var all sync.WaitGroup
	for _, i := range f.seats {
		s := r.seats[i]
		all.Go(func() {
			s.turn.Lock()
			defer s.turn.Unlock()
			if err := s.disturb(f); err != nil {
				r.fail(fmt.Errorf("%s: %w", f.kind, err))
			}
		})
	}
	all.Wait()
}

func (s *seat) disturb(f fault) error {
	p := s.proxy
	during := func(set func(w *weather)) {
		p.change(set)
		time.Sleep(f.last)
		p.change(func(w *weather) { *w = weather{} })
	}
	switch f.kind {
	case reset:
		p.reset()
	case truncate:
		p.truncate(f.draw%2 == 0, int(f.draw/2%400))
	case cut:
		p.refuse()
		time.Sleep(f.last)
		return p.allow()
	case halfOpen:
		p.swallow()
		time.Sleep(f.last)
		tell := int(f.draw % tellings)
		if tell == tellHost && !s.asksSoon() && s.short() {
			tell = tellBoth
		}
		p.restore(tell)
	case oneWay:
		p.change(func(w *weather) { w.oneWay = true })
		time.Sleep(f.last)
		p.allowBothWays()
	case delay:
		during(func(w *weather) { w.delay = time.Duration(10+f.draw%200) * time.Millisecond })
	case loss:
		during(func(w *weather) { w.loss = true })
	case slice:
		during(func(w *weather) { w.slice = true })
	}
	return nil
}

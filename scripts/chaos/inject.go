//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// faultCounts counts the injected faults.
type faultCounts struct {
	// Guarded by mu.
	mu      sync.Mutex
	done    map[string]int    // by kind
	skipped map[string]string // the reason, by kind
	kinds   []string          // the names of the kinds; fixed

	lastFull atomic.Int64 // when the disk was last full, in Unix milliseconds
}

func (s *faultCounts) count(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[kind]++
}

func (s *faultCounts) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kinds {
		n += s.done[k]
	}
	return n
}

// injectAll injects the faults of the plan at their times and returns when the last one is
// over.
func (r *run) injectAll(ctx context.Context, plan []fault) {
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
			if err := r.inject(ctx, f); err != nil {
				r.fail(fmt.Errorf("%s: %w", f.kind, err))
			}
		})
	}
	all.Wait()
}

// inject injects one fault, from its beginning to its end.
func (r *run) inject(ctx context.Context, f fault) error {
	switch f.kind {
	case killHost:
		return r.killHost(ctx, f)
	case stopHost:
		h := r.hostOf(f)
		h.faultMu.Lock()
		defer h.faultMu.Unlock()
		h.signal(syscall.SIGSTOP)
		time.Sleep(f.duration)
		h.signal(syscall.SIGCONT)
	case quitHost:
		if err := r.quitHost(ctx, f); err != nil {
			return err
		}
	case killNode, stopNode, killNodes, cutNode, hangNode, delayNode:
		if err := r.injectNode(f); err != nil {
			return err
		}
	case killClient:
		s := r.seats[f.seats[0]]
		s.faultMu.Lock()
		defer s.faultMu.Unlock()
		if err := s.replace(f.duration); err != nil {
			return err
		}
	case stopClient:
		r.seats[f.seats[0]].suspend(f.duration)
	case fullDisk:
		return r.fillDisk(f)
	case newInvite:
		if err := r.replaceInvite(ctx, f); err != nil {
			return err
		}
	case moveClock:
		if err := r.moveClock(f); err != nil {
			return err
		}
	default:
		r.disturbAll(f)
	}
	r.counts.count(f.kind)
	return nil
}

// killHost kills the host and starts it again. Sometimes it kills the new host while that
// starts.
func (r *run) killHost(ctx context.Context, f fault) error {
	h := r.hostOf(f)
	h.faultMu.Lock()
	defer h.faultMu.Unlock()
	if err := r.killHostOnce(ctx, h, f.random); err != nil {
		return err
	}
	time.Sleep(f.duration)
	if err := h.start(); err != nil {
		return err
	}
	if f.random%8 == 0 {
		time.Sleep(time.Duration(f.random % uint64(60*time.Millisecond)))
		h.kill()
		r.counts.count(killStarting)
		if err := h.start(); err != nil {
			return err
		}
	}
	if err := r.awaitRestarted(ctx, h); err != nil {
		return err
	}
	r.counts.count(killHost)
	return nil
}

// hostOf returns the host that a fault is about.
func (r *run) hostOf(f fault) *host { return r.hosts[f.random/64%uint64(len(r.hosts))] }

// awaitRestarted waits until a host that was started again is open. It starts it once more if it reports that it cannot
// start because of a fault that will end.
func (r *run) awaitRestarted(ctx context.Context, h *host) error {
	for {
		err := h.awaitOpen(ctx, openPatience)
		if err == nil {
			return nil
		}
		full := time.Since(time.UnixMilli(r.counts.lastFull.Load())) < 2*time.Second
		alone := r.cluster && strings.Contains(h.logTail(), "cluster")
		switch {
		case err != errCrashed || ctx.Err() != nil:
			return err
		case full:
			r.counts.count(startedFull) // fillDisk will free the disk
		case alone:
			r.counts.count(startedAlone)
		default:
			return fmt.Errorf("%s: %w: %s", h.name, err, h.logTail())
		}
		time.Sleep(200 * time.Millisecond)
		if err := h.start(); err != nil {
			return err
		}
	}
}

// killHostOnce kills the host, sometimes while a commit waits. A host with the bug
// acks-before-commit is always killed then, after it has acknowledged a message that is not
// on disk, so that the run has a loss to find.
func (r *run) killHostOnce(ctx context.Context, h *host, draw uint64) error {
	switch {
	case r.bug == acksBeforeCommit:
		acknowledged, err := r.killInCommit(ctx, h, 30*time.Second)
		if err == nil && !acknowledged {
			err = errors.New("the bug had no effect: no message was acknowledged before it was on disk")
		}
		return err
	case draw/8%4 == 0 && !r.cluster:
		if _, err := r.killInCommit(ctx, h, 0); err != nil {
			return err
		}
		r.counts.count(killInCommit)
	default:
		h.kill()
	}
	return nil
}

// Details of faults that the report also counts.
const (
	killInCommit     = "was killed during a commit"
	killStarting     = "was killed again while starting"
	startedFull      = "could not start on a full disk"
	startedAlone     = "could not start without the cluster"
	quitWithoutNodes = "ended, and reported that its last messages may not be stored"
)

// fillDisk keeps the disk full for a time, also when the host frees space.
func (r *run) fillDisk(f fault) error {
	if r.disk.cannotFill != "" {
		r.counts.mu.Lock()
		defer r.counts.mu.Unlock()
		r.counts.skipped[fullDisk] = r.disk.cannotFill
		return nil
	}
	r.disk.faultMu.Lock()
	defer r.disk.faultMu.Unlock()
	defer r.disk.free()
	for end := time.Now().Add(f.duration); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		r.counts.lastFull.Store(time.Now().UnixMilli())
		if err := r.disk.fill(); err != nil {
			return err
		}
	}
	r.counts.count(fullDisk)
	return nil
}

// moveClock sets the host's clock up to an hour forward or back.
func (r *run) moveClock(f fault) error {
	const most = 3600
	off := int(f.random%(2*most)) - most
	h := r.hostOf(f)
	next := h.clockFile + ".next"
	if err := os.WriteFile(next, []byte(strconv.Itoa(off)), 0o644); err != nil {
		return err
	}
	return os.Rename(next, h.clockFile) // atomically
}

// disturbAll injects a network fault for each seat of f.
func (r *run) disturbAll(f fault) {
	var all sync.WaitGroup
	for _, i := range f.seats {
		s := r.seats[i]
		all.Go(func() {
			s.faultMu.Lock()
			defer s.faultMu.Unlock()
			if err := s.disturb(f); err != nil {
				r.fail(fmt.Errorf("%s: %w", f.kind, err))
			}
		})
	}
	all.Wait()
}

// disturb injects a fault into the seat's ways to all hosts or, half of the time, to one of them.
func (s *seat) disturb(f fault) error {
	proxies := s.proxies
	if n := uint64(len(proxies)); n > 1 && f.random/1024%2 == 0 {
		i := f.random / 2048 % n
		proxies = proxies[i : i+1]
	}
	failed := make([]error, len(proxies))
	var all sync.WaitGroup
	for i, p := range proxies {
		all.Go(func() { failed[i] = s.disturbWay(p, f) })
	}
	all.Wait()
	return errors.Join(failed...)
}

func (s *seat) disturbWay(p *proxy, f fault) error {
	during := func(set func(w *impairment)) {
		p.setImpairment(set)
		time.Sleep(f.duration)
		p.setImpairment(func(w *impairment) { *w = impairment{} })
	}
	switch f.kind {
	case reset:
		p.reset()
	case truncate:
		p.truncate(f.random%2 == 0, int(f.random/2%400))
	case cut:
		p.refuse()
		time.Sleep(f.duration)
		return p.listen()
	case halfOpen:
		p.blackhole()
		time.Sleep(f.duration)
		ends := int(f.random % resetCount)
		if ends == resetHost && !s.detectsSoon() && s.isShort() {
			ends = resetBoth
		}
		p.endBlackhole(ends)
	case oneWay:
		p.setImpairment(func(w *impairment) { w.oneWay = true })
		time.Sleep(f.duration)
		p.endOneWay()
	case delay:
		during(func(w *impairment) { w.delay = time.Duration(10+f.random%200) * time.Millisecond })
	case loss:
		during(func(w *impairment) { w.loss = true })
	case slice:
		during(func(w *impairment) { w.slice = true })
	}
	return nil
}

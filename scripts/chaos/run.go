//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"chat/relay/client"
)

// A run is one test, from an empty folder to the report.
type run struct {
	// Fixed after startAll, but addHost adds to hosts; hosts, disks and seats guard themselves.
	*options
	dir     string
	self    string          // path of this program
	program string          // path of chat
	context context.Context // of the run
	hosts   []*host         // one, or those of a cluster
	nodes   *nodes          // of a cluster, or nil
	disk    *disk
	seats   []*seat
	began   time.Time
	cancel  context.CancelCauseFunc

	hostsMu sync.Mutex // held while hosts changes, and by watch

	counts   faultCounts
	compared []string // the events that were compared with the first host's history; owned by runProof's goroutine
	verdict  *verdict // owned by runProof's goroutine
}

// runProof does a run and prints the report. It keeps the folder if anything went wrong.
func runProof(ctx context.Context, args []string) error {
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	dir := o.dir
	if dir == "" {
		dir, err = os.MkdirTemp("", "chaos")
	} else {
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	r := &run{options: o, dir: dir, verdict: newVerdict(), began: time.Now()}
	if o.cluster {
		r.patience *= 2
	}
	if o.secure {
		r.patience += secretPatience
	}
	r.counts.done, r.counts.skipped, r.counts.kinds = make(map[string]int), make(map[string]string), o.kindNames()
	err = r.run(ctx)
	if err != nil {
		r.verdict.problem("%v", err)
		fmt.Fprintf(os.Stderr, "chaos: seed %d: %v\n", o.seed, err)
	}
	if !r.verdict.good() {
		r.keepHistory()
		fmt.Printf("records and logs are kept in %s\n", dir)
		return errReported
	}
	if o.dir == "" {
		return errors.Join(r.disk.close(), os.RemoveAll(dir))
	}
	return nil
}

// run does everything but the report about the folder.
func (r *run) run(ctx context.Context) error {
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	r.context = ctx
	defer r.cleanUp()
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.startAll(ctx); err != nil {
		return err
	}
	go r.watch(ctx)
	mortals, all := r.seatNumbers()
	plan := newPlan(r.options, mortals, all)
	if err := r.savePlan(plan); err != nil {
		return err
	}
	r.injectAll(ctx, plan)
	r.heal()
	err := r.finish(ctx)
	switch {
	case err == nil && r.cluster:
		if err := r.startFresh(ctx); err != nil {
			return err
		}
		if err := r.saveTails(ctx); err != nil {
			return err
		}
	case ctx.Err() != nil:
		return err
	case err != nil:
		r.verdict.problem("%v", err) // the records can still be compared
		r.killClients()
	}
	for _, h := range r.hosts {
		if err := h.quit(); err != nil {
			r.verdict.problem("%s: %v: %s", h.name, err, h.logTail())
		}
	}
	return r.judge()
}

// allHosts returns the hosts, for other goroutines than runProof's.
func (r *run) allHosts() []*host {
	r.hostsMu.Lock()
	defer r.hostsMu.Unlock()
	return slices.Clone(r.hosts)
}

// addHost adds a host.
func (r *run) addHost(h *host) {
	r.hostsMu.Lock()
	defer r.hostsMu.Unlock()
	r.hosts = append(r.hosts, h)
}

// fail ends the run.
func (r *run) fail(err error) { r.cancel(err) }

// prepare builds the program and creates the folder's contents.
func (r *run) prepare(ctx context.Context) (err error) {
	if r.self, err = os.Executable(); err != nil {
		return err
	}
	r.program = filepath.Join(r.dir, "chat")
	if err := buildHost(ctx, r.program, filepath.Join(r.dir, "sources"), r.bug); err != nil {
		return err
	}
	if r.disk, err = newDisk(filepath.Join(r.dir, "disk"), r.messages); err != nil {
		return err
	}
	if r.cluster {
		return r.newHosts()
	}
	h, err := newHost(r.dir, "host", r.program, filepath.Join(r.disk.dir, "history.db"), address(0))
	if err != nil {
		return err
	}
	h.flags = r.hostFlags()
	r.hosts = []*host{h}
	return nil
}

// hostFlags returns the flags that all hosts of the run have besides hostFlags.
func (o *options) hostFlags() []string {
	if o.secure {
		return []string{"--secure"}
	}
	return nil
}

// startAll starts the host and all clients and waits until they have joined.
func (r *run) startAll(ctx context.Context) error {
	for _, h := range r.hosts {
		if err := h.start(); err != nil {
			return err
		}
	}
	for _, h := range r.hosts {
		if err := h.awaitOpen(ctx, openPatience); err != nil {
			return fmt.Errorf("%s: %w\n%s", h.name, err, h.logTail())
		}
	}
	if r.secure {
		if err := r.saveInvitation(r.hosts[0]); err != nil {
			return err
		}
	}
	if err := r.makeSeats(); err != nil {
		return err
	}
	for _, s := range r.seats {
		if err := s.startNext(); err != nil {
			return err
		}
	}
	for _, s := range r.seats {
		p := s.current()
		select {
		case <-p.joined.ch:
		case <-p.exited.ch:
			return fmt.Errorf("%s ended: %s", p.label, r.errorOutput(p))
		case <-time.After(20 * time.Second):
			return fmt.Errorf("%s does not join", p.label)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (r *run) savePlan(plan []fault) error {
	f, err := os.Create(filepath.Join(r.dir, "plan"))
	if err != nil {
		return err
	}
	fmt.Fprintf(f, "seed %d\n", r.seed)
	printPlan(f, plan)
	return f.Close()
}

// watch checks that the host is running and prints the progress.
func (r *run) watch(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, h := range r.allHosts() {
			if !h.faultMu.TryLock() {
				continue
			}
			died := h.crashed()
			h.faultMu.Unlock()
			if died {
				r.fail(fmt.Errorf("%s: %w: %s", h.name, errCrashed, h.logTail()))
				return
			}
		}
		if n%50 == 0 {
			fmt.Fprintf(os.Stderr, "%6.0f s  %8d messages  %4d faults\n", time.Since(r.began).Seconds(), r.acked(), r.counts.total())
		}
	}
}

// acked returns how many messages are acknowledged, as far as the clients have reported.
func (r *run) acked() (sum int64) {
	for _, s := range r.seats {
		s.mu.Lock()
		for _, p := range s.lives {
			sum += p.acked.Load()
		}
		s.mu.Unlock()
	}
	return sum
}

// heal ends all faults.
func (r *run) heal() {
	r.disk.free()
	for _, s := range r.seats {
		for _, p := range s.proxies {
			p.listen()
			p.truncate(true, unlimited)
			p.truncate(false, unlimited)
		}
	}
}

// finish waits until all clients have sent their messages, shows all of them a last message
// and ends them.
func (r *run) finish(ctx context.Context) error {
	if err := r.await(ctx, "finish", func(s *seat, p *process) bool { return s.quota == 0 || p.done.isSet() }); err != nil {
		return err
	}
	for _, s := range r.seats {
		if s.mortal {
			fmt.Fprintln(s.current().stdin, orderStop)
		}
	}
	if err := r.await(ctx, "finish", func(s *seat, p *process) bool { return s.role == listenerRole || p.done.isSet() }); err != nil {
		return err
	}
	if err := r.sendLast(ctx); err != nil {
		return err
	}
	if err := r.await(ctx, "be shown the last message", func(s *seat, p *process) bool { return s.role != botRole || p.sawLast.isSet() }); err != nil {
		return err
	}
	if r.cluster {
		if err := r.compareMembers(ctx); err != nil {
			return err
		}
	}
	for _, s := range r.seats {
		s.current().stdin.Close()
	}
	return r.await(ctx, "leave", func(s *seat, p *process) bool { return p.exited.isSet() })
}

// await waits until ready returns true for every seat. It gives up after r.patience without
// progress of a seat that is not ready. Other seats do not count: they may send for ever.
func (r *run) await(ctx context.Context, what string, ready func(s *seat, p *process) bool) error {
	before, since := int64(-1), time.Now()
	for {
		var late []string
		acked := int64(0)
		for _, s := range r.seats {
			p := s.current()
			if ready(s, p) {
				continue
			}
			if late = append(late, p.label); p.exited.isSet() {
				return fmt.Errorf("%s ended: %s", p.label, r.errorOutput(p))
			}
			acked += p.acked.Load()
		}
		if len(late) == 0 {
			return nil
		}
		if acked != before {
			before, since = acked, time.Now()
		}
		if time.Since(since) > r.patience {
			return fmt.Errorf("no progress for %v; these do not %s: %s", r.patience, what, strings.Join(late, ", "))
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sendLast sends the last message: a client that was shown it was shown everything.
func (r *run) sendLast(ctx context.Context) error {
	opts := client.Options{Addr: r.hosts[0].addr, Nick: lastLabel, Backlog: -1}
	if r.secure {
		invite, err := readInvitation(r.inviteFile())
		if err != nil {
			return err
		}
		opts.Seal = client.Seal{Pin: invite.Pin, Secret: invite.Member}
	}
	c, err := client.Join(ctx, opts)
	if err != nil {
		return err
	}
	go func() {
		for range c.Events() {
		}
	}()
	_, err = c.Say(ctx, text(lastLabel, 1))
	return errors.Join(err, c.Flush(ctx), c.Close())
}

// errorOutput returns the exit status of p and the beginning of its stderr.
func (r *run) errorOutput(p *process) string {
	b, _ := os.ReadFile(filepath.Join(r.dir, p.label+".err"))
	return fmt.Sprintf("%v: %.500s", p.cmd.ProcessState, strings.TrimSpace(string(b)))
}

// killClients kills all clients that still run.
func (r *run) killClients() {
	for _, s := range r.seats {
		if p := s.current(); !p.exited.isSet() {
			p.killed.Store(true)
			p.cmd.Process.Kill()
			<-p.exited.ch
		}
	}
}

// cleanUp ends all processes and proxies.
func (r *run) cleanUp() {
	for _, s := range r.seats {
		for _, p := range s.lives {
			p.cmd.Process.Kill()
			<-p.exited.ch
		}
		for _, p := range s.proxies {
			p.close()
		}
	}
	for _, h := range r.hosts {
		if h.cmd != nil {
			h.kill()
		}
		h.log.Close()
	}
	if r.nodes != nil {
		r.nodes.close()
	}
}

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chat/relay/client"
)

// A run is one proof, from an empty folder to the report.
type run struct {
	*options
	dir     string
	self    string // this program
	host    *host
	disk    *disk
	seats   []*seat
	strikes strikes
	verdict *verdict
	began   time.Time

	cancel context.CancelCauseFunc
}

// runProof runs and reports. The folder stays if anything was wrong.
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
	r.strikes.done, r.strikes.skipped = make(map[string]int), make(map[string]string)
	err = r.run(ctx)
	if err != nil {
		r.verdict.problem("%v", err)
		fmt.Fprintf(os.Stderr, "chaos: seed %d: %v\n", o.seed, err)
	}
	if !r.verdict.good() {
		r.keepHistory()
		fmt.Printf("all of it is kept in %s\n", dir)
		return errTold
	}
	if o.dir == "" {
		return errors.Join(r.disk.close(), os.RemoveAll(dir))
	}
	return nil
}

// run does everything but say where it is kept.
func (r *run) run(ctx context.Context) error {
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	if err := r.prepare(ctx); err != nil {
		return err
	}
	defer r.leave()
	if err := r.open(ctx); err != nil {
		return err
	}
	go r.watch(ctx)
	mortals, all := r.targets()
	plan := newPlan(r.options, mortals, all)
	if err := r.notePlan(plan); err != nil {
		return err
	}
	r.strikeAll(ctx, plan)
	r.heal()
	if err := r.finish(ctx); err != nil {
		if ctx.Err() != nil {
			return err
		}
		r.verdict.problem("%v", err) // what is there can be compared all the same
		r.dismiss()
	}
	if err := r.host.stop(); err != nil {
		return err
	}
	return r.judge()
}

// fail ends the run.
func (r *run) fail(err error) { r.cancel(err) }

// prepare builds the program and makes the folder.
func (r *run) prepare(ctx context.Context) (err error) {
	if r.self, err = os.Executable(); err != nil {
		return err
	}
	program := filepath.Join(r.dir, "chat")
	if err := buildHost(ctx, program, filepath.Join(r.dir, "sources"), r.bug); err != nil {
		return err
	}
	if r.disk, err = newDisk(filepath.Join(r.dir, "disk"), r.messages); err != nil {
		return err
	}
	r.host, err = newHost(r.dir, program, filepath.Join(r.disk.dir, "history.db"), address(0))
	return err
}

// open starts the host and all clients, and waits until they are in.
func (r *run) open(ctx context.Context) error {
	if err := r.host.start(); err != nil {
		return err
	}
	if err := r.host.awaitOpen(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, r.host.lastWords())
	}
	if err := r.setTable(); err != nil {
		return err
	}
	for _, s := range r.seats {
		if err := s.sitDown(); err != nil {
			return err
		}
	}
	for _, s := range r.seats {
		p := s.now()
		select {
		case <-p.in.up:
		case <-p.exited.up:
			return fmt.Errorf("%s ended: %s", p.label, r.wordsOf(p))
		case <-time.After(20 * time.Second):
			return fmt.Errorf("%s does not get in", p.label)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (r *run) notePlan(plan []fault) error {
	f, err := os.Create(filepath.Join(r.dir, "plan"))
	if err != nil {
		return err
	}
	fmt.Fprintf(f, "seed %d\n", r.seed)
	writePlan(f, plan)
	return f.Close()
}

// watch looks whether all live who should, and tells how far it is.
func (r *run) watch(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if r.host.turn.TryLock() {
			died := r.host.diedByItself()
			r.host.turn.Unlock()
			if died {
				r.fail(fmt.Errorf("%w: %s", errDied, r.host.lastWords()))
				return
			}
		}
		if n%50 == 0 {
			fmt.Fprintf(os.Stderr, "%6.0f s  %8d messages  %4d faults\n", time.Since(r.began).Seconds(), r.acked(), r.strikes.total())
		}
	}
}

// acked is how many messages the host has, as far as the clients told.
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

// heal ends whatever may still be wrong.
func (r *run) heal() {
	r.disk.free()
	for _, s := range r.seats {
		s.proxy.allow()
		s.proxy.truncate(true, whole)
		s.proxy.truncate(false, whole)
	}
}

// finish lets all say what they have left, then shows all of them a last message, and
// sends them home.
func (r *run) finish(ctx context.Context) error {
	if err := r.await(ctx, "finish", func(s *seat, p *process) bool { return s.quota == 0 || p.done.isUp() }); err != nil {
		return err
	}
	for _, s := range r.seats {
		if s.mortal {
			fmt.Fprintln(s.now().stdin, wordStop)
		}
	}
	if err := r.await(ctx, "finish", func(s *seat, p *process) bool { return s.role == listens || p.done.isUp() }); err != nil {
		return err
	}
	if err := r.sayLast(ctx); err != nil {
		return err
	}
	if err := r.await(ctx, "be shown the last message", func(s *seat, p *process) bool { return s.role != talks || p.ended.isUp() }); err != nil {
		return err
	}
	for _, s := range r.seats {
		s.now().stdin.Close()
	}
	return r.await(ctx, "leave", func(s *seat, p *process) bool { return p.exited.isUp() })
}

// await waits until ready says so of every seat, as long as those of whom it does not
// make progress: others may talk for ever.
func (r *run) await(ctx context.Context, what string, ready func(s *seat, p *process) bool) error {
	before, since := int64(-1), time.Now()
	for {
		var late []string
		acked := int64(0)
		for _, s := range r.seats {
			p := s.now()
			if ready(s, p) {
				continue
			}
			if late = append(late, p.label); p.exited.isUp() {
				return fmt.Errorf("%s ended: %s", p.label, r.wordsOf(p))
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
			return fmt.Errorf("for %v nothing goes on; these do not %s: %s", r.patience, what, strings.Join(late, ", "))
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sayLast says the message by which all know that they were shown everything.
func (r *run) sayLast(ctx context.Context) error {
	c, err := client.Join(ctx, client.Options{Addr: r.host.addr, Nick: lastLabel, Backlog: -1})
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

// wordsOf is what a process complained of.
func (r *run) wordsOf(p *process) string {
	b, _ := os.ReadFile(filepath.Join(r.dir, p.label+".err"))
	return fmt.Sprintf("%v: %.500s", p.cmd.ProcessState, strings.TrimSpace(string(b)))
}

// dismiss ends all clients that still run.
func (r *run) dismiss() {
	for _, s := range r.seats {
		if p := s.now(); !p.exited.isUp() {
			p.killed.Store(true)
			p.cmd.Process.Kill()
			<-p.exited.up
		}
	}
}

// leave ends all that runs.
func (r *run) leave() {
	for _, s := range r.seats {
		for _, p := range s.lives {
			p.cmd.Process.Kill()
			<-p.exited.up
		}
		s.proxy.close()
	}
	if r.host.cmd != nil {
		r.host.kill()
	}
	r.host.log.Close()
}

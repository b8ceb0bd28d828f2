//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// judge compares all records with the output of `chat history` and prints a report.
func (r *run) judge() error {
	duration := time.Since(r.began)
	printed := filepath.Join(r.dir, "history.jsonl")
	if err := r.printHistory(r.hosts[0].history, printed); err != nil {
		return err
	}
	a, err := readArchive(printed, r.verdict)
	if err != nil {
		return err
	}
	if r.cluster {
		if err := r.compareHistories(printed); err != nil {
			return err
		}
	}
	var lives []life
	for _, s := range r.seats {
		for _, p := range s.lives {
			l := p.life
			l.finished, l.stayedToEnd = p.done.isSet(), p.sawLast.isSet()
			if p.exited.isSet() && !p.killed.Load() && p.cmd.ProcessState.ExitCode() != 0 {
				r.verdict.problem("%s ended: %s", p.label, r.errorOutput(p))
			}
			lives = append(lives, l)
		}
	}
	c, err := checkAll(a, lives, r.verdict)
	if err != nil {
		return err
	}
	if moved := r.counts.done[moveClock]; moved > 1 && !r.cluster && a.maxClockJump < time.Minute {
		r.verdict.problem("the clock was moved %d times, but no two messages are more than %v apart: does the host use the clock of the overlay?", moved, a.maxClockJump)
	}
	r.report(os.Stdout, a, c, duration)
	return nil
}

// printHistory writes the output of `chat history` for a file to another one.
func (r *run) printHistory(history, to string) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(r.program, "history", history, "--json", "--private")
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("chat history: %w", err)
	}
	return out.Close()
}

func (r *run) report(w io.Writer, a *archive, c *checker, duration time.Duration) {
	fmt.Fprintf(w, "seed %d: in %v %d clients sent %d public and %d private messages\n",
		r.seed, duration.Round(time.Second), r.clients, a.publicCount(), a.privates)
	fmt.Fprintf(w, "  compared with the history in %v: %d records with %d messages shown, of those %d acknowledgements\n",
		(time.Since(r.began) - duration).Round(time.Second), c.recordCount, c.shownCount, c.ackedCount)
	fmt.Fprintf(w, "  %-11s %5d\n", "faults", r.counts.total())
	for _, kind := range r.kindNames() {
		if n := r.counts.done[kind]; n > 0 {
			fmt.Fprintf(w, "    %-11s %5d\n", kind, n)
		}
		if why := r.counts.skipped[kind]; why != "" {
			fmt.Fprintf(w, "    %-11s skipped: %s\n", kind, why)
		}
	}
	for _, what := range []string{killInCommit, killStarting, startedFull, startedAlone, quitWithoutNodes} {
		if n := r.counts.done[what]; n > 0 {
			fmt.Fprintf(w, "    a host %s (%d×)\n", what, n)
		}
	}
	for _, what := range r.compared {
		fmt.Fprintf(w, "  the same at %s\n", what)
	}
	for _, code := range slices.Sorted(maps.Keys(c.rejected)) {
		fmt.Fprintf(w, "  %d messages were rejected as %s\n", c.rejected[code], code)
	}
	r.verdict.print(w)
}

// keepHistory copies the history off the disk, which disappears when this process ends.
func (r *run) keepHistory() {
	if r.disk == nil || r.disk.cannotFill != "" {
		return
	}
	if out, err := exec.Command("cp", "-r", r.disk.dir, filepath.Join(r.dir, "history")).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "chaos: keep the history: %v: %s\n", err, out)
	}
}

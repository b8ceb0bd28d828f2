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

// judge reads the file as `chat history` prints it, compares all records with it, and
// reports.
func (r *run) judge() error {
	talked := time.Since(r.began)
	printed := filepath.Join(r.dir, "history.jsonl")
	if err := r.printHistory(printed); err != nil {
		return err
	}
	a, err := readArchive(printed, r.verdict)
	if err != nil {
		return err
	}
	var lives []life
	for _, s := range r.seats {
		for _, p := range s.lives {
			l := p.life
			l.finished, l.hears = p.done.isUp(), p.ended.isUp()
			if p.exited.isUp() && !p.killed.Load() && p.cmd.ProcessState.ExitCode() != 0 {
				r.verdict.problem("%s ended: %s", p.label, r.wordsOf(p))
			}
			lives = append(lives, l)
		}
	}
	c, err := checkAll(a, lives, r.verdict)
	if err != nil {
		return err
	}
	if moved := r.strikes.done[moveClock]; moved > 1 && a.jump < time.Minute {
		r.verdict.problem("the clock was moved %d times, and no two messages are more than %v apart: does the host read the clock of the overlay?", moved, a.jump)
	}
	r.report(os.Stdout, a, c, talked)
	return nil
}

// printHistory lets `chat history` write the whole file.
func (r *run) printHistory(to string) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(r.host.program, "history", r.host.history, "--json", "--private")
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("chat history: %w", err)
	}
	return out.Close()
}

func (r *run) report(w io.Writer, a *archive, c *check, talked time.Duration) {
	fmt.Fprintf(w, "seed %d: in %v %d clients said %d messages to all and %d to one\n",
		r.seed, talked.Round(time.Second), r.clients, a.messages(), a.private)
	fmt.Fprintf(w, "  compared with the file in %v: %d records with %d messages shown, of them %d acknowledgements\n",
		(time.Since(r.began) - talked).Round(time.Second), c.records, c.shown, c.acked)
	fmt.Fprintf(w, "  %-11s %5d\n", "faults", r.strikes.total())
	for _, kind := range kindNames() {
		if n := r.strikes.done[kind]; n > 0 {
			fmt.Fprintf(w, "    %-11s %5d\n", kind, n)
		}
		if why := r.strikes.skipped[kind]; why != "" {
			fmt.Fprintf(w, "    %-11s skipped: %s\n", kind, why)
		}
	}
	for _, what := range []string{killInCommit, killStarting, startedFull} {
		if n := r.strikes.done[what]; n > 0 {
			fmt.Fprintf(w, "    %d times the host %s\n", n, what)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(c.refused)) {
		fmt.Fprintf(w, "  %d messages were refused as %s\n", c.refused[code], code)
	}
	r.verdict.print(w)
}

// keepHistory copies the files of the history out of the disk, which ends with us.
func (r *run) keepHistory() {
	if r.disk == nil || r.disk.absent != "" {
		return
	}
	if err := os.CopyFS(filepath.Join(r.dir, "history"), os.DirFS(r.disk.dir)); err != nil {
		fmt.Fprintln(os.Stderr, "chaos: keep the history:", err)
	}
}

//go:build linux

package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"chat/scripts/chattest"
)

// build returns the program, for a test that runs beside others.
func build(t *testing.T) (program string) {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes some twenty seconds")
	}
	chattest.NeedTools(t, "go")
	chattest.NoticeSources(t, "../..")
	program = filepath.Join(t.TempDir(), "chaos") // without the race detector, which the talk of twenty does not need
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build chaos: %v\n%s", err, out)
	}
	return program
}

// prove does a run in a process of its own, and returns what it reports.
func prove(t *testing.T, program string, args ...string) (report string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	return string(out), err
}

// Twenty talk while all kinds of faults happen, and all comes out well.
func TestShortRun(t *testing.T) {
	if _, err := prove(t, build(t)); err != nil {
		t.Error(err)
	}
}

// A host that does not know what it has already must be found out.
func TestFindsDoubles(t *testing.T) {
	report, err := prove(t, build(t), "--bug", acceptsDuplicates, "--only", "delay,reset,cut", "--messages", "8000", "--faults", "20", "--kills", "5", "--duration", "6s", "--patience", "15s", "--dir", filepath.Join(t.TempDir(), "run"))
	if err == nil || !regexp.MustCompile(`doubled +[1-9]`).MatchString(report) {
		t.Errorf("no double was found (%v)", err)
	}
}

// A host that does not wait for the disk must be found out. A kill has to meet the moment
// between what it tells and what it writes: most runs have one, and of three at least one.
func TestFindsLosses(t *testing.T) {
	program := build(t)
	for range 3 {
		report, err := prove(t, program, "--bug", acksBeforeCommit, "--only", "full-disk", "--messages", "6000", "--faults", "13", "--kills", "12", "--duration", "12s", "--patience", "6s", "--dir", filepath.Join(t.TempDir(), "run"))
		if err != nil && strings.Contains(report, "not in the file") {
			return
		}
	}
	t.Error("no loss was found")
}

//go:build linux

package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"chat/scripts/chattest"
	"chat/scripts/natsserver"
)

// build builds this program for a test that runs in parallel with others.
func build(t *testing.T) (program string) {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		t.Skip("takes twenty seconds")
	}
	chattest.NeedTools(t, "go")
	chattest.NoticeSources(t, "../..")
	program = filepath.Join(t.TempDir(), "chaos") // without the race detector, which twenty clients do not need
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build chaos: %v\n%s", err, out)
	}
	return program
}

// prove does a run in a process of its own and returns its report.
func prove(t *testing.T, program string, args ...string) (report string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	return string(out), err
}

// Twenty clients send messages during faults of all kinds, and no message is lost,
// duplicated or reordered.
func TestShortRun(t *testing.T) {
	if _, err := prove(t, build(t)); err != nil {
		t.Error(err)
	}
}

// Ten clients of a sealed room get all messages, although its invite is replaced meanwhile. So few that the old secrets of those away
// do not lock out this machine, if the host has forgotten in a crash that they were valid.
func TestShortSealedRun(t *testing.T) {
	if _, err := prove(t, build(t), "--secure", "--clients", "10", "--messages", "3000", "--faults", "17", "--kills", "3", "--duration", "9s"); err != nil {
		t.Error(err)
	}
}

// A run finds a host that adds a resent message to the log again. Acknowledgements do not
// arrive for a time, so that clients have messages to resend.
func TestFindsDuplicates(t *testing.T) {
	report, err := prove(t, build(t), "--bug", acceptsDuplicates, "--only", oneWay, "--seed", "1", "--messages", "2000", "--faults", "8", "--kills", "0", "--duration", "5s", "--patience", "15s", "--dir", filepath.Join(t.TempDir(), "run"))
	if err == nil || !regexp.MustCompile(`doubled +[1-9]`).MatchString(report) {
		t.Errorf("no duplicate was found (%v)", err)
	}
}

// A run finds a host that acknowledges before it commits. Each kill follows an
// acknowledgement of a message that cannot be on disk; see killInCommit.
func TestFindsLosses(t *testing.T) {
	report, err := prove(t, build(t), "--bug", acksBeforeCommit, "--seed", "1", "--messages", "2000", "--faults", "3", "--kills", "3", "--duration", "6s", "--patience", "15s", "--dir", filepath.Join(t.TempDir(), "run"))
	if err == nil || !regexp.MustCompile(`lost +[1-9]`).MatchString(report) || !strings.Contains(report, "not in the file") {
		t.Errorf("no loss was found (%v)", err)
	}
}

// Twenty clients in a room that three hosts share move between them, while hosts, NATS servers and the connections of both
// fail, and all hosts end with the same events.
func TestShortClusterRun(t *testing.T) {
	program := build(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if _, err := natsserver.Binary(ctx); err != nil {
		chattest.Missing(t, "no nats-server: "+err.Error())
	}
	if _, err := prove(t, program, "--cluster", "--messages", "5000", "--faults", "24", "--kills", "4", "--duration", "25s"); err != nil {
		t.Error(err)
	}
}

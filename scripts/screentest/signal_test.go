package screentest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"chat/scripts/chattest"
)

// signalProcess sends a signal to a process that the test started.
func signalProcess(t *testing.T, pid string, s syscall.Signal) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(n)
	if err != nil {
		t.Fatal(err)
	}
	p.Signal(s)
}

// signalChild sends a signal to the program that the terminal's shell runs.
func signalChild(t *testing.T, term *terminal, s syscall.Signal) {
	t.Helper()
	pid := strings.TrimSpace(term.Tmux("display-message", "-p", "#{pane_pid}"))
	out, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%[1]s/children", pid))
	if err != nil {
		chattest.Missing(t, fmt.Sprintf("cannot find the process of the program: %v", err))
	}
	for _, child := range strings.Fields(string(out)) {
		signalProcess(t, child, s)
	}
}

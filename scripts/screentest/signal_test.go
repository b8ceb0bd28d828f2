package screentest

import (
	"os"
	"strconv"
	"syscall"
	"testing"
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

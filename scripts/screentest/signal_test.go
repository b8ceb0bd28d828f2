package screentest

import (
	"os"
	"strconv"
	"syscall"
	"testing"
)

// terminate sends SIGTERM to a process that the test started.
func terminate(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := os.FindProcess(n)
	if err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGTERM)
}

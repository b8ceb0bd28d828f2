//go:build unix

package browsertest_test

import (
	"path/filepath"
	"syscall"
	"testing"
)

// The page says that the host restarts, and is back without a word of a lost connection.
func TestHostRestarts(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "socket")) // as under a service manager
	h := startHost(t, "--history", filepath.Join(t.TempDir(), "kitchen.chat"))
	alice := h.member("alice", 1280, 800)
	alice.send("before")
	alice.waitFor("before")
	alice.run(`window.states = []; new MutationObserver(() => states.push(document.getElementById("connection").textContent)).observe(document.getElementById("connection"), { childList: true, characterData: true, subtree: true })`)
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Wait(); err != nil {
		t.Error(err)
	}
	h.start()
	alice.wait(`states.length > 0 && states[0].startsWith("The host restarts")`)
	alice.connected()
	bob := h.program("bob")
	alice.send("after")
	bob.waitFor("after")
}

//go:build unix

package supervisor

import (
	"fmt"
	"os"
	"syscall"
)

// hangupReloads: SIGHUP can ask the program to reload.
const hangupReloads = true

// hasTerminal reports whether this process has a controlling terminal, from whose end SIGHUP can be.
func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	tty.Close()
	return true
}

// IsJournal reports whether f is a stream to systemd's journal: JOURNAL_STREAM names that stream, see
// systemd.exec(5).
func IsJournal(f *os.File) bool {
	stream := os.Getenv("JOURNAL_STREAM")
	if stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

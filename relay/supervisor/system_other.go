//go:build !unix

package supervisor

import "os"

// hangupReloads: on Windows SIGHUP is always from the end of the console.
const hangupReloads = false

// checkPassed does nothing: here no service manager passes sockets.
func checkPassed() error { return nil }

func hasTerminal() bool { return false }

// IsJournal reports whether f is a stream to systemd's journal.
func IsJournal(*os.File) bool { return false }

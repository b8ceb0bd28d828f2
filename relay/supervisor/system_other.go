//go:build !unix

package supervisor

import "os"

// hangupReloads: on Windows SIGHUP is always from the end of the console.
const hangupReloads = false

func hasTerminal() bool { return false }

// IsJournal reports whether what is written to f goes to systemd's journal.
func IsJournal(*os.File) bool { return false }

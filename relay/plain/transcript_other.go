//go:build !unix

package plain

import "os"

// openToAppend opens the file at path, or creates it.
func openToAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
}

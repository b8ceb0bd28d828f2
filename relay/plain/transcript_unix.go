//go:build unix

package plain

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// openToAppend opens the file at path, or creates it. A named pipe without a reader is errNoReader:
// opening it would wait, and hear no signal meanwhile.
func openToAppend(path string) (*os.File, error) {
	flag := os.O_APPEND | os.O_CREATE | os.O_WRONLY
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		flag |= syscall.O_NONBLOCK
	}
	f, err := os.OpenFile(path, flag, 0o600)
	if flag&syscall.O_NONBLOCK != 0 && errors.Is(err, syscall.ENXIO) {
		return nil, errNoReader
	}
	return f, err
}

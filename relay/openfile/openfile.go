// Package openfile opens files that a user names, which may be something else: a named pipe, a terminal, the output of another
// program as in --config <(COMMAND).
package openfile

import (
	"os"
	"time"
)

// patience bounds how long a reader waits for the program at the other end of a pipe.
const patience = time.Minute

// Open opens a file to read it. A named pipe without a writer is empty: [os.Open] would wait for one, perhaps forever and without a
// chance to interrupt it. Reading from another program fails after a minute with [os.ErrDeadlineExceeded].
func Open(path string) (*os.File, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	f.SetReadDeadline(time.Now().Add(patience)) // fails for files on a disk, which need none
	return f, nil
}

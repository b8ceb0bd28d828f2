// Package privatefile reads and writes files that only the user may read: keys, secrets,
// identities.
package privatefile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"chat/relay/openfile"
)

// lockWait is how long another process may take to change a folder. It takes milliseconds,
// unless its disk does not answer.
const lockWait = time.Second

// tempPrefix starts the names of files that are being written.
const tempPrefix = "new-"

// Enter creates the folder dir if necessary, makes it private, and keeps other processes that
// call Enter from changing it until unlock is called.
func Enter(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil { // it may be older than we are
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	if _, err := lock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		lock.Close()
		return nil, fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	return func() { lock.Close() }, nil
}

// Replace writes a file that only the user can read. A crash leaves the old or the new one, and
// perhaps a file that [IsLeftover] recognizes. The caller has entered the folder, if other processes write the file too.
func Replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), tempPrefix+"*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// IsLeftover reports whether name is that of a file that Replace was writing during a crash, if
// no other process is in the folder.
func IsLeftover(name string) bool {
	return name != tempPrefix && strings.HasPrefix(name, tempPrefix)
}

// A ModeError is the error of a file whose mode is wrong: others may read it, or its owner may
// not.
type ModeError struct {
	Path string
	Mode fs.FileMode
}

func (e *ModeError) Error() string { return e.Problem() + "\nhint: " + e.Fix() }

// Problem says what is wrong with the file.
func (e *ModeError) Problem() string {
	if e.Mode&0o400 == 0 {
		return fmt.Sprintf("%s has mode %04o: you cannot read it", e.Path, e.Mode)
	}
	return fmt.Sprintf("%s has mode %04o: other users can read it", e.Path, e.Mode)
}

// Fix returns the command that corrects the mode.
func (e *ModeError) Fix() string { return "chmod 600 " + e.Path }

// ErrTooLong is the error of a file that is longer than the caller of Read allows.
var ErrTooLong = errors.New("the file is too long")

// Read reads a file of at most limit bytes. If others may read it too, or its owner may not, the
// error is a [*ModeError]. On Windows the mode says nothing about other users, and is not checked.
func Read(path string, limit int64) ([]byte, error) {
	f, err := openfile.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, denied(path, err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() { // chmod 600 would not help
		return nil, fmt.Errorf("%s is a directory", path)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o477 != 0o400 {
		return nil, &ModeError{path, mode}
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("read %s: %w", path, ErrTooLong)
	}
	return b, err
}

// denied explains why a file cannot be opened.
func denied(path string, err error) error {
	info, statErr := os.Stat(path)
	switch {
	case errors.Is(statErr, fs.ErrPermission):
		return fmt.Errorf("%w\nhint: its folder belongs to another user, such as the one of a service: do it as that user, or as root with sudo", err)
	case statErr != nil:
		return err
	}
	if mode := info.Mode().Perm(); mode&0o400 == 0 {
		return &ModeError{path, mode}
	}
	return fmt.Errorf("%w\nhint: it belongs to another user, perhaps because chat ran as root once: sudo chown \"$USER\" %s", err, path)
}

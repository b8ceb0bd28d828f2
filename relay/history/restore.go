package history

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"chat/relay/privatefile"
)

// besides are the ends of the names of files that SQLite keeps beside a database. Those of another database would be
// read as part of a restored one.
var besides = []string{"-wal", "-shm"}

// Restore puts a copy of the history in the file from in the place of the file to, which no host may have open. The new
// file has the owner that ownAs gives it. The old file is
// renamed to kept, with what SQLite has beside it; "": there was none. After an error the old file is where it was,
// or at kept.
func Restore(ctx context.Context, from, to string, now time.Time, progress Progress) (kept string, err error) {
	if target, err := filepath.EvalSymlinks(to); err == nil {
		to = target // as OpenFile does
	}
	kept, err = restore(ctx, from, to, now, progress)
	if err != nil {
		err = fmt.Errorf("restore history %s from %s: %w", to, from, fileError(err))
	}
	return kept, err
}

func restore(ctx context.Context, from, to string, now time.Time, progress Progress) (kept string, err error) {
	if err := checkReplaceable(from, to); err != nil {
		return "", err
	}
	lock := flock.New(to + ".lock")
	locked, err := lock.TryLock()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if !locked {
		return "", ErrInUse
	}
	copied := fmt.Sprintf("%s.%s.restored", to, now.UTC().Format("20060102T150405"))
	if err := backup(ctx, from, copied, progress); err != nil {
		return "", err
	}
	if err := errors.Join(ownAs(copied, to), ownAs(to+".lock", to)); err != nil {
		return "", errors.Join(err, os.Remove(copied))
	}
	if kept, err = setAside(to, now); err == nil {
		err = os.Rename(copied, to)
	}
	if err != nil {
		return kept, errors.Join(err, privatefile.Remove(copied))
	}
	return kept, privatefile.SyncFolder(filepath.Dir(to))
}

// checkReplaceable refuses a backup that is not a history, and a file to that is not a plain file, or the backup itself.
func checkReplaceable(from, to string) error {
	if err := checkExists(from); err != nil {
		return err
	}
	backup, err := os.Stat(from)
	if err != nil {
		return err
	}
	switch old, err := os.Stat(to); {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !old.Mode().IsRegular():
		return ErrNotHistory
	case os.SameFile(backup, old):
		return errors.New("both are the same file")
	}
	return nil
}

// setAside renames the file at path, and what SQLite has beside it, to names that are not taken. kept is that of the
// file; "": there is none.
func setAside(path string, now time.Time) (kept string, err error) {
	to := fmt.Sprintf("%s.%s.replaced", path, now.UTC().Format("20060102T150405"))
	if _, err := os.Lstat(to); err == nil {
		return "", fmt.Errorf("%s: %w", to, ErrExists)
	}
	// First the files beside it: a crash in between leaves no file that a host would read with the wrong one.
	for _, end := range append(besides, "") {
		switch err := os.Rename(path+end, to+end); {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return "", err
		case end == "":
			kept = to
		}
	}
	return kept, nil
}

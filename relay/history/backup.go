package history

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"modernc.org/sqlite"

	"chat/relay/privatefile"
)

// ErrExists is the error of a new file whose name is taken.
var ErrExists = fs.ErrExist

const (
	// backupStep is how many pages of 4 KiB are copied between looks at the context.
	backupStep = 64

	// backupSync is after how many steps the copy is written to the disk. All of it at once could
	// hold up the commits of a host on the same disk.
	backupSync = 64
)

// Progress is called during long work with how much of it is done, and how much there is: bytes or
// events. nil: it is not called.
type Progress func(done, all int64)

func (p Progress) report(done, all int64) {
	if p != nil {
		p(done, all)
	}
}

// Backup copies the history in the file from, as it is at this moment, to a new file, which only
// its owner can read. Another process may host on it meanwhile, but not this one: see
// [File.Backup]. The new file is complete, or there is none: it has another name,
// to.*.partial, until it is on disk. The error wraps [ErrExists] if to is taken, another error of this package, or
// one of the system.
func Backup(ctx context.Context, from, to string, progress Progress) error {
	err := backup(ctx, from, to, progress)
	if err != nil {
		return fmt.Errorf("back up history %s to %s: %w", from, to, fileError(err))
	}
	return nil
}

func backup(ctx context.Context, from, to string, progress Progress) error {
	if err := checkExists(from); err != nil {
		return err
	}
	db, err := openToRead(from)
	if err != nil {
		return err
	}
	return errors.Join(copyDatabase(ctx, db, to, progress), db.Close())
}

// Backup is the function [Backup] for an open file, also while there is a log on it. It may be called
// by any goroutine, until Close. Meanwhile the write-ahead log grows.
func (f *File) Backup(ctx context.Context, to string, progress Progress) error {
	f.copying.Add(1)
	defer f.copying.Add(-1)
	db, err := openReaders(f.path, 1)
	if err == nil {
		err = errors.Join(copyDatabase(ctx, db, to, progress), db.Close())
	}
	if err != nil {
		return fmt.Errorf("back up history %s to %s: %w", f.path, to, fileError(err))
	}
	return nil
}

// copyDatabase copies a database to a new file.
func copyDatabase(ctx context.Context, db *sql.DB, to string, progress Progress) error {
	return privatefile.Create(to, func(partial *os.File) error {
		if err := copyPages(ctx, db, partial, progress); err != nil {
			return err
		}
		return checkCopy(partial.Name())
	})
}

// copyPages copies all pages of a database to partial, which is empty. It reads one snapshot: events that
// are written meanwhile are not in the copy, and their writer does not wait.
func copyPages(ctx context.Context, db *sql.DB, partial *os.File, progress Progress) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// Without a transaction, each commit of the host would make SQLite start again. Reading begins it.
	var version int
	if _, err := conn.ExecContext(ctx, `BEGIN`); err != nil {
		return err
	}
	if err := conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	uri, err := databaseURI(partial.Name(), url.Values{"mode": {"rw"}, "_pragma": {"journal_mode(OFF)", "synchronous(OFF)"}})
	if err != nil {
		return err
	}
	return conn.Raw(func(driverConn any) error {
		source, ok := driverConn.(interface {
			NewBackup(uri string) (*sqlite.Backup, error)
		})
		if !ok {
			return fmt.Errorf("the SQLite driver %T cannot back up", driverConn)
		}
		b, err := source.NewBackup(uri)
		if err != nil {
			return err
		}
		err = stepThrough(ctx, b, partial, progress)
		return cmp.Or(err, b.Finish()) // which repeats an error of a step
	})
}

func stepThrough(ctx context.Context, b *sqlite.Backup, partial *os.File, progress Progress) error {
	const pageSize = 4096 // about: only for progress
	for step := 1; ; step++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		more, err := b.Step(backupStep)
		if err != nil {
			return err
		}
		progress.report(int64(b.PageCount()-b.Remaining())*pageSize, int64(b.PageCount())*pageSize)
		if !more {
			return nil
		}
		if step%backupSync == 0 {
			if err := partial.Sync(); err != nil {
				return err
			}
		}
	}
}

// checkCopy opens a copy as a host would, and does not change it.
func checkCopy(path string) error {
	if err := checkExists(path); err != nil {
		return err
	}
	db, err := openDB(path, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		return err
	}
	defer db.Close()
	f := &File{path: path}
	if f.writer, err = db.Conn(context.Background()); err != nil {
		return err
	}
	defer f.writer.Close()
	if err := checkSchema(f.writer); err != nil {
		return err
	}
	if err := f.checkNumbers(); err != nil {
		return err
	}
	var size int64
	if err := f.queryRow(`SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`, &size); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() != size {
		err = fmt.Errorf("%w: the copy has %d bytes, not %d", ErrDamaged, info.Size(), size)
	}
	return err
}

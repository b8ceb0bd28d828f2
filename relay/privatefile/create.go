package privatefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Create creates the file at path with what write writes to partial, a file of another name beside it. Only
// the user can read both. Write may also write to the file by its name, and must have closed it then. A crash
// leaves the whole file, or none and perhaps one named path.*.partial. After an error there is neither. No
// file is replaced: the error is [fs.ErrExist].
func Create(path string, write func(partial *os.File) error) error {
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist // the last step finds it too, but late
	}
	partial, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.partial") // with mode 0600
	if err != nil {
		return err
	}
	err = write(partial)
	if err == nil {
		err = partial.Sync()
	}
	if err = errors.Join(err, partial.Close()); err == nil {
		err = renameNew(partial.Name(), path)
	}
	if err != nil {
		return errors.Join(err, Remove(partial.Name()))
	}
	return SyncFolder(filepath.Dir(path))
}

// Remove removes a file, which need not exist.
func Remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// renameNew renames a file and replaces none.
func renameNew(from, to string) error {
	switch err := os.Link(from, to); {
	case err == nil:
		return os.Remove(from)
	case errors.Is(err, fs.ErrExist):
		return fs.ErrExist
	}
	// The file system has no hard links, like that of a USB stick.
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// SyncFolder waits until the entries of a folder are on disk, if the user can read it.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return nil // we may write to it, but not list it
	}
	folder.Sync() // not possible on every system
	return folder.Close()
}

package files

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"chat/relay/wire"
)

// This file is what operators can do: remove files, and turn uploads off.

// offName is a file in a folder that stays: while it is there, uploads are off.
const offName = ".off"

// numbered returns the published file with a number. The error is [ErrClosed], [ErrRemoved] or [ErrGone].
func (s *Store) numbered(number uint64) (file, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[number]
	switch {
	case s.closed:
		return file{}, ErrClosed
	case s.removed[number]:
		return file{}, ErrRemoved
	case !ok:
		return file{}, ErrGone
	}
	return f, nil
}

// Remove deletes a published file and returns it. Its number is not used again. The error is
// [ErrGone] or [ErrRemoved] if there is none, or that of the disk.
func (s *Store) Remove(number uint64) (wire.File, error) {
	if s.shared != nil {
		return s.removeShelved(number)
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	f, err := s.numbered(number)
	if err != nil {
		return wire.File{}, err
	}
	if s.index != nil { // first, so that a host that is killed meanwhile deletes the file at its next start
		if err := s.index.remove(number); err != nil {
			return wire.File{}, fullOr(fmt.Errorf("remove file %d: %w", number, err))
		}
	}
	s.mu.Lock()
	s.removed[number] = true
	s.forgetFileLocked(number)
	s.mu.Unlock()
	if err := s.root.Remove(f.diskName()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f.File, fmt.Errorf("delete file %d: %w", number, err)
	}
	return f.File, nil
}

// IsOff reports whether uploads are off.
func (s *Store) IsOff() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.off
}

// Allow turns uploads on or off. Turning them off cancels those that are not published. In a folder
// that stays they are still off after a restart.
func (s *Store) Allow(on bool) error {
	if s.shared != nil {
		return s.allowShelved(on)
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.turn(on)
	if s.temporary {
		return nil
	}
	var err error
	if on {
		err = s.root.Remove(offName)
	} else {
		err = s.root.WriteFile(offName, nil, 0o600)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fullOr(fmt.Errorf("remember whether uploads are on: %w", err))
	}
	return nil
}

// turn turns uploads on or off until the store is closed.
func (s *Store) turn(on bool) {
	s.mu.Lock()
	s.off = !on
	var uploads []*Upload
	if !on {
		uploads = slices.Collect(maps.Values(s.uploads))
	}
	s.mu.Unlock()
	for _, u := range uploads {
		u.Drop()
	}
}

package files

import (
	"fmt"
	"time"
)

// This file counts the space of files and uploads, for all together and for each address.

// A usage counts the files and uploads of an address.
type usage struct {
	uploads int   // that are not published
	files   int   // published ones
	bytes   int64 // of both
}

// chargeLocked adds more, which may be negative, to what all and address take.
func (s *Store) chargeLocked(address string, more usage) {
	s.held += more.bytes
	if address == "" {
		return
	}
	u := s.usage[address]
	u = usage{u.uploads + more.uploads, u.files + more.files, u.bytes + more.bytes}
	if u == (usage{}) {
		delete(s.usage, address)
		return
	}
	s.usage[address] = u
}

// fitsLocked returns the error for bytes more of a file from address, or nil.
func (s *Store) fitsLocked(address string, bytes int64) error {
	switch {
	case s.held+bytes > s.limits.MaxTotal:
		return ErrNoRoom
	case address != "" && s.usage[address].bytes+bytes > s.limits.Share:
		return ErrShare
	}
	return nil
}

const (
	// reservePiece is how many bytes an upload reserves at a time. It reserves nothing before some
	// have arrived: announcing a file costs its sender nothing.
	reservePiece = 8 << 20

	// emptyIdle is how long an upload without a byte is kept. Asking for its offset does not
	// extend that.
	emptyIdle = time.Minute
)

// admit adds u to the uploads, held by the caller, unless that exceeds a limit. If there are too many
// uploads, the oldest one without a byte gives way, and if there are too many files, the oldest
// empty one: both cost nothing to make.
func (s *Store) admit(u *Upload) error {
	if err := s.checkDisk(max(u.size, 0)); err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		s.mu.Lock()
		err := s.admitLocked(u)
		if err == nil {
			u.holdLocked(func() {})
		}
		idle, empty := s.idleLocked(u, err), s.emptyFileLocked(err)
		s.mu.Unlock()
		switch {
		case idle != nil && attempt < maxGiveWay:
			idle.Drop()
		case empty > 0 && attempt < maxGiveWay:
			s.deleteFile(empty)
		case err == errManyFiles:
			return ErrNoRoom
		default:
			return err
		}
	}
}

// maxGiveWay is how many uploads and files give way to one upload: others may be faster to take the
// place.
const maxGiveWay = 4

// errManyFiles is ErrNoRoom because of Limits.MaxFiles.
var errManyFiles = fmt.Errorf("%w: too many", ErrNoRoom)

// admitLocked is admit without a holder, and nothing gives way.
func (s *Store) admitLocked(u *Upload) error {
	of := s.usage[u.address]
	switch {
	case s.closed:
		return ErrClosed
	case s.off:
		return ErrOff
	case u.size > s.limits.MaxFile:
		return &TooLargeError{s.limits.MaxFile}
	case u.address != "" && of.uploads >= s.limits.PerAddress:
		return ErrBusy
	case u.address != "" && of.uploads+of.files >= max(s.limits.MaxFiles/4, s.limits.PerAddress):
		return ErrShare
	}
	switch err := s.fitsLocked(u.address, max(u.size, u.promised, 0)); {
	case err != nil:
		return err
	case len(s.uploads) >= s.limits.Uploads:
		return ErrBusy
	case len(s.files)+len(s.uploads) >= s.limits.MaxFiles:
		return errManyFiles
	}
	s.uploads[u.id] = u
	s.chargeLocked(u.address, usage{uploads: 1, bytes: u.promised})
	u.progress = time.Now()
	u.timer = time.AfterFunc(u.patienceLocked(), u.expire)
	return nil
}

// idleLocked returns the upload that gives way to one that admitLocked rejected with err; nil: none.
func (s *Store) idleLocked(rejected *Upload, err error) (oldest *Upload) {
	if err != ErrBusy || rejected.address != "" && s.usage[rejected.address].uploads >= s.limits.PerAddress {
		return nil
	}
	for _, u := range s.uploads {
		if u.holder == nil && !u.published && u.offset == 0 && (oldest == nil || u.progress.Before(oldest.progress)) {
			oldest = u
		}
	}
	return oldest
}

// emptyFileLocked returns the number of the file that gives way after the error err of admitLocked;
// 0: none.
func (s *Store) emptyFileLocked(err error) uint64 {
	if err != errManyFiles || s.shared != nil { // in a shared room, relays would have to agree on it
		return 0
	}
	for _, number := range s.numbers {
		if s.files[number].Size == 0 {
			return number
		}
	}
	return 0
}

// deleteFile deletes a published file that gives way to a new one. Its links stop working.
func (s *Store) deleteFile(number uint64) {
	s.mu.Lock()
	f, ok := s.files[number]
	s.forgetFileLocked(number)
	s.mu.Unlock()
	if !ok {
		return
	}
	if err := s.root.Remove(f.diskName()); err != nil {
		s.limits.Log.Warn("cannot delete a file", "file", f.diskName(), "error", err)
	}
}

// patienceLocked returns how long the upload is kept if it makes no more progress.
func (u *Upload) patienceLocked() time.Duration {
	idle := u.store.limits.Idle
	if u.offset == 0 {
		idle = min(idle, emptyIdle)
	}
	return max(time.Until(u.progress.Add(idle)), 0)
}

// reserve checks the limits for a file of size bytes, a part of which was not reserved yet.
func (u *Upload) reserve(size int64) error {
	s := u.store
	s.mu.Lock()
	known := size <= u.promised
	s.mu.Unlock()
	if !known {
		if err := s.checkDisk(reservePiece); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case u.dropped:
		return u.whyDroppedLocked()
	case size <= u.promised:
		return nil
	case size > s.limits.MaxFile:
		return &TooLargeError{s.limits.MaxFile}
	}
	ahead := min(u.promised+max(reservePiece, size-u.promised), s.limits.MaxFile)
	if u.size >= 0 {
		ahead = min(ahead, u.size)
	}
	if s.fitsLocked(u.address, ahead-u.promised) != nil {
		ahead = size // without a piece ahead it may fit
	}
	if err := s.fitsLocked(u.address, ahead-u.promised); err != nil {
		return err
	}
	u.promiseLocked(ahead)
	return nil
}

// promiseLocked sets how many bytes the upload has reserved.
func (u *Upload) promiseLocked(size int64) {
	u.store.chargeLocked(u.address, usage{bytes: size - u.promised})
	u.promised = size
}

// forgetLocked removes u from the uploads. Its holder deletes its files.
func (s *Store) forgetLocked(u *Upload) {
	u.dropped = true
	if s.uploads[u.id] != u {
		return
	}
	delete(s.uploads, u.id)
	u.timer.Stop()
	s.chargeLocked(u.address, usage{uploads: -1, bytes: -u.promised})
	u.promised = 0
}

package files

import (
	"fmt"

	"github.com/dustin/go-humanize"
)

// This file keeps uploads from filling the disk, on which the room's history may lie too.

// reservePercent is the part of the disk that stays free, if that is more than Limits.Reserve.
const reservePercent = 5

// A LowDiskError reports that the disk has too little free space for more uploads.
type LowDiskError struct{ Free, Reserve int64 } // bytes

func (e *LowDiskError) Error() string {
	return fmt.Sprintf("the host's disk is almost full: %s are free, and uploads stop below %s",
		humanize.IBytes(uint64(max(e.Free, 0))), humanize.IBytes(uint64(e.Reserve)))
}

// checkDisk returns a [*LowDiskError] if less than the reserve would be free after more bytes.
// It reads from the system, so the caller does not hold mu. If the system does not say how much is
// free, uploads continue until the disk is full.
func (s *Store) checkDisk(more int64) error {
	s.mu.Lock()
	reserve := s.limits.Reserve
	s.mu.Unlock()
	if reserve < 0 {
		return nil
	}
	free, total, err := s.space()
	if err != nil {
		s.limits.Log.Debug("the free space of the disk is unknown", "folder", s.folder, "error", err)
		return nil
	}
	reserve = max(reserve, total/100*reservePercent)
	isLow := free < reserve
	s.mu.Lock()
	changed := isLow != s.diskLow
	s.diskLow = isLow
	s.mu.Unlock()
	switch {
	case changed && isLow:
		s.limits.Log.Warn("uploads are rejected: the disk is almost full", "folder", s.folder, "free", free, "reserve", reserve)
	case changed:
		s.limits.Log.Info("uploads are accepted again", "folder", s.folder, "free", free)
	}
	if free-more < reserve {
		return &LowDiskError{free, reserve}
	}
	return nil
}

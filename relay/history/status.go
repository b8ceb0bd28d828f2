package history

import (
	"fmt"
	"os"
	"time"
)

// A Status says how a log does: whether its file takes what is written.
type Status struct {
	Durable bool          // it has a file; without one only Events is set
	Failing error         // why the file cannot be written, [ErrDiskFull] or [ErrWrite]; nil: it can
	Waiting time.Duration // how long nothing was written although something is pending; 0: nothing is
	Pending int           // events that are not on disk yet, without those being written
	Errors  uint64        // attempts to write that failed
	Events  uint64        // visible events that are kept, on disk or in memory
}

// Status returns the log's status. It does not wait for the disk.
func (l *Log) Status() Status {
	l.mu.Lock()
	next, events := l.next, uint64(l.events)
	l.mu.Unlock()
	c := l.committer
	if c == nil {
		return Status{Events: events}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status{Durable: true, Failing: c.failing, Pending: len(c.pending), Errors: c.errors, Events: next - min(next, c.file.oldest.Load())}
	if !c.pendingSince.IsZero() && c.failing == nil {
		s.Waiting = time.Since(c.pendingSince)
	}
	return s
}

// Size returns how many bytes the log's file and its write-ahead log have; 0 if the log is in memory. It asks
// the file system, which may have to wait for its disk.
func (l *Log) Size() (bytes int64, err error) {
	if l.committer == nil {
		return 0, nil
	}
	path := l.committer.file.path
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("size of the history: %w", err)
	}
	bytes = info.Size()
	if info, err := os.Stat(path + "-wal"); err == nil { // it is there while the file is open
		bytes += info.Size()
	}
	return bytes, nil
}

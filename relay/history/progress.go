package history

// A Progress says how far a log is with what waits to be written.
type Progress struct {
	settled uint64 // all tickets up to this one are on disk or rejected
	waits   bool   // something is pending although the disk is not at work
}

// Progress returns the log's progress. It takes the locks of the log for a moment.
func (l *Log) Progress() Progress {
	l.Next()
	if l.committer == nil {
		return Progress{}
	}
	c := l.committer
	c.mu.Lock()
	defer c.mu.Unlock()
	return Progress{c.settled, len(c.pending) > 0 && c.failing == nil && !c.atDisk.Load()}
}

// IsStuckSince reports whether nothing was written since an earlier Progress, although something was pending then and
// is now. A disk that hangs, or that cannot be written, is not the fault of the log.
func (p Progress) IsStuckSince(earlier Progress) bool {
	return p.waits && earlier.waits && p.settled == earlier.settled
}

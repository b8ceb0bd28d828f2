package history

// Pending says how far a log is with the events that wait for the disk.
type Pending struct {
	settled uint64 // all tickets up to this one are on disk or rejected
	waits   bool   // there are some although the disk is not at work
}

// Pending returns how far the log is. It takes the log's locks for a moment.
func (l *Log) Pending() Pending {
	l.Next()
	if l.committer == nil {
		return Pending{}
	}
	c := l.committer
	c.mu.Lock()
	defer c.mu.Unlock()
	return Pending{c.settled, len(c.pending) > 0 && c.failing == nil && !c.atDisk.Load()}
}

// IsStuckSince reports whether no event has been written since an earlier call of [Log.Pending], although there were pending
// ones then and now. It is false for a disk that hangs, or that cannot be written: that is not a fault of the log.
func (p Pending) IsStuckSince(earlier Pending) bool {
	return p.waits && earlier.waits && p.settled == earlier.settled
}

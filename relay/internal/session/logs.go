package session

import (
	"log/slog"
	"sync"
	"time"

	"chat/relay/internal/pace"
)

// Logs bound the log lines about connections that only come and go: 15,000 visits in ten
// seconds would otherwise be 30,000 lines. They are safe for concurrent use.
type Logs struct {
	mu      sync.Mutex // guards all below
	dues    pace.Dues
	skipped uint64 // lines since the last one that was written
}

// logQuota is how many lines each address group may cause.
var logQuota = pace.Quota{Burst: 60, Every: time.Second, BurstOfAll: 600, EveryOfAll: 100 * time.Millisecond}

// Allow reports whether a line about a connection of payer may be written now, and the
// attributes that say how many lines were left out before it. The lines of "", the host
// itself, always may.
func (l *Logs) Allow(payer string) (attrs []any, ok bool) {
	if payer == "" {
		return nil, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dues == nil {
		l.dues = make(pace.Dues)
	}
	now := time.Now()
	if logQuota.IsAhead(l.dues, payer, now) {
		l.skipped++
		return nil, false
	}
	logQuota.Count(l.dues, payer, now)
	if l.skipped > 0 {
		attrs = []any{slog.Uint64("skipped_lines", l.skipped)}
		l.skipped = 0
	}
	return attrs, true
}

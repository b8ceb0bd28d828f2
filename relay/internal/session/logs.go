package session

import (
	"log/slog"
	"sync"
	"time"
)

// Logs bound the log lines about connections that only come and go: 15,000 visits in ten
// seconds would otherwise be 30,000 lines. They are safe for concurrent use.
type Logs struct {
	mu      sync.Mutex // guards all below
	dues    Dues
	skipped uint64 // lines since the last one that was written
}

// One address group may cause logBurst lines at once, and then one every logEvery; all
// together logBurstOfAll, and one every logEveryOfAll.
const (
	logBurst      = 60
	logEvery      = time.Second
	logBurstOfAll = 600
	logEveryOfAll = 100 * time.Millisecond
)

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
		l.dues = make(Dues)
	}
	now := time.Now()
	one, all := later(l.dues[payer], now).Add(logEvery), later(l.dues[""], now).Add(logEveryOfAll)
	if one.Sub(now) > logBurst*logEvery || all.Sub(now) > logBurstOfAll*logEveryOfAll {
		l.skipped++
		return nil, false
	}
	l.dues.Keep(payer, one)
	l.dues.Keep("", all)
	if l.skipped > 0 {
		attrs = []any{slog.Uint64("skipped_lines", l.skipped)}
		l.skipped = 0
	}
	return attrs, true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

package history

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Keep bounds a [File]. Events beyond either limit are deleted, oldest first, when a host starts and
// once a minute.
type Keep struct {
	Age   time.Duration // of an event; 0: no limit
	Bytes int64         // of the file; 0: no limit
}

// The lowest limits, so that a typing error does not empty a history.
const (
	minKept = 1_000_000 // bytes
	minAge  = time.Hour
)

// ParseKeep parses an age, a size, or both: "30d", "500MB", "12h, 1GiB". "" means no limit.
func ParseKeep(limits string) (keep Keep, err error) {
	for limit := range strings.SplitSeq(limits, ",") {
		limit = strings.TrimSpace(limit)
		if limit == "" {
			continue
		}
		isAge := strings.HasSuffix(limit, "h") || strings.HasSuffix(limit, "d") // m would be ambiguous: minutes or megabytes
		age, _ := parseAge(limit)
		size, err := humanize.ParseBytes(limit)
		switch {
		case isAge && age >= minAge && keep.Age == 0:
			keep.Age = age
		case !isAge && err == nil && size >= minKept && size <= math.MaxInt64 && keep.Bytes == 0:
			keep.Bytes = int64(size)
		default:
			return keep, fmt.Errorf("cannot parse limit %q; use an age of at least 1h, a size of at least 1MB, or both, e.g. 30d, 500MB or 30d,500MB", limits)
		}
	}
	return keep, nil
}

// ParseTime parses a date, with or without a time of day in now's zone, or a duration before now:
// "2026-11-25", "2026-11-25 10:02", "2h", "30d". "" is the zero time.
func ParseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if age, ok := parseAge(s); ok {
		return now.Add(-age), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("cannot parse time %q; use e.g. 2026-11-25, \"2026-11-25 10:02\", 2h or 30d", s)
}

// parseAge parses a duration as Go does, or a number of days.
func parseAge(s string) (time.Duration, bool) {
	const century = 36_500
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		return time.Duration(n * 24 * float64(time.Hour)), err == nil && n >= 0 && n <= century
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0
}

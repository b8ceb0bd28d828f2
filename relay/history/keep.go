package history

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
)

// Keep bounds a [File]. Events beyond either limit are deleted, oldest first, from a minute after
// a host has opened the file. They are deleted by age only while the clock is believed: after
// a jump, or a long time closed, a day later. A host deletes one event in 24 an hour by age, or
// more if they come in faster.
type Keep struct {
	Age   time.Duration // of an event; 0: no limit
	Bytes int64         // of the file; 0: no limit
}

// String returns the limits in words: "30 days and 500 MB".
func (k Keep) String() string {
	var limits []string
	number, unit := k.Age.Hours(), "hour"
	if number >= 48 {
		number, unit = number/24, "day"
	}
	if number != 1 {
		unit += "s"
	}
	if k.Age > 0 {
		limits = append(limits, strconv.FormatFloat(number, 'f', -1, 64)+" "+unit)
	}
	if k.Bytes > 0 {
		limits = append(limits, humanize.Bytes(uint64(k.Bytes)))
	}
	return strings.Join(limits, " and ")
}

// The lowest limits, so that a typing error does not empty a history.
const (
	minKept = 1_000_000 // bytes
	minAge  = time.Hour
)

// ParseKeep parses an age, a size, or both: "30d", "500MB", "12h, 1GiB". "" means no limit. A
// number without a unit is refused, and so is m: minutes, months or megabytes.
func ParseKeep(limits string) (keep Keep, err error) {
	for limit := range strings.SplitSeq(limits, ",") {
		limit = strings.TrimSpace(limit)
		if limit == "" {
			continue
		}
		number := strings.TrimRightFunc(limit, func(r rune) bool { return !unicode.IsDigit(r) })
		unit := strings.TrimSpace(limit[len(number):])
		age, isAge := parseAge(limit)
		size, err := humanize.ParseBytes(limit)
		switch {
		case strings.EqualFold(unit, "m") && !(isAge && strings.Contains(number, "h")):
			return keep, fmt.Errorf("the unit of %q is ambiguous\nhint: write %sMB for megabytes, or days or weeks, e.g. 90d or 12w", limit, number)
		case unit == "":
			return keep, fmt.Errorf("the unit of %q is missing\nhint: write %sd for days or %[2]sMB for megabytes", limit, number)
		case isAge && age < minAge:
			return keep, fmt.Errorf("%q is too short\nhint: the shortest age is 1h", limit)
		case isAge && keep.Age == 0:
			keep.Age = age
		case !isAge && err == nil && (size < minKept || size > math.MaxInt64):
			return keep, fmt.Errorf("%q is too small or too large\nhint: the smallest size is 1MB", limit)
		case !isAge && err == nil && keep.Bytes == 0:
			keep.Bytes = int64(size)
		default:
			return keep, errors.New("it is not an age, a size, or one of each\nhint: use e.g. 30d, 8w, 500MB or 30d,500MB")
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

// parseAge parses a duration as Go does, or a number of days, weeks or years of 365 days.
func parseAge(s string) (time.Duration, bool) {
	const century = 36_500 // days
	for _, unit := range []struct {
		suffix string
		days   float64
	}{{"d", 1}, {"w", 7}, {"y", 365}} {
		if number, ok := strings.CutSuffix(s, unit.suffix); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			return time.Duration(n * unit.days * 24 * float64(time.Hour)), err == nil && n >= 0 && n*unit.days <= century
		}
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0
}

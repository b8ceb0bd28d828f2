package limits

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
)

// A Unit is the unit of a limit's values.
type Unit int

const (
	Count Unit = iota // a whole number
	Size              // bytes
	Time              // a duration
	Rate              // a number per second
)

// Units lists all units in the order of help.
var Units = []Unit{Count, Size, Time, Rate}

// String returns the placeholder of the unit in help.
func (u Unit) String() string { return [...]string{"COUNT", "SIZE", "TIME", "RATE"}[u] }

// Help returns how a value of the unit is written.
func (u Unit) Help() string {
	return [...]string{
		"A whole number, e.g. 500.",
		"A number with B, KB, MB, GB, TB (powers of 1,000) or KiB, MiB, GiB, TiB (powers of 1,024), e.g. 16KiB.",
		"A number with ms, s, m or h, e.g. 30s or 1m30s.",
		"A number per second or minute, e.g. 20/s or 90/min.",
	}[u]
}

var errNegative = errors.New("it is negative\nhint: use none for no limit")

// parseCount parses a whole number: "500".
func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	switch {
	case err == nil && n < 0:
		return 0, errNegative
	case err == nil:
		return n, nil
	case errors.Is(err, strconv.ErrRange):
		return 0, errors.New("it is too large\nhint: use none for no limit")
	}
	return 0, errors.New("not a whole number\nhint: write digits only, e.g. 500, or none for no limit")
}

// bytesPer holds the units of a size in lower case, in which they are compared.
var bytesPer = map[string]int64{
	"b":  1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// parseSize parses a number of bytes with its unit: "16KiB", "1.5GB". A number without
// one is refused, except 0, and so is "10K", which means 10,000 to some and 10,240 to
// others.
func parseSize(s string) (int64, error) {
	end := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsDigit(r) && r != '.' && r != '-' })
	if end < 0 {
		end = len(s)
	}
	number, suffix := s[:end], strings.TrimSpace(s[end:])
	n, ok := new(big.Rat).SetString(number)
	per, known := bytesPer[strings.ToLower(suffix)]
	switch {
	case ok && n.Sign() < 0:
		return 0, errNegative
	case ok && suffix == "" && n.Sign() == 0:
		return 0, nil
	case ok && suffix == "":
		return 0, fmt.Errorf("the unit is missing\nhint: write %sB or %[1]sKiB", number)
	case ok && len(suffix) == 1 && strings.Contains("KMGT", strings.ToUpper(suffix)):
		prefix := strings.ToUpper(suffix)
		return 0, fmt.Errorf("the unit is ambiguous\nhint: write %s%sB (powers of 1,000) or %[1]s%[2]siB (powers of 1,024)", number, prefix)
	case !ok || !known:
		return 0, errors.New("not a size\nhint: write a number and a unit, e.g. 16KiB or 500MB, or none for no limit")
	}
	n.Mul(n, new(big.Rat).SetInt64(per))
	switch {
	case !n.IsInt():
		return 0, errors.New("not a whole number of bytes\nhint: use a smaller unit, e.g. 1536B for 1.5KiB")
	case !n.Num().IsInt64():
		return 0, errors.New("it is too large\nhint: use none for no limit")
	}
	return n.Num().Int64(), nil
}

// parseSmallSize is parseSize for a size that is kept as an int.
func parseSmallSize(s string) (int, error) {
	n, err := parseSize(s)
	if err == nil && n > math.MaxInt {
		err = errors.New("it is too large\nhint: use none for no limit")
	}
	return int(n), err
}

// parseTime parses a duration with its unit: "30s", "1m30s". A number without one is
// refused, except 0.
func parseTime(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		return 0, errNegative
	}
	if err == nil {
		return d, nil
	}
	if strings.Trim(s, "0123456789.-") == "" && s != "" {
		return 0, fmt.Errorf("the unit is missing\nhint: write %ss or %[1]sm", s)
	}
	return 0, errors.New("not a time\nhint: write a number and a unit (ms, s, m or h), e.g. 30s or 1m30s, or none for no limit")
}

// parseRate parses a number per second or minute and returns it per second: "20/s",
// "90/min". A number without a unit is refused, except 0.
func parseRate(s string) (float64, error) {
	number, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(number, 64)
	ok := err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
	switch {
	case ok && n < 0:
		return 0, errNegative
	case ok && (unit == "s" || n == 0 && unit == ""):
		return n, nil
	case ok && unit == "min":
		return n / 60, nil
	case ok && unit == "":
		return 0, fmt.Errorf("the unit is missing\nhint: write %s/s or %[1]s/min", number)
	}
	return 0, errors.New("not a rate\nhint: write a number per second or minute, e.g. 20/s or 90/min, or none for no limit")
}

// FromOldFlag converts a value of the limit's deprecated flag, where sizes are in bytes
// and rates in lines per second, to a value with its unit.
func (l *Limit) FromOldFlag(value string) (string, error) {
	var n float64
	converted := None
	var err error
	switch l.Unit {
	case Count:
		var count int64
		count, err = strconv.ParseInt(value, 0, strconv.IntSize)
		n, converted = float64(count), strconv.FormatInt(count, 10)
	case Size:
		var size uint64
		if size, err = humanize.ParseBytes(value); err == nil && size > math.MaxInt64 {
			err = strconv.ErrRange
		}
		if strings.HasPrefix(value, "-") {
			n = -1
		} else {
			n, converted = float64(size), formatSize(size)
		}
	case Time:
		var d time.Duration
		d, err = time.ParseDuration(value)
		n, converted = float64(d), d.String()
	case Rate:
		n, err = strconv.ParseFloat(value, 64)
		converted = strconv.FormatFloat(n, 'f', -1, 64) + "/s"
	}
	switch {
	case n < 0:
		return "", fmt.Errorf("--%s cannot be negative\nhint: use --limit %s=%s for no limit", l.OldFlag, l.Name, None)
	case err != nil || math.IsNaN(n) || math.IsInf(n, 0):
		return "", fmt.Errorf("invalid value %q for option --%s\nhint: use --limit %s=%s, e.g. --limit %[3]s=%[5]s", value, l.OldFlag, l.Name, l.Unit, l.Default)
	case n == 0:
		return None, nil
	}
	return converted, nil
}

// formatSize returns n bytes in the largest unit that divides n.
func formatSize(n uint64) string {
	for _, unit := range []struct {
		suffix string
		bytes  uint64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}} {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatUint(n/unit.bytes, 10) + unit.suffix
		}
	}
	return strconv.FormatUint(n, 10) + "B"
}

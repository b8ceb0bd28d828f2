package limits

import (
	"strconv"
	"strings"
	"time"

	"chat/relay"
	"chat/relay/files"
)

// Value returns the limit in s as it is written in NAME=VALUE, a default as in the table.
func (l *Limit) Value(s Settings) string {
	byDefault := Settings{new(relay.Options), new(files.Limits)}
	if err := l.set(byDefault, l.Default); err != nil {
		panic(err) // a mistake in the table
	}
	if written := l.written(s); written != "" && written != l.written(byDefault) {
		return written
	}
	return l.Default
}

// written returns the limit in s; "" if it is zero, which means the default.
func (l *Limit) written(s Settings) string {
	var n float64
	var written string
	switch field := l.field(s).(type) {
	case *float64:
		n, written = *field, strconv.FormatFloat(*field, 'f', -1, 64)+"/s"
	case *time.Duration:
		n, written = float64(*field), formatTime(*field)
	case *int64:
		n, written = float64(*field), formatSize(uint64(max(*field, 0)))
	case *int:
		n, written = float64(*field), strconv.Itoa(*field)
		if l.Unit == Size {
			written = formatSize(uint64(max(*field, 0)))
		}
	}
	switch {
	case n < 0:
		return None
	case n == 0:
		return ""
	}
	return written
}

// formatTime returns d without units that are zero: "2m", not "2m0s".
func formatTime(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// A Change is a limit that differs between two settings.
type Change struct {
	*Limit
	From, To string // values, as in NAME=VALUE
}

// Changes returns the limits that differ.
func Changes(from, to Settings) (changes []Change) {
	for i := range Table {
		l := &Table[i]
		if c := (Change{l, l.Value(from), l.Value(to)}); c.From != c.To {
			changes = append(changes, c)
		}
	}
	return changes
}

// Words returns the changes on one line: "rate from 20/s to 5/s, burst from 200 to 50".
func Words(changes []Change) string {
	words := make([]string, len(changes))
	for i, c := range changes {
		words[i] = c.Name + " from " + c.From + " to " + c.To
	}
	return strings.Join(words, ", ")
}

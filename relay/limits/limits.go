// Package limits holds the table of a host's limits: the names, defaults, units and
// descriptions behind chat host --limit NAME=VALUE and chat help limits.
package limits

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"chat/relay"
	"chat/relay/files"
)

// Settings are the options that hold the limits.
type Settings struct {
	Room  *relay.Options
	Files *files.Limits
}

// A Limit is one row of the table.
type Limit struct {
	Name    string // as in --limit NAME=VALUE
	Unit    Unit
	Default string // a value with its unit
	Help    string // one or two sentences, complete in themselves, with the unit's placeholder
	OldFlag string // the deprecated flag without dashes; "": there never was one

	// field returns where the limit is kept: a *int, *int64, *float64 or *time.Duration,
	// in which a negative number means no limit.
	field func(Settings) any
}

// None is the value that removes a limit.
const None = "none"

// Table lists all limits in the order of help.
var Table = []Limit{
	{
		Name: "connections", Unit: Count, Default: "1000", OldFlag: "max-sessions",
		Help:  "Accept at most COUNT connections. A tenth is kept for members who come back and for this machine.",
		field: func(s Settings) any { return &s.Room.MaxSessions },
	},
	{
		Name: "connections-per-address", Unit: Count, Default: "64", OldFlag: "max-per-address",
		Help:  "Accept at most COUNT connections from one address, or one IPv6 /64 network. This machine is exempt.",
		field: func(s Settings) any { return &s.Room.MaxPerAddress },
	},
	{
		Name: "new-connections", Unit: Rate, Default: "20/s",
		Help:  "Accept new connections from one address at up to RATE, after a burst of 256, or of four times connections-per-address if that is more. This machine is exempt.",
		field: func(s Settings) any { return &s.Room.NewConnections },
	},
	{
		Name: "line", Unit: Size, Default: "8KiB", OldFlag: "max-line",
		Help:  "Drop lines longer than SIZE from people who use nc or telnet. The maximum is 1MiB.",
		field: func(s Settings) any { return &s.Room.MaxLine },
	},
	{
		Name: "json-line", Unit: Size, Default: "32KiB", OldFlag: "max-json-line",
		Help:  "Drop lines longer than SIZE from programs. The maximum is 1MiB.",
		field: func(s Settings) any { return &s.Room.MaxJSONLine },
	},
	{
		Name: "message", Unit: Size, Default: "16KiB", OldFlag: "max-text",
		Help:  "Reject messages longer than SIZE.",
		field: func(s Settings) any { return &s.Room.MaxText },
	},
	{
		Name: "message-lines", Unit: Count, Default: "100", OldFlag: "max-text-lines",
		Help:  "Reject messages with more than COUNT lines.",
		field: func(s Settings) any { return &s.Room.MaxTextLines },
	},
	{
		Name: "rate", Unit: Rate, Default: "20/s", OldFlag: "rate",
		Help:  "Accept lines from a connection at up to RATE. Excess input is delayed, not dropped.",
		field: func(s Settings) any { return &s.Room.Rate },
	},
	{
		Name: "burst", Unit: Count, Default: "200", OldFlag: "burst",
		Help:  "Allow bursts of up to COUNT lines before the rate applies.",
		field: func(s Settings) any { return &s.Room.Burst },
	},
	{
		Name: "write-timeout", Unit: Time, Default: "30s", OldFlag: "stall-timeout",
		Help:  "Close a connection that accepts no data for TIME.",
		field: func(s Settings) any { return &s.Room.Stall },
	},
	{
		Name: "first-line-timeout", Unit: Time, Default: "30s", OldFlag: "first-line-timeout",
		Help:  "Close a connection whose first line is incomplete after TIME.",
		field: func(s Settings) any { return &s.Room.FirstLine },
	},
	{
		Name: "keepalive-timeout", Unit: Time, Default: "45s", OldFlag: "dead-peer-timeout",
		Help:  "Drop unresponsive connections after TIME.",
		field: func(s Settings) any { return &s.Room.DeadPeer },
	},
	{
		Name: "memory-events", Unit: Count, Default: "10000", OldFlag: "keep",
		Help:  "Keep the last COUNT events in memory, for clients that reconnect.",
		field: func(s Settings) any { return &s.Room.History.Events },
	},
	{
		Name: "memory", Unit: Size, Default: "16MiB", OldFlag: "keep-bytes",
		Help:  "Keep at most SIZE of events in memory.",
		field: func(s Settings) any { return &s.Room.History.Bytes },
	},
	{
		Name: "file", Unit: Size, Default: "1GiB", OldFlag: "max-file",
		Help:  "Reject uploads larger than SIZE.",
		field: func(s Settings) any { return &s.Files.MaxFile },
	},
	{
		Name: "files-total", Unit: Size, Default: "10GiB", OldFlag: "max-files-total",
		Help:  "Reject uploads that would bring all files together above SIZE.",
		field: func(s Settings) any { return &s.Files.MaxTotal },
	},
	{
		Name: "files-per-address", Unit: Size, Default: "2.5GiB",
		Help:  "Reject uploads from one address above SIZE in all, or above three quarters of files-total. This machine is exempt.",
		field: func(s Settings) any { return &s.Files.Share },
	},
	{
		Name: "disk-reserve", Unit: Size, Default: "1GiB",
		Help:  "Reject uploads while less than SIZE, or 5 % of the disk, is free.",
		field: func(s Settings) any { return &s.Files.Reserve },
	},
}

// Named returns the limit called name, or nil.
func Named(name string) *Limit {
	if i := slices.IndexFunc(Table, func(l Limit) bool { return l.Name == name }); i >= 0 {
		return &Table[i]
	}
	return nil
}

// SetDefaults sets every limit in s to its default.
func SetDefaults(s Settings) {
	for i := range Table {
		if err := Table[i].set(s, Table[i].Default); err != nil {
			panic(err) // a mistake in the table
		}
	}
}

// Set sets a limit in s. The assignment has the form NAME=VALUE; the error names it and
// has a hint.
func Set(s Settings, assignment string) error {
	name, value, ok := strings.Cut(strings.TrimSpace(assignment), "=")
	l := Named(strings.TrimSpace(name))
	switch {
	case l == nil:
		return fmt.Errorf("unknown limit %.100q\nhint: chat help limits lists the limits", name)
	case !ok:
		return fmt.Errorf("limit %s has no value\nhint: write NAME=VALUE, e.g. --limit %[1]s=%s", name, l.Default)
	}
	return l.set(s, strings.TrimSpace(value))
}

func (l *Limit) set(s Settings, value string) error {
	var err error
	switch field := l.field(s).(type) {
	case *float64:
		*field, err = amount(value, parseRate)
	case *time.Duration:
		*field, err = amount(value, parseTime)
	case *int64:
		*field, err = amount(value, parseSize)
	case *int:
		parse := parseCount
		if l.Unit == Size {
			parse = parseSmallSize
		}
		*field, err = amount(value, parse)
	}
	if err != nil {
		return fmt.Errorf("invalid limit %s=%s: %w", l.Name, shown(value), err)
	}
	return nil
}

// shown returns a value as an error shows it, in one line: in quotes if it has odd characters, and only its start if it is long.
func shown(value string) string {
	const most = 100 // bytes
	if quoted := strconv.Quote(value); len(value) > most || quoted != `"`+value+`"` {
		return fmt.Sprintf("%.*q", most, value)
	}
	return value
}

// amount returns the parsed value, or -1 if it means no limit.
func amount[N int | int64 | float64 | time.Duration](value string, parse func(string) (N, error)) (N, error) {
	if value == None {
		return -1, nil
	}
	n, err := parse(value)
	if n == 0 {
		n = -1
	}
	return n, err
}

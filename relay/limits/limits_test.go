package limits

import (
	"strings"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/files"
)

func newSettings() Settings { return Settings{new(relay.Options), new(files.Limits)} }

func TestSet(t *testing.T) {
	for _, test := range []struct {
		assignment string
		want       any
	}{
		{"connections=500", 500},
		{" connections = 500 ", 500},
		{"connections=none", -1},
		{"connections=0", -1},
		{"line=8KiB", 8192},
		{"line=8kb", 8000},
		{"line=8 KiB", 8192},
		{"line=1.5KiB", 1536},
		{"message=100B", 100},
		{"message=0", -1},
		{"message=0B", -1},
		{"memory=1GiB", 1 << 30},
		{"file=1.5GB", int64(1_500_000_000)},
		{"file=2TiB", int64(2 << 40)},
		{"files-total=none", int64(-1)},
		{"rate=20/s", 20.0},
		{"rate=0.5/s", 0.5},
		{"rate=90/min", 1.5},
		{"rate=none", -1.0},
		{"rate=0", -1.0},
		{"write-timeout=1m30s", 90 * time.Second},
		{"write-timeout=500ms", 500 * time.Millisecond},
		{"write-timeout=0", time.Duration(-1)},
		{"write-timeout=0s", time.Duration(-1)},
		{"write-timeout=none", time.Duration(-1)},
	} {
		s := newSettings()
		if err := Set(s, test.assignment); err != nil {
			t.Errorf("%s: %v", test.assignment, err)
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSpace(test.assignment), "=")
		if got := value(Named(strings.TrimSpace(name)), s); got != test.want {
			t.Errorf("%s sets %v, want %v", test.assignment, got, test.want)
		}
	}
}

// value returns what l is set to in s.
func value(l *Limit, s Settings) any {
	switch field := l.field(s).(type) {
	case *int:
		return *field
	case *int64:
		return *field
	case *float64:
		return *field
	case *time.Duration:
		return *field
	}
	return nil
}

// An ambiguous value is an error with a hint.
func TestSetRefuses(t *testing.T) {
	for assignment, want := range map[string]string{
		"":                           `unknown limit ""` + "\nhint: chat help limits",
		"sessions=5":                 `unknown limit "sessions"` + "\nhint: chat help limits",
		"=5":                         `unknown limit ""`,
		"connections":                "limit connections has no value\nhint: write NAME=VALUE, e.g. --limit connections=1000",
		"connections=":               "invalid limit connections=: not a whole number\nhint: ",
		"connections=1.5":            "invalid limit connections=1.5: not a whole number\nhint: write digits only",
		"connections=10k":            "invalid limit connections=10k: not a whole number\nhint: ",
		"connections=many":           "invalid limit connections=many: not a whole number\nhint: ",
		"connections=-1":             "invalid limit connections=-1: it is negative\nhint: use none",
		"connections=5=6":            "invalid limit connections=5=6: not a whole number\nhint: ",
		"burst=99999999999999999999": "invalid limit burst=99999999999999999999: it is too large\nhint: use none",
		"rate=5\nhint: sure":         `invalid limit rate="5\nhint: sure": not a rate` + "\nhint: write",
		"rate=\x1b[2J":               `invalid limit rate="\x1b[2J": not a rate` + "\nhint: write",
		"line=8192":                  "invalid limit line=8192: the unit is missing\nhint: write 8192B or 8192KiB",
		"line=10K":                   "invalid limit line=10K: the unit is ambiguous\nhint: write 10KB (powers of 1,000) or 10KiB (powers of 1,024)",
		"line=10m":                   "invalid limit line=10m: the unit is ambiguous\nhint: write 10MB ",
		"line=10 potatoes":           "invalid limit line=10 potatoes: not a size\nhint: ",
		"line=":                      "invalid limit line=: not a size\nhint: ",
		"line=KiB":                   "invalid limit line=KiB: not a size\nhint: ",
		"line=1.2.3KiB":              "invalid limit line=1.2.3KiB: not a size\nhint: ",
		"line=1.5B":                  "invalid limit line=1.5B: not a whole number of bytes\nhint: ",
		"line=-1KiB":                 "invalid limit line=-1KiB: it is negative\nhint: ",
		"file=9999999999TiB":         "invalid limit file=9999999999TiB: it is too large\nhint: ",
		"write-timeout=30":           "invalid limit write-timeout=30: the unit is missing\nhint: write 30s or 30m",
		"write-timeout=-30s":         "invalid limit write-timeout=-30s: it is negative\nhint: ",
		"write-timeout=soon":         "invalid limit write-timeout=soon: not a time\nhint: ",
		"write-timeout=nan":          "invalid limit write-timeout=nan: not a time\nhint: ",
		"write-timeout=":             "invalid limit write-timeout=: not a time\nhint: ",
		"rate=20":                    "invalid limit rate=20: the unit is missing\nhint: write 20/s or 20/min",
		"rate=20/m":                  "invalid limit rate=20/m: not a rate\nhint: ",
		"rate=/s":                    "invalid limit rate=/s: not a rate\nhint: ",
		"rate=-1/s":                  "invalid limit rate=-1/s: it is negative\nhint: ",
		"rate=nan/s":                 "invalid limit rate=nan/s: not a rate\nhint: ",
		"rate=inf/s":                 "invalid limit rate=inf/s: not a rate\nhint: ",
		"keepalive-timeout=None":     "invalid limit keepalive-timeout=None: not a time\nhint: ",
	} {
		err := Set(newSettings(), assignment)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Count(err.Error(), "\n") != 1 {
			t.Errorf("%q: got %v\nwant %s", assignment, err, want)
		}
	}
}

// Every default is a value of its limit, and none of them means no limit.
func TestSetDefaults(t *testing.T) {
	s := newSettings()
	SetDefaults(s)
	for i := range Table {
		switch v := value(&Table[i], s).(type) {
		case int:
			if v <= 0 {
				t.Errorf("%s is %v", Table[i].Name, v)
			}
		case int64:
			if v <= 0 {
				t.Errorf("%s is %v", Table[i].Name, v)
			}
		case float64:
			if v <= 0 {
				t.Errorf("%s is %v", Table[i].Name, v)
			}
		case time.Duration:
			if v <= 0 {
				t.Errorf("%s is %v", Table[i].Name, v)
			}
		}
	}
	if s.Room.MaxSessions != 1000 || s.Room.MaxJSONLine != 32<<10 || s.Room.Rate != 20 || s.Room.DeadPeer != 45*time.Second || s.Files.MaxTotal != 10<<30 {
		t.Errorf("%+v %+v", s.Room, s.Files)
	}
}

// A deprecated flag has the meaning that it always had.
func TestFromOldFlag(t *testing.T) {
	for _, test := range []struct {
		name, old, want string
	}{
		{"connections", "500", "500"},
		{"connections", "0x10", "16"},
		{"connections", "0", "none"},
		{"line", "8192", "8KiB"},
		{"line", "8000", "8KB"},
		{"line", "8191", "8191B"},
		{"line", "0", "none"},
		{"memory", "16777216", "16MiB"},
		{"file", "500MB", "500MB"},
		{"file", "1.5GiB", "1536MiB"},
		{"file", "10K", "10KB"},
		{"rate", "0.5", "0.5/s"},
		{"rate", "1e3", "1000/s"},
		{"rate", "0", "none"},
		{"write-timeout", "90s", "1m30s"},
		{"write-timeout", "0", "none"},
	} {
		got, err := Named(test.name).FromOldFlag(test.old)
		if got != test.want || err != nil {
			t.Errorf("%s %s: %q, %v; want %q", test.name, test.old, got, err, test.want)
		}
		if err := Set(newSettings(), test.name+"="+got); err != nil {
			t.Error(err)
		}
	}
	for _, test := range []struct{ name, old, want string }{
		{"connections", "-1", "--max-sessions cannot be negative\nhint: use --limit connections=none"},
		{"line", "-1", "--max-line cannot be negative\nhint: "},
		{"rate", "-1", "--rate cannot be negative\nhint: "},
		{"rate", "nan", `invalid value "nan" for option --rate` + "\nhint: "},
		{"write-timeout", "-1s", "--stall-timeout cannot be negative\nhint: "},
		{"write-timeout", "3", `invalid value "3" for option --stall-timeout` + "\nhint: use --limit write-timeout=TIME, e.g. --limit write-timeout=30s"},
		{"connections", "many", `invalid value "many" for option --max-sessions` + "\nhint: "},
		{"file", "much", `invalid value "much" for option --max-file` + "\nhint: "},
		{"file", "99999999TB", `invalid value "99999999TB" for option --max-file` + "\nhint: "},
	} {
		if _, err := Named(test.name).FromOldFlag(test.old); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s %s: %v, want %s", test.name, test.old, err, test.want)
		}
	}
}

// A description is in full sentences and says where the value goes.
func TestHelp(t *testing.T) {
	names := make(map[string]bool)
	for _, l := range Table {
		if !strings.HasSuffix(l.Help, ".") || !strings.Contains(l.Help, l.Unit.String()) {
			t.Errorf("%s: %q is not a sentence with %s", l.Name, l.Help, l.Unit)
		}
		if names[l.Name] || names["--"+l.OldFlag] {
			t.Errorf("%s, --%s: twice", l.Name, l.OldFlag)
		}
		names[l.Name] = true
		if l.OldFlag != "" {
			names["--"+l.OldFlag] = true
		}
	}
}

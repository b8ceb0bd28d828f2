package timezone

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	winter, summer := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC), time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for tz, want := range map[string][2]string{
		"Europe/Berlin":               {"13:00 CET", "14:00 CEST"},
		"EST5EDT,M3.2.0,M11.1.0":      {"07:00 EST", "08:00 EDT"},
		"<+0330>-3:30":                {"15:30 +0330", "15:30 +0330"},
		"NZST-12NZDT,M9.5.0,M4.1.0/3": {"01:00 NZDT", "00:00 NZST"},
		"UTC":                         {"12:00 UTC", "12:00 UTC"},
		"":                            {"12:00 UTC", "12:00 UTC"},
		"MST7":                        {"05:00 MST", "05:00 MST"},
	} {
		z, err := parse(tz)
		if err != nil {
			t.Errorf("%s: %v", tz, err)
			continue
		}
		if got := [2]string{winter.In(z).Format("15:04 MST"), summer.In(z).Format("15:04 MST")}; got != want {
			t.Errorf("%s: %q, want %q", tz, got, want)
		}
	}
	for _, tz := range []string{"Nowhere/Land", "soup", "EST", "/nosuchfile", "EST5\nEDT", "E5", "../etc/passwd"} {
		if z, err := parse(tz); err == nil && tz != "EST" {
			t.Errorf("%q is the zone %v", tz, z)
		}
	}
}

// A machine that moves to another zone shows its times a minute later.
func TestTheMachineMoves(t *testing.T) {
	now := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
	w := watcher{path: filepath.Join(t.TempDir(), "localtime"), now: func() time.Time { return now }}
	write := func(rules string) {
		t.Helper()
		if err := os.WriteFile(w.path, fileOf(rules), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shown := func() string {
		w.zoneFor(now.AddDate(1, 0, 0)) // from a clock that is ahead
		w.zoneFor(now.AddDate(-1, 0, 0))
		return now.In(w.zoneFor(now)).Format("15:04")
	}
	write("AAA-1")
	local := time.Local
	time.Local, _ = ofRules("AAA-1") // as at the start of a program
	defer func() { time.Local = local }()
	if got := shown(); got != "13:00" {
		t.Errorf("at first it is %s", got)
	}
	now = now.Add(checkEvery * time.Second)
	if got := shown(); got != "13:01" {
		t.Errorf("a minute later it is %s", got)
	}
	write("BBB+5")
	if got := shown(); got != "13:01" {
		t.Errorf("within a minute it is %s", got)
	}
	now = now.Add(checkEvery * time.Second)
	if got := shown(); got != "07:02" {
		t.Errorf("in the second zone it is %s", got)
	}
	if err := os.Remove(w.path); err != nil {
		t.Fatal(err)
	}
	now = now.Add(checkEvery * time.Second)
	if got := shown(); got != "07:03" {
		t.Errorf("without the file it is %s", got)
	}
}

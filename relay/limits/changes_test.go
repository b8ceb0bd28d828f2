package limits

import "testing"

// Value writes what Set reads.
func TestValue(t *testing.T) {
	for _, test := range []struct{ assignment, want string }{
		{"connections=500", "500"},
		{"connections=none", "none"},
		{"line=16KiB", "16KiB"},
		{"line=1001B", "1001B"},
		{"files-total=2.5GiB", "2560MiB"},
		{"files-total=none", "none"},
		{"rate=20/s", "20/s"},
		{"rate=90/min", "1.5/s"},
		{"write-timeout=1m30s", "1m30s"},
		{"write-timeout=2m", "2m"},
		{"write-timeout=1h", "1h"},
		{"write-timeout=20s", "20s"},
		{"keepalive-timeout=100ms", "100ms"},
	} {
		s := newSettings()
		if err := Set(s, test.assignment); err != nil {
			t.Fatal(err)
		}
		changes := Changes(newSettings(), s)
		if test.assignment == "rate=20/s" { // the default
			if len(changes) > 0 {
				t.Errorf("%s: a change %s", test.assignment, Words(changes))
			}
			continue
		}
		if len(changes) != 1 || changes[0].To != test.want || changes[0].From != changes[0].Default {
			t.Errorf("%s: %s, want %s", test.assignment, Words(changes), test.want)
			continue
		}
		again := newSettings()
		if err := Set(again, changes[0].Name+"="+changes[0].To); err != nil {
			t.Error(err)
		} else if len(Changes(s, again)) > 0 {
			t.Errorf("%s is read as something else", changes[0].To)
		}
	}
}

// A default is written as it is in the table.
func TestValueOfDefaults(t *testing.T) {
	zero, set := newSettings(), newSettings()
	SetDefaults(set)
	for i := range Table {
		l := &Table[i]
		if got := l.Value(zero); got != l.Default {
			t.Errorf("%s is %s by default, want %s", l.Name, got, l.Default)
		}
	}
	if changes := Changes(zero, set); len(changes) > 0 {
		t.Errorf("the defaults differ from themselves: %s", Words(changes))
	}
}

func TestWords(t *testing.T) {
	s := newSettings()
	for _, assignment := range []string{"rate=5/s", "connections=none", "line=1KiB"} {
		if err := Set(s, assignment); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := Words(Changes(newSettings(), s)), "connections from 1000 to none, line from 8KiB to 1KiB, rate from 20/s to 5/s"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Package timezone has the time zone in which times are shown. Unlike time.Local it knows all forms
// of the variable TZ, also on machines without a time zone database, and notices when the
// machine moves to another zone.
package timezone

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	_ "time/tzdata" // for machines without a database: containers, Windows
)

// localtime is the file of the machine's zone, on Unix.
const localtime = "/etc/localtime"

// checkEvery is how often Local looks whether the machine's zone has changed.
const checkEvery = 60 // seconds

// local is the machine's zone.
var local = watcher{path: localtime, now: time.Now}

// A watcher has the zone in a file. Its methods may be called concurrently.
type watcher struct {
	path    string                        // fixed
	now     func() time.Time              // fixed; time.Now, except in tests
	changed atomic.Pointer[time.Location] // nil: it is time.Local
	checked atomic.Int64                  // when the file was looked at, in seconds

	mu   sync.Mutex
	data []byte // of the file; guarded by mu
}

// Local returns the zone in which t is shown. Once a minute, when it is called with a recent t, it
// looks whether the machine's zone has changed.
func Local(t time.Time) *time.Location {
	if fixed {
		return time.Local // as Init has set it
	}
	return local.zoneFor(t)
}

// fixed is whether the variable TZ has the zone.
var _, fixed = os.LookupEnv("TZ")

func (w *watcher) zoneFor(t time.Time) *time.Location {
	if t.Unix()-w.checked.Load() >= checkEvery { // otherwise without a look at the clock, which takes longer
		now := w.now().Unix()
		if checked := w.checked.Load(); now < checked || now >= checked+checkEvery {
			w.reload(now)
		}
	}
	if z := w.changed.Load(); z != nil {
		return z
	}
	return time.Local
}

// reload reads the file again. If it cannot be read, the zone stays as it is.
func (w *watcher) reload(now int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checked.Store(now)
	data, err := os.ReadFile(w.path)
	if err != nil || bytes.Equal(data, w.data) {
		return
	}
	z, err := time.LoadLocationFromTZData("Local", data)
	if err != nil {
		return
	}
	if w.data != nil { // otherwise it is time.Local
		w.changed.Store(z)
	}
	w.data = data
}

// Init sets time.Local to the zone of the variable TZ. Call it once, before anything else
// reads the time. The error, for people, says that TZ is not a zone; time.Local is UTC then.
func Init() error {
	tz, ok := os.LookupEnv("TZ")
	if !ok {
		return nil
	}
	z, err := parse(strings.TrimPrefix(tz, ":"))
	if err != nil {
		time.Local = time.UTC
		return fmt.Errorf("unknown time zone TZ=%s; times are in UTC\nhint: use a name such as Europe/Berlin", tz)
	}
	time.Local = z
	return nil
}

// parse returns the zone of a value of TZ: the path of a file, a name, or rules, as in POSIX
// (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html, section 8.3).
func parse(tz string) (*time.Location, error) {
	if strings.HasPrefix(tz, "/") {
		data, err := os.ReadFile(tz)
		if err != nil {
			return nil, err
		}
		return time.LoadLocationFromTZData(tz, data)
	}
	z, err := time.LoadLocation(tz)
	if err == nil {
		return z, nil
	}
	if z, ok := ofRules(tz); ok {
		return z, nil
	}
	return nil, err
}

// noZone is the name of the only zone in the file of rules, which replace it.
const noZone = "-00"

// ofRules returns the zone of rules such as EST5EDT,M3.2.0,M11.1.0.
func ofRules(rules string) (*time.Location, bool) {
	if strings.ContainsAny(rules, "\n\x00") {
		return nil, false
	}
	z, err := time.LoadLocationFromTZData("Local", fileOf(rules))
	if err != nil {
		return nil, false
	}
	name, _ := time.Unix(0, 0).In(z).Zone() // the time package ignores rules that it cannot read
	return z, name != noZone
}

// fileOf returns a file of the time zone database that has nothing but rules, at its end
// (RFC 9636, sections 3.1 to 3.3).
func fileOf(rules string) []byte {
	var data []byte
	for range 2 { // for readers of version 1, and of later ones
		data = append(data, "TZif2"...)
		data = append(data, make([]byte, 15)...)
		for _, count := range []uint32{0, 0, 0, 0, 1, uint32(len(noZone) + 1)} { // the last two: zones, bytes of their names
			data = binary.BigEndian.AppendUint32(data, count)
		}
		data = append(data, make([]byte, 6)...) // the zone: its offset, whether it is summer time, the index of its name
		data = append(data, noZone+"\x00"...)
	}
	return append(data, "\n"+rules+"\n"...)
}

package hosting

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/limits"
	"chat/relay/logging"
)

// openRoom opens and serves a room in memory on the loopback interface.
func openRoom(t *testing.T, change func(*Options)) *Room {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	opts := Options{Addr: "127.0.0.1:0", NoMember: true, NoDiscovery: true, LogTo: io.Discard, Logging: logging.Options{}}
	opts.Title = "kitchen"
	limits.SetDefaults(limits.Settings{Room: &opts.Options, Files: &opts.FileLimits})
	if change != nil {
		change(&opts)
	}
	r, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	r.Start(t.Context())
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// A limit set while the host runs applies to the next connection; one that needs a restart is refused, with
// all that were to be set with it.
func TestChangeLimits(t *testing.T) {
	r := openRoom(t, nil)
	if _, err := r.ChangeLimits([]string{"connections=5", "line=1KiB"}); err == nil || !strings.Contains(err.Error(), "line=1KiB\nhint: ") {
		t.Errorf("the error of a fixed limit is %v", err)
	}
	if _, err := r.ChangeLimits([]string{"conections=5"}); err == nil {
		t.Error("an unknown limit is accepted")
	}
	if live, _ := limits.Changes(defaults(), r.Limits()); len(live) > 0 {
		t.Errorf("after errors: %s", limits.Words(live))
	}
	changed, err := r.ChangeLimits([]string{"connections=1", "rate=none", "file=1KB"})
	if err != nil || limits.Words(changed) != "connections from 1000 to 1, rate from 20/s to none, file from 1GiB to 1KB" {
		t.Fatal(limits.Words(changed), err)
	}
	if r.store.MaxFile() != 1000 {
		t.Errorf("the largest file has %d bytes", r.store.MaxFile())
	}
	one, two := dial(t, r), dial(t, r)
	io.WriteString(one, "hello\n")
	if got := read(t, one); !strings.Contains(got, "kitchen") {
		t.Errorf("the first connection gets %q", got)
	}
	io.WriteString(two, "hello\n")
	if got := read(t, two); !strings.Contains(got, "the room is full (1 connections)") {
		t.Errorf("the second connection gets %q", got)
	}
}

// SetLimits sets what can be set, and says what cannot.
func TestSetLimits(t *testing.T) {
	r := openRoom(t, nil)
	to := defaults()
	to.Room.MaxSessions, to.Room.MaxLine = 7, 1000
	changed, err := r.SetLimits(to)
	restart, ok := errors.AsType[*RestartError](err)
	if !ok || limits.Words(restart.Limits) != "line from 8KiB to 1KB" || limits.Words(changed) != "connections from 1000 to 7" {
		t.Errorf("changed %s, error %v", limits.Words(changed), err)
	}
	if now := r.Limits(); now.Room.MaxSessions != 7 || now.Room.MaxLine != 8<<10 {
		t.Errorf("the limits are %d and %d now", now.Room.MaxSessions, now.Room.MaxLine)
	}
	to.Room.MaxLine = 8 << 10
	if changed, err := r.SetLimits(to); err != nil || len(changed) > 0 {
		t.Errorf("the same limits again: %s, %v", limits.Words(changed), err)
	}
}

func defaults() limits.Settings {
	s := limits.Settings{Room: new(relay.Options), Files: new(files.Limits)}
	limits.SetDefaults(s)
	return s
}

func dial(t *testing.T, r *Room) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", r.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// read reads what arrives first.
func read(t *testing.T, conn net.Conn) string {
	t.Helper()
	b := make([]byte, 4<<10)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

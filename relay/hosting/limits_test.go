package hosting

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/limits"
	"chat/relay/logging"
)

// openRoom opens and serves a room in memory on the loopback interface.
func openRoom(t *testing.T, change func(*Options)) *Room {
	t.Helper()
	r, _ := openRoomUntil(t, change)
	return r
}

// openRoomUntil is openRoom with a function that closes the room before the test ends.
func openRoomUntil(t *testing.T, change func(*Options)) (r *Room, closeRoom func()) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	r, err := Open(optionsOf(change))
	if err != nil {
		t.Fatal(err)
	}
	r.Start(t.Context())
	closeRoom = sync.OnceFunc(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(closeRoom)
	return r, closeRoom
}

// optionsOf returns the options of a room on loopback.
func optionsOf(change func(*Options)) Options {
	opts := Options{Addr: "127.0.0.1:0", NoMember: true, NoDiscovery: true, LogTo: io.Discard, Logging: logging.Options{}}
	opts.Title = "kitchen"
	limits.SetDefaults(limits.Settings{Room: &opts.Options, Files: &opts.FileLimits})
	if change != nil {
		change(&opts)
	}
	return opts
}

// A limit set while the host runs applies to the next connection. One that is wrong is refused, with all that were to
// be set with it.
func TestChangeLimits(t *testing.T) {
	r := openRoom(t, nil)
	if _, err := r.ChangeLimits([]string{"connections=5", "line=1furlong"}); err == nil || !strings.Contains(err.Error(), "line=1furlong") {
		t.Errorf("the error of a wrong limit is %v", err)
	}
	if _, err := r.ChangeLimits([]string{"conections=5"}); err == nil {
		t.Error("an unknown limit is accepted")
	}
	if changes := limits.Changes(defaults(), r.Limits()); len(changes) > 0 {
		t.Errorf("after errors: %s", limits.Words(changes))
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

// Every limit can be set while the host runs.
func TestSetLimits(t *testing.T) {
	r := openRoom(t, nil)
	to := defaults()
	for i := range limits.Table {
		l := &limits.Table[i]
		other := map[limits.Unit]string{limits.Count: "7", limits.Size: "7KiB", limits.Time: "7s", limits.Rate: "7/s"}[l.Unit]
		if err := limits.Set(to, l.Name+"="+other); err != nil {
			t.Fatal(err)
		}
	}
	changed := r.SetLimits(to)
	if len(changed) != len(limits.Table) {
		t.Errorf("changed %s", limits.Words(changed))
	}
	if differ := limits.Changes(r.Limits(), to); len(differ) > 0 {
		t.Errorf("the limits differ still: %s", limits.Words(differ))
	}
	if changed := r.SetLimits(to); len(changed) > 0 {
		t.Errorf("the same limits again: %s", limits.Words(changed))
	}
	conn := dial(t, r)
	if got := read(t, conn); !strings.Contains(got, "kitchen") {
		t.Errorf("a new connection gets %q", got)
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

package hosting

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"chat/relay/admin"
	"chat/relay/history"
	"chat/relay/identity"
	"chat/relay/internal/logtest"
	"chat/relay/logging"
)

// A room is administered from outside, without a member, and its history says what was done and why.
func TestAdmin(t *testing.T) {
	dir, err := os.MkdirTemp("", "chat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "k.chat")
	r := openRoom(t, func(o *Options) { o.HistoryFile = file })
	bob := dial(t, r)
	io.WriteString(bob, "/nick bob\n")
	c, err := admin.At(file + ".admin")
	if err != nil {
		t.Fatal(err)
	}
	var members admin.Members
	for range 200 {
		if _, err := c.Get(t.Context(), "members", &members); err != nil {
			t.Fatal(err)
		}
		if len(members.Members) == 1 && members.Members[0].Nick == "bob" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, post := range []struct {
		path string
		body any
	}{
		{"mute", admin.Action{Nick: "bob", Reason: "calm down"}},
		{"unmute", admin.Action{Nick: "bob"}},
		{"kick", admin.Action{Nick: "bob", Reason: "too loud"}},
		{"limits", admin.LimitsChange{Set: []string{"rate=5/s"}}},
		{"files", admin.FilesChange{Uploads: "off"}},
		{"backup", admin.BackupTo{To: filepath.Join(dir, "b.chat")}},
	} {
		if _, err := c.Post(t.Context(), post.path, post.body, nil); err != nil {
			t.Errorf("%s: %v", post.path, err)
		}
	}
	if all, err := io.ReadAll(bob); err == nil && !strings.Contains(string(all), "you were kicked by host (admin): too loud") {
		t.Errorf("bob got %q", all)
	}
	if _, err := c.Post(t.Context(), "backup", admin.BackupTo{To: filepath.Join(dir, "b.chat")}, nil); err == nil || !strings.Contains(err.Error(), "hint: choose another name") {
		t.Errorf("a backup over another file: %v", err)
	}
	rooms, err := admin.Rooms(t.Context(), identity.DefaultDir())
	if err != nil || len(rooms) != 1 || rooms[0].Status.ID != r.Info().ID {
		t.Errorf("found %d rooms, %v", len(rooms), err)
	}
	if _, err := c.Post(t.Context(), "stop", admin.Stop{Reason: "lunch"}, nil); err != nil {
		t.Error(err)
	}
	r.parts.Wait()
	var out bytes.Buffer
	if err := history.Print(t.Context(), &out, file, history.Selection{Happened: true}, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"calm down", "host (admin) kicked bob: too loud", "changed limits: rate from 20/s to 5/s", "turned uploads off", "made a backup", "closes the room: lunch"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the history lacks %q:\n%s", want, out.String())
		}
	}
	if err := history.Print(t.Context(), io.Discard, filepath.Join(dir, "b.chat"), history.Selection{}, false); err != nil {
		t.Errorf("the backup: %v", err)
	}
}

// Without a history there is nothing to back up.
func TestAdminInMemory(t *testing.T) {
	r := openRoom(t, nil)
	rooms, err := admin.Rooms(t.Context(), identity.DefaultDir())
	if err != nil || len(rooms) != 1 || rooms[0].Status.ID != r.Info().ID {
		t.Fatalf("found %d rooms, %v", len(rooms), err)
	}
	_, err = rooms[0].Post(t.Context(), "backup", admin.BackupTo{To: filepath.Join(t.TempDir(), "b.chat")}, nil)
	if err == nil || !strings.Contains(err.Error(), "it is in memory\nhint: chat host --history FILE") {
		t.Errorf("the error is %v", err)
	}
}

// A room without a place for its socket opens nevertheless.
func TestNoPlaceForAdmin(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("TMPDIR is not what counts there")
	}
	var log logtest.Buffer
	r := openRoom(t, func(o *Options) {
		o.LogTo, o.Logging = &log, logging.Options{}
		os.Setenv("XDG_STATE_HOME", "/dev/null/state") // openRoom has set it, and the test resets it
		t.Setenv("TMPDIR", "/dev/null/tmp")
	})
	if r.admin != nil {
		t.Errorf("the socket is at %s", r.admin.Entry().Socket)
	}
	conn := dial(t, r)
	io.WriteString(conn, "hello\n")
	if got := read(t, conn); !strings.Contains(got, "kitchen") {
		t.Errorf("the room answers %q", got)
	}
	if !log.Awaits("chat admin cannot administer this room") {
		t.Errorf("the log is %s", log.String())
	}
}

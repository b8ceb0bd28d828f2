package hosting

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/diskspace"
	"chat/relay/internal/logtest"
	"chat/relay/logging"
	"chat/relay/wire"
)

// openLogged hosts a room with a history and files until the test ends.
func openLogged(t *testing.T, out io.Writer) *Room {
	t.Helper()
	dir := t.TempDir()
	r, err := Open(Options{
		Options: relay.Options{Title: "kitchen"}, Addr: "127.0.0.1:0", HistoryFile: filepath.Join(dir, "kitchen.chat"),
		FilesDir: filepath.Join(dir, "files"), NoDiscovery: true, LogTo: out, Logging: logging.Options{Level: slog.LevelInfo},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Start(t.Context())
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *Room) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", r.Port(), path))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// The dashboard and the alert rules use only metrics that a host has, and all of the room are documented.
func TestMonitoringUsesMetrics(t *testing.T) {
	r := openLogged(t, io.Discard)
	var text string
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(text, "\nchat_disk_size_bytes{disk=\"files\"}"); time.Sleep(time.Millisecond) {
		if _, text = r.get(t, "/metrics"); time.Now().After(deadline) {
			t.Fatalf("the disks are not known:\n%s", text)
		}
	}
	names := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)[ {]`).FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	_, shared := openRoom(t, sharedBy(startNATS(t), nil)).get(t, "/metrics") // those of the cluster
	for _, m := range regexp.MustCompile(`(?m)^(chat_cluster_[a-z_]+)[ {]`).FindAllStringSubmatch(shared, -1) {
		names[m[1]] = true
	}
	guide, err := os.ReadFile("../docs/hosting.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range names {
		family := regexp.MustCompile("^chat_write_seconds.*").ReplaceAllString(name, "chat_write_seconds")
		if strings.HasPrefix(name, "chat_") && !bytes.Contains(guide, []byte("`"+family+"`")) {
			t.Errorf("%s is not in hosting.md", name)
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	b, err := os.ReadFile("../docs/monitoring/chat-dashboard.json")
	if err == nil {
		err = json.Unmarshal(b, &dashboard)
	}
	if err != nil {
		t.Fatal(err)
	}
	queries := make(map[string][]string) // by where they are
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			queries["panel "+p.Title] = append(queries["panel "+p.Title], target.Expr)
		}
	}
	if b, err = os.ReadFile("../docs/monitoring/chat-alerts.yml"); err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindAllStringSubmatch(string(b), -1) {
		queries["alert rule"] = append(queries["alert rule"], m[1])
	}
	used := 0
	for where, list := range queries {
		for _, query := range list {
			found := regexp.MustCompile(`\b(chat|go|process)_[a-z_]+`).FindAllString(query, -1)
			for _, name := range found {
				used++
				if !names[name] {
					t.Errorf("%s: no metric %s", where, name)
				}
			}
			if len(found) == 0 && !strings.HasPrefix(query, "up{") {
				t.Errorf("%s: %s uses no metric", where, query)
			}
		}
	}
	if used < 40 || len(queries["alert rule"]) < 10 {
		t.Errorf("found only %d uses of metrics and %d alert rules", used, len(queries["alert rule"]))
	}
}

// A hungWriter is the output of a log that takes nothing until it is freed.
type hungWriter struct{ freed chan struct{} }

func (w hungWriter) Write(b []byte) (int, error) {
	<-w.freed
	return len(b), nil
}

// A log that drops lines is a problem.
func TestHealthWhenTheLogIsDropped(t *testing.T) {
	out := hungWriter{make(chan struct{})}
	r := openLogged(t, out)
	if status, answer := r.get(t, "/healthz"); status != 200 || answer != "ok\n" && !isDiskFull(answer) {
		t.Errorf("%d %q", status, answer)
	}
	for range logging.QueueLines + 10 {
		r.opts.Log.Info("soup")
	}
	status, answer := r.get(t, "/healthz")
	if status != 503 || !strings.Contains(answer, "log lines are dropped: their output is too slow\n") {
		t.Errorf("%d %q", status, answer)
	}
	if _, text := r.get(t, "/metrics"); !regexp.MustCompile(`\nchat_lost_log_lines_total [1-9]`).MatchString(text) || !strings.Contains(text, "\nchat_healthy 0\n") {
		t.Error(text)
	}
	close(out.freed)
}

// isDiskFull reports whether this machine's disk is the only problem.
func isDiskFull(answer string) bool { return answer == "the disk with the history is nearly full\n" }

// The log and operators learn when a disk has little space, is nearly full, and has enough again; /healthz knows when
// nearly nothing is left for the history.
func TestDiskIsReported(t *testing.T) {
	var log logtest.Buffer
	r := openLogged(t, &log)
	var served sync.WaitGroup
	c, err := r.Join(t.Context(), "ann", 0, &served)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { c.Close(); served.Wait() }()
	disk := diskspace.Disk{Name: "history", Folder: "/srv", Free: 900 << 20, Total: 10 << 30}
	for _, step := range []struct {
		was, level  diskspace.Level
		notice, log string
	}{
		{diskspace.Enough, diskspace.Low, "the host's disk with the history has little space: 900 MiB are free", "has little space"},
		{diskspace.Low, diskspace.Critical, "the host's disk with the history is nearly full: only 900 MiB are free; soon nothing can be stored", "is full, or nearly so"},
		{diskspace.Critical, diskspace.Low, "the host's disk with the history has a little more space: 900 MiB are free", "has a little more space"},
		{diskspace.Low, diskspace.Enough, "the host's disk with the history has enough space again: 900 MiB are free", "has enough space again"},
	} {
		disk.Level = step.level
		r.reportDisk(disk, step.was)
		if got := nextNotice(t, c); got != step.notice {
			t.Errorf("operators get %q, want %q", got, step.notice)
		}
		if !log.Awaits("the disk with the history " + step.log) {
			t.Errorf("the log has no %q", step.log)
		}
	}
	full := diskspace.NewWatch(diskspace.Disk{Name: "history", Folder: "/srv", Free: 1, Total: 2, Level: diskspace.Critical})
	r.disks, full = full, r.disks
	problems := r.problems()
	r.disks = full
	if len(problems) != 1 || problems[0] != "the disk with the history is nearly full" {
		t.Errorf("%q", problems)
	}
}

// A reserve that is set while the room is open counts for the watch of its disks, at once.
func TestDiskReserveChanges(t *testing.T) {
	var log logtest.Buffer
	r := openLogged(t, &log)
	for _, step := range []struct{ assignment, log string }{
		{"disk-reserve=1000000TB", "has little space"},
		{"disk-reserve=none", "has enough space again"},
	} {
		if _, err := r.ChangeLimits([]string{step.assignment}); err != nil {
			t.Fatal(err)
		}
		if !log.Awaits("the disk with the history " + step.log) {
			if _, answer := r.get(t, "/healthz"); isDiskFull(answer) {
				t.Skip("this machine's disk is nearly full")
			}
			t.Errorf("%s: the log has no %q:\n%s", step.assignment, step.log, &log)
		}
	}
}

// nextNotice returns the next notice that c gets.
func nextNotice(t *testing.T, c *client.Client) string {
	t.Helper()
	for {
		select {
		case e := <-c.Events():
			if e, ok := e.(client.Received); ok && e.Type == wire.TypeNotice {
				return e.Text
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no notice")
		}
	}
}

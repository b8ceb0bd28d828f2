package cluster_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chat/relay/cluster"
	"chat/scripts/chattest"
	"chat/scripts/natsserver"
)

// one is the server that most tests share. Each opens a room of its own.
var one struct {
	servers *natsserver.Cluster
	err     error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "chat-cluster")
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // it may have to be built
	one.servers, one.err = natsserver.Start(ctx, filepath.Clean(dir), 1)
	cancel()
	code := m.Run()
	if one.err == nil {
		one.servers.Stop()
	}
	os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

// servers returns the URLs of the shared server.
func servers(t *testing.T) []string {
	t.Helper()
	if one.err != nil {
		chattest.Missing(t, "no nats-server: "+one.err.Error())
	}
	return one.servers.URLs()
}

// startServers starts n servers for this test alone.
func startServers(t *testing.T, n int, extra ...string) *natsserver.Cluster {
	t.Helper()
	if n > 1 && runtime.GOOS == "windows" {
		chattest.Missing(t, "pausing a process needs Unix")
	}
	servers(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := natsserver.Start(ctx, t.TempDir(), n, extra...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// open opens a room until the test ends.
func open(t *testing.T, urls []string, room string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Open(t.Context(), cluster.Options{URLs: urls, Room: room, Title: "The " + room, Log: logTo(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// logTo returns a logger that writes to the output of the test.
func logTo(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"chat/relay/cluster"
	"chat/relay/hint"
	"chat/relay/journal"
	"chat/scripts/chattest"
	"chat/scripts/natsserver"
)

// admin connects to servers without the package that is tested.
func admin(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// files returns how many messages the stream of a room's files has.
func files(t *testing.T, room string) uint64 {
	t.Helper()
	stream, err := admin(t, servers(t)[0]).Stream(t.Context(), "CHATFILES_"+room)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

// fails opens a room and compares the error.
func fails(t *testing.T, opts cluster.Options, want error) {
	t.Helper()
	opts.Log = logTo(t)
	c, err := cluster.Open(t.Context(), opts)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
	text := hint.Add(err, cluster.Remedies).Error()
	if message, remedy, _ := strings.Cut(text, "\nhint: "); strings.Contains(message, "\n") || remedy == "" {
		t.Errorf("error %q is not a line and a hint", text)
	}
	t.Log(text)
}

func TestOpenErrors(t *testing.T) {
	urls := servers(t)
	js := admin(t, urls[0])
	t.Run("name", func(t *testing.T) { fails(t, cluster.Options{URLs: urls, Room: "a.b"}, cluster.ErrName) })
	t.Run("replicas", func(t *testing.T) {
		fails(t, cluster.Options{URLs: urls, Room: "three", Replicas: 3}, cluster.ErrReplicas)
	})
	streams := map[string]struct {
		config jetstream.StreamConfig
		want   error
	}{
		"foreign":  {jetstream.StreamConfig{Name: "CHAT_foreign", Subjects: []string{"orders.*"}}, cluster.ErrForeign},
		"overlap":  {jetstream.StreamConfig{Name: "EVERYTHING", Subjects: []string{"chat.overlap.>"}}, cluster.ErrForeign},
		"newer":    {jetstream.StreamConfig{Name: "CHAT_newer", Subjects: []string{"chat.newer.log.*"}, Metadata: map[string]string{"chat_format": "2", "chat_room": "0123456789abcdef"}}, cluster.ErrNewer},
		"subjects": {jetstream.StreamConfig{Name: "CHAT_subjects", Subjects: []string{"x.*"}, Metadata: map[string]string{"chat_format": "1", "chat_room": "0123456789abcdef"}}, cluster.ErrForeign},
	}
	for room, c := range streams {
		t.Run(room, func(t *testing.T) {
			before, err := js.CreateStream(t.Context(), c.config)
			if err != nil {
				t.Fatal(err)
			}
			fails(t, cluster.Options{URLs: urls, Room: room}, c.want)
			after, err := js.Stream(t.Context(), c.config.Name)
			if err != nil || after.CachedInfo().Created != before.CachedInfo().Created || after.CachedInfo().State.LastSeq != 0 {
				t.Errorf("the stream was changed: %+v, %v", after, err)
			}
		})
	}
	t.Run("rejected", func(t *testing.T) {
		began := time.Now()
		if c, err := cluster.Open(t.Context(), cluster.Options{URLs: urls, Room: "many", Replicas: 6, Log: logTo(t)}); err == nil {
			c.Close()
			t.Error("there are 6 replicas")
		} else if time.Since(began) > 10*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		} else {
			t.Log(err)
		}
	})
	t.Run("unreachable", func(t *testing.T) {
		t.Parallel() // it waits for connectTimeout
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		fails(t, cluster.Options{URLs: []string{"nats://user:hidden@" + ln.Addr().String()}, Room: "kitchen"}, cluster.ErrUnreachable)
	})
}

func TestOpenWithoutPermission(t *testing.T) {
	t.Parallel()
	s := startServers(t, 1, `
accounts {
  A: { jetstream: enabled, users: [
    { user: all, password: p },
    { user: reads, password: p, permissions: { publish: { deny: "chat.*.log.*" } } },
    { user: none, password: p, permissions: { publish: { deny: "$JS.API.>" } } },
  ] }
  B: { users: [{ user: b, password: p }] }
}`)
	as := func(user string) []string {
		return []string{strings.Replace(s.URLs()[0], "nats://", "nats://"+user+"@", 1)}
	}
	open(t, as("all:p"), "kitchen")
	t.Run("password", func(t *testing.T) {
		fails(t, cluster.Options{URLs: as("all:wrong"), Room: "kitchen"}, cluster.ErrCredentials)
	})
	t.Run("reads", func(t *testing.T) {
		t.Parallel()
		fails(t, cluster.Options{URLs: as("reads:p"), Room: "kitchen"}, cluster.ErrPermission)
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		fails(t, cluster.Options{URLs: as("none:p"), Room: "kitchen"}, cluster.ErrPermission)
	})
	t.Run("no JetStream", func(t *testing.T) {
		t.Parallel()
		fails(t, cluster.Options{URLs: as("b:p"), Room: "kitchen"}, cluster.ErrNoJetStream)
	})
	t.Run("file", func(t *testing.T) {
		junk := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(junk, []byte("not credentials"), 0o600); err != nil {
			t.Fatal(err)
		}
		fails(t, cluster.Options{URLs: as("all:p"), Room: "kitchen", Creds: junk}, cluster.ErrCredsFile)
	})
	t.Run("no file", func(t *testing.T) {
		fails(t, cluster.Options{URLs: as("all:p"), Room: "kitchen", Creds: filepath.Join(t.TempDir(), "x")}, cluster.ErrCredsFile)
	})
	t.Run("no TLS", func(t *testing.T) {
		t.Parallel()
		fails(t, cluster.Options{URLs: []string{strings.Replace(s.URLs()[0], "nats://", "tls://", 1)}, Room: "kitchen"}, cluster.ErrTLS)
	})
}

// TestOpenWithoutJetStream has a server that was started without -js: it answers no request to JetStream.
func TestOpenWithoutJetStream(t *testing.T) {
	t.Parallel()
	binary, err := natsserver.Binary(t.Context())
	if err != nil {
		chattest.Missing(t, "no nats-server: "+err.Error())
	}
	dir := t.TempDir()
	server := exec.Command(binary, "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", dir)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	var ports struct{ Nats []string }
	for until := time.Now().Add(20 * time.Second); len(ports.Nats) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the server does not say where it is")
		}
		if paths, _ := filepath.Glob(filepath.Join(dir, "*.ports")); len(paths) == 1 {
			data, _ := os.ReadFile(paths[0])
			_ = json.Unmarshal(data, &ports) // it may be written right now
		}
	}
	fails(t, cluster.Options{URLs: ports.Nats[:1], Room: "kitchen"}, cluster.ErrNoJetStream)
}

func TestCheckURL(t *testing.T) {
	for _, good := range []string{"a", "a:4222", "nats://a:4222", "tls://user:secret@a", "wss://a:443/", "nats://[::1]:4222"} {
		if err := cluster.CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "http://a", "nats://", "nats://:4222", "::::", "nats://user:secret@a:port", "http://user:secret@a", "a:4222/room", "a b"} {
		if err := cluster.CheckURL(bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSharedIsMadeOnce(t *testing.T) {
	relays := []*cluster.Cluster{open(t, servers(t), "shared"), open(t, servers(t), "shared"), open(t, servers(t), "shared")}
	values := make([]string, len(relays))
	var sharing sync.WaitGroup
	for i, c := range relays {
		sharing.Go(func() {
			value, err := c.Shared(t.Context(), "key", func() ([]byte, error) { return []byte(c.Relay()), nil })
			if err != nil {
				t.Error(err)
			}
			values[i] = string(value)
		})
	}
	sharing.Wait()
	if values[0] != values[1] || values[1] != values[2] || values[0] == "" {
		t.Errorf("the relays have %q", values)
	}
	broken := errors.New("no entropy")
	if _, err := relays[0].Shared(t.Context(), "other", func() ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got error %v", err)
	}
}

// TestRelaysOpenOneRoom has several relays make the same room at the same time.
func TestRelaysOpenOneRoom(t *testing.T) {
	urls := servers(t)
	ids := make([]string, 5)
	var opening sync.WaitGroup
	for i := range ids {
		opening.Go(func() {
			c, err := cluster.Open(t.Context(), cluster.Options{URLs: urls, Room: "race", Log: logTo(t)})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			ids[i] = c.Common().ID + c.Common().Secret
			if s := c.Status(); !s.Connected || s.Replicas != 1 || s.Server == "" || s.Waiting != 0 {
				t.Errorf("the status is %+v", s)
			}
		})
	}
	opening.Wait()
	for _, id := range ids {
		if id != ids[0] || len(id) < 16+26 {
			t.Fatalf("the relays are in %q", ids)
		}
	}
}

// readError reads until an error comes.
func readError(t *testing.T, c *cluster.Cluster, after uint64) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return c.Read(ctx, after, func(journal.Record) error { return nil })
}

func TestReadErrors(t *testing.T) {
	js := admin(t, servers(t)[0])
	c := open(t, servers(t), "errors")
	c.SetPatience(500 * time.Millisecond)
	for range 10 {
		if err := c.Append(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	// What anyone may have put into the stream is passed over.
	if _, err := js.Publish(t.Context(), "chat.errors.log.byhand", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := c.Append(t.Context(), []byte("behind")); err != nil {
		t.Fatal(err)
	}
	if records := read(t, c, 9, 2); records[0].Position != 10 || records[1].Position != 12 || string(records[1].Data) != "behind" {
		t.Errorf("around a message that is not a record are %+v", records)
	}
	stream, err := js.Stream(t.Context(), "CHAT_errors")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(5)); err != nil {
		t.Fatal(err)
	}
	if err := readError(t, c, 2); !errors.Is(err, journal.ErrTrimmed) {
		t.Errorf("records that are gone: %v", err)
	}
	if got := read(t, c, 4, 1); got[0].Position != 5 {
		t.Errorf("the first record is %d", got[0].Position)
	}
	// Even if all records of a relay are gone, it appends.
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Append(t.Context(), []byte("y")); err != nil {
		t.Errorf("append after a purge: %v", err)
	}
	if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "chat.errors.log.future", Header: nats.Header{"Chat-Format": {"2"}}}); err != nil {
		t.Fatal(err)
	}
	if err := readError(t, c, 12); !errors.Is(err, cluster.ErrNewer) {
		t.Errorf("a newer record: %v", err)
	}
	if err := c.SaveSnapshot(t.Context(), 13, nil); err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteStream(t.Context(), "CHAT_errors"); err != nil {
		t.Fatal(err)
	}
	if err := readError(t, c, 13); !errors.Is(err, cluster.ErrGone) {
		t.Errorf("read from a deleted stream: %v", err)
	}
	if err := c.Append(t.Context(), []byte("x")); !errors.Is(err, cluster.ErrGone) {
		t.Errorf("append to a deleted stream: %v", err)
	}
	// Another room of its name is not this room, and has nothing of it.
	if other := open(t, servers(t), "errors"); other.Common().ID == c.Common().ID || other.Common().Secret == c.Common().Secret {
		t.Errorf("the next room has %+v", other.Common())
	} else if at, _, err := other.Snapshot(t.Context()); at != 0 || err != nil {
		t.Errorf("the next room has a snapshot of %d, %v", at, err)
	}
	if err := readError(t, c, 0); !errors.Is(err, cluster.ErrGone) {
		t.Errorf("read from another stream: %v", err)
	}
	if err := c.Append(t.Context(), []byte("x")); !errors.Is(err, cluster.ErrGone) {
		t.Errorf("append to another stream: %v", err)
	}
}

// TestReadRunsAlong reads while records come, and stops when it should.
func TestReadRunsAlong(t *testing.T) {
	c := open(t, servers(t), "along")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan journal.Record)
	done := make(chan error, 1)
	go func() {
		done <- c.Read(ctx, 0, func(r journal.Record) error { got <- r; return nil })
	}()
	for i := range 3 {
		if err := c.Append(ctx, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if r := <-got; r.Data[0] != byte(i) || r.Relay != c.Relay() {
			t.Errorf("record %d is %+v", i, r)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("read ends with %v", err)
	}
	broken := errors.New("broken")
	if err := c.Read(t.Context(), 0, func(journal.Record) error { return broken }); err != broken {
		t.Errorf("the error of the receiver comes back as %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Append(canceled, []byte("not stored")); !errors.Is(err, context.Canceled) {
		t.Errorf("append with a context that has ended: %v", err)
	}
	if err := c.Append(t.Context(), make([]byte, journal.MaxRecord+1)); err == nil {
		t.Error("a record that is too large was appended")
	}
	if err := c.Append(t.Context(), make([]byte, journal.MaxRecord)); err != nil {
		t.Error(err)
	}
	if records := read(t, c, 3, 1); len(records[0].Data) != journal.MaxRecord {
		t.Errorf("the largest record has %d bytes", len(records[0].Data))
	}
}

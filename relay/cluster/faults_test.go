package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat/relay/cluster"
	"chat/relay/journal"
	"chat/scripts/chattest"
	"chat/scripts/natsserver"
)

// A writing is relays that append numbered records, and others that read them, while a test breaks servers.
type writing struct {
	t        *testing.T
	relays   []*cluster.Cluster
	stop     context.CancelFunc
	acked    []atomic.Int64 // by relay: how many of its records are acknowledged
	appended sync.WaitGroup
	readers  []*reading
	read     sync.WaitGroup
}

// A reading is the records that a relay has read.
type reading struct {
	mu      sync.Mutex
	records []journal.Record // guarded by mu
}

func (r *reading) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.records)
}

// write has three relays append as fast as they can, and read.
func write(t *testing.T, urls []string) *writing {
	w := &writing{t: t, acked: make([]atomic.Int64, 3)}
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	for i := range 3 {
		c := open(t, urls, "faults")
		w.relays = append(w.relays, c)
		w.appended.Go(func() {
			for n := int64(0); ctx.Err() == nil; n++ {
				// The context of the test: a record that has been begun is stored.
				if err := c.Append(t.Context(), fmt.Appendf(nil, "%d", n)); err != nil {
					t.Errorf("relay %d: %v", i, err)
					return
				}
				w.acked[i].Store(n + 1)
				time.Sleep(time.Millisecond) // the disk is shared with other tests
			}
		})
		r := new(reading)
		w.readers = append(w.readers, r)
		w.read.Go(func() {
			err := c.Read(t.Context(), 0, func(record journal.Record) error {
				r.mu.Lock()
				r.records = append(r.records, record)
				r.mu.Unlock()
				if string(record.Data) == "end" {
					return errEnd
				}
				return nil
			})
			if !errors.Is(err, errEnd) {
				t.Errorf("reader %d: %v", i, err)
			}
		})
	}
	return w
}

var errEnd = errors.New("end")

// store has one relay store files until stop is called, and another one read each of them.
func (w *writing) store(size int) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var storing sync.WaitGroup
	stored := 0
	storing.Go(func() {
		for ; ctx.Err() == nil; stored++ {
			name := fmt.Sprint("file", stored)
			_, sum, err := w.relays[0].PutFile(w.t.Context(), name, bytes.NewReader(content(size+stored)))
			if err != nil {
				w.t.Error(err)
				return
			}
			file, err := w.relays[1].OpenFile(w.t.Context(), name)
			if err != nil {
				w.t.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, file.Reader()); err != nil || file.SHA256 != sum {
				w.t.Errorf("file %d: %v", stored, err)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	return func() {
		cancel()
		storing.Wait()
		w.t.Logf("%d files are whole", stored)
	}
}

// more waits until each relay has had n more records acknowledged.
func (w *writing) more(n int64) {
	w.t.Helper()
	began := time.Now()
	var wanted [3]int64
	for i := range w.acked {
		wanted[i] = w.acked[i].Load() + n
	}
	for i := range w.acked {
		for w.acked[i].Load() < wanted[i] {
			if time.Since(began) > time.Minute {
				w.t.Fatalf("relay %d has %d records acknowledged, want %d; its status is %+v", i, w.acked[i].Load(), wanted[i], w.relays[i].Status())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	acked := time.Since(began)
	for i, r := range w.readers {
		for r.count() < int(wanted[0]+wanted[1]+wanted[2]) {
			if time.Since(began) > time.Minute {
				w.t.Fatalf("relay %d has read %d records", i, r.count())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	w.t.Logf("%d more acknowledged after %v, read after %v", n, acked.Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond))
}

// check ends the writing, and compares the records read with the acknowledgements.
func (w *writing) check() {
	w.t.Helper()
	w.stop()
	w.appended.Wait()
	if err := w.relays[0].Append(w.t.Context(), []byte("end")); err != nil {
		w.t.Fatal(err)
	}
	w.read.Wait()
	first := w.readers[0].records
	next := map[string]int64{}
	for i, r := range first {
		if r.Position != uint64(i+1) {
			w.t.Fatalf("record %d is at %d", i+1, r.Position)
		}
		if string(r.Data) == "end" {
			break
		}
		if got, want := string(r.Data), fmt.Sprint(next[r.Relay]); got != want {
			w.t.Fatalf("record %s of relay %s comes where %s belongs", got, r.Relay, want)
		}
		next[r.Relay]++
	}
	total := int64(0)
	for i, c := range w.relays {
		if got, want := next[c.Relay()], w.acked[i].Load(); got != want {
			w.t.Errorf("%d records of relay %d were read, %d acknowledged", got, i, want)
		}
		total += next[c.Relay()]
	}
	for _, r := range w.readers[1:] {
		if !slices.EqualFunc(first, r.records, func(a, b journal.Record) bool {
			return a.Position == b.Position && a.Relay == b.Relay && a.Time.Equal(b.Time) && string(a.Data) == string(b.Data)
		}) {
			w.t.Errorf("the relays read different records")
		}
	}
	w.t.Logf("%d records: each is there once, in the order of its relay, and all read the same", total)
}

// leader returns the server that leads the room's stream.
func (w *writing) leader(s *natsserver.Cluster) *natsserver.Server {
	w.t.Helper()
	for range 200 {
		if _, err := w.relays[0].End(w.t.Context()); err != nil { // asks for the leader, too
			w.t.Fatal(err)
		}
		if server := s.Named(w.relays[0].Status().Leader); server != nil {
			return server
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.t.Fatal("the stream has no leader")
	return nil
}

// TestServersFail kills and pauses servers of a cluster of three while three relays write.
func TestServersFail(t *testing.T) {
	t.Parallel() // most of the time it waits for elections
	s := startServers(t, 3)
	w := write(t, s.URLs())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w.more(100)
	if status := w.relays[0].Status(); status.Replicas != 3 || len(status.Servers) != 3 {
		t.Errorf("the status is %+v", status)
	}
	stopStoring := w.store(600_000)
	leader := w.leader(s)
	t.Logf("kill the leader, %s", leader.Name)
	leader.Kill()
	w.more(100)
	must(leader.Start())
	must(s.Ready(t.Context()))
	leader = w.leader(s)
	follower := s.Servers[(slices.Index(s.Servers, leader)+1)%3]
	t.Logf("kill a follower, %s", follower.Name)
	follower.Kill()
	w.more(100)
	must(follower.Start())
	must(s.Ready(t.Context()))
	leader = w.leader(s)
	t.Logf("pause the leader, %s", leader.Name)
	must(leader.Pause())
	w.more(100)
	must(leader.Resume())
	w.more(100)
	t.Log("let the leaders step down")
	js := admin(t, strings.Join(s.URLs(), ","))
	for range 3 {
		for _, stream := range []string{"CHAT_faults", "CHATFILES_faults"} {
			// Without a leader, a stream does not answer.
			if _, err := js.Conn().Request("$JS.API.STREAM.LEADER.STEPDOWN."+stream, nil, time.Second); err != nil {
				t.Log(err)
			}
		}
		w.more(20)
	}
	t.Log("kill all three")
	for _, server := range s.Servers {
		server.Kill()
	}
	for c := w.relays[0]; c.Status().Connected || c.Status().Waiting < time.Second; time.Sleep(50 * time.Millisecond) {
		if t.Context().Err() != nil {
			t.Fatalf("the status is %+v", c.Status())
		}
	}
	for _, server := range s.Servers {
		must(server.Start())
	}
	w.more(100)
	stopStoring()
	w.check()
}

// TestServerRestarts kills the only server while relays write.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	s := startServers(t, 1)
	w := write(t, s.URLs())
	for range 3 {
		w.more(50)
		s.Servers[0].Kill()
		if err := s.Servers[0].Start(); err != nil {
			t.Fatal(err)
		}
	}
	w.more(50)
	w.check()
}

// TestServerLosesRecords replaces a server's data by an old copy: relays that know more must not continue.
func TestServerLosesRecords(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		chattest.Missing(t, "stopping a process in order needs Unix")
	}
	s := startServers(t, 1)
	c := open(t, s.URLs(), "lost")
	c.SetPatience(time.Second)
	several := func() {
		t.Helper()
		for range 10 {
			if err := c.Append(t.Context(), []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	several()
	server := s.Servers[0]
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(server.Data())); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	several()
	server.Kill()
	if err := os.RemoveAll(server.Data()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(copied, server.Data()); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := readError(t, c, 20); !errors.Is(err, cluster.ErrLost) {
		t.Errorf("read: %v", err)
	}
	if err := c.Append(t.Context(), []byte("x")); !errors.Is(err, cluster.ErrLost) {
		t.Errorf("append: %v", err)
	}
	if records := read(t, open(t, s.URLs(), "lost"), 0, 10); len(records) != 10 {
		t.Errorf("a new relay reads %d records", len(records))
	}
}

// TestInterruptedAppend gives up records that the server may have stored, and appends others.
func TestInterruptedAppend(t *testing.T) {
	t.Parallel()
	s := startServers(t, 1)
	c := open(t, s.URLs(), "interrupted")
	server := s.Servers[0]
	for n := range 3 {
		if err := server.Pause(); err != nil {
			chattest.Missing(t, "cannot pause a process: "+err.Error())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond) // it was sent, and its answer is waited for once
		if err := c.Append(ctx, fmt.Appendf(nil, "given up %d", n)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("append to a paused server: %v", err)
		}
		cancel()
		if err := server.Resume(); err != nil {
			t.Fatal(err)
		}
		if err := c.Append(t.Context(), fmt.Appendf(nil, "kept %d", n)); err != nil {
			t.Fatal(err)
		}
	}
	end, err := c.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range read(t, c, 0, int(end)) {
		got = append(got, string(r.Data))
	}
	t.Logf("stored: %q", got)
	for n, next := 0, 0; n < 3; n++ {
		if next < len(got) && got[next] == fmt.Sprint("given up ", n) {
			next++
		}
		if next >= len(got) || got[next] != fmt.Sprint("kept ", n) {
			t.Fatalf("at %d is not record %d", next, n)
		}
		if next++; n == 2 && next != len(got) {
			t.Fatalf("%d records are stored", len(got))
		}
	}
}

package relay_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay"
	"chat/relay/internal/fanout"
)

// A listener is a connection whose peer reads everything at once, and counts the writes.
type listener struct {
	net.Conn // nil; for the methods that are never called
	said     chan string
	closed   chan struct{}
	close    sync.Once
	deadline atomic.Value // time.Time, of reads
	writes   atomic.Int64
	lines    atomic.Int64
}

func newListener() *listener {
	return &listener{said: make(chan string), closed: make(chan struct{})}
}

func (l *listener) Read(p []byte) (int, error) {
	var timeout <-chan time.Time
	if at, _ := l.deadline.Load().(time.Time); !at.IsZero() {
		timeout = time.After(time.Until(at))
	}
	select {
	case said := <-l.said:
		return copy(p, said), nil
	case <-l.closed:
		return 0, io.EOF
	case <-timeout:
		return 0, os.ErrDeadlineExceeded
	}
}

func (l *listener) WriteEagerly(w *fanout.Writer, runs [][]byte) ([][]byte, error) {
	for len(runs) > 0 {
		pieces, size := w.Gather(runs)
		l.writes.Add(1)
		for _, b := range pieces {
			l.lines.Add(int64(strings.Count(string(b), "\n")))
		}
		runs = fanout.After(runs, size)
	}
	return nil, nil
}

func (l *listener) Write(p []byte) (int, error)        { return len(p), nil }
func (l *listener) Close() error                       { l.close.Do(func() { close(l.closed) }); return nil }
func (l *listener) RemoteAddr() net.Addr               { return &net.UnixAddr{} }
func (l *listener) LocalAddr() net.Addr                { return &net.UnixAddr{} }
func (l *listener) SetDeadline(t time.Time) error      { return l.SetReadDeadline(t) }
func (l *listener) SetReadDeadline(t time.Time) error  { l.deadline.Store(t); return nil }
func (l *listener) SetWriteDeadline(t time.Time) error { return nil }

// withListeners runs test with a room of n listeners, the first of which sends.
func withListeners(t *testing.T, n int, test func(all []*listener)) {
	synctest.Test(t, func(t *testing.T) {
		srv := relay.New(relay.Options{Rate: -1, MaxSessions: -1, Log: slog.New(slog.DiscardHandler)})
		var served sync.WaitGroup
		all := make([]*listener, n)
		for i := range all {
			all[i] = newListener()
			served.Go(func() { srv.ServeConn(context.Background(), all[i]) })
		}
		time.Sleep(time.Minute) // until the greetings and joins are written
		test(all)
		for _, l := range all {
			l.Close()
		}
		served.Wait()
	})
}

// Lines that arrive in one read go out in one write to each session; a line that arrives
// separately has its own write.
func TestBroadcastWritesNoMoreThanItMust(t *testing.T) {
	const sessions, lines = 50, 100
	withListeners(t, sessions, func(all []*listener) {
		count := func(said ...string) (writes, got int64) {
			for _, l := range all {
				l.writes.Store(0)
				l.lines.Store(0)
			}
			for _, s := range said {
				all[0].said <- s
				synctest.Wait()
			}
			for _, l := range all[1:] {
				writes += l.writes.Load()
				got += l.lines.Load()
			}
			return writes, got
		}
		if writes, got := count(strings.Repeat("soup\n", lines)); writes != sessions-1 || got != lines*(sessions-1) {
			t.Errorf("%d lines in one read went out as %d lines in %d writes to %d sessions, want one each", lines, got, writes, sessions-1)
		}
		apart := make([]string, lines)
		for i := range apart {
			apart[i] = "soup\n"
		}
		if writes, got := count(apart...); writes != lines*(sessions-1) || got != writes {
			t.Errorf("%d lines apart went out as %d lines in %d writes to %d sessions, want %[1]d each", lines, got, writes, sessions-1)
		}
		if own := all[0].lines.Load(); own != 0 {
			t.Errorf("the speaker got %d of its own lines", own)
		}
	})
}

// A broadcast allocates memory for the message, not for each session.
func TestBroadcastAllocatesNothingForASession(t *testing.T) {
	const rounds = 200
	allocations := func(sessions int) (n int) {
		withListeners(t, sessions, func(all []*listener) {
			say := func() {
				all[0].said <- "soup\n"
				synctest.Wait()
			}
			say()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range rounds {
				say()
			}
			runtime.ReadMemStats(&after)
			n = int(after.Mallocs-before.Mallocs) / rounds
		})
		return n
	}
	few, many := allocations(20), allocations(220)
	t.Logf("%d allocations for a broadcast to 20 sessions, %d to 220", few, many)
	if many-few > 20 {
		t.Errorf("200 sessions more make %d allocations more, want none", many-few)
	}
}

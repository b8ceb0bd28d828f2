package logging

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueueWritesInOrder(t *testing.T) {
	var out bytes.Buffer
	q := NewQueue(&out)
	var want strings.Builder
	for i := range QueueLines {
		fmt.Fprintf(q, "line %d\n", i)
		fmt.Fprintf(&want, "line %d\n", i)
	}
	q.Close()
	if out.String() != want.String() {
		t.Errorf("wrote %q", out.String())
	}
}

// A goroutine that still logs while the host shuts down must not panic.
func TestQueueWriteAfterClose(t *testing.T) {
	var out bytes.Buffer
	q := NewQueue(&out)
	q.Close()
	if n, err := q.Write([]byte("late\n")); n != 5 || err != nil {
		t.Errorf("Write after Close: %d, %v", n, err)
	}
	q.Close()
	if out.Len() > 0 {
		t.Errorf("wrote %q after Close", out.String())
	}
}

func TestQueueWriteDuringClose(t *testing.T) {
	for range 100 {
		q := NewQueue(&bytes.Buffer{})
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				for range 50 {
					q.Write([]byte("line\n"))
				}
			})
		}
		q.Close()
		writers.Wait()
	}
}

// A stuck is an output that blocks until it is released.
type stuck struct {
	release chan struct{}
	out     bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.release
	return s.out.Write(p)
}

func TestQueueOnAStuckOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{release: make(chan struct{})}
		q := NewQueue(out)
		fmt.Fprintln(q, "first")
		synctest.Wait() // its writer is stuck in it
		for i := range QueueLines + 7 {
			fmt.Fprintln(q, i)
		}
		began := time.Now()
		q.Close()
		if took := time.Since(began); took != closeTimeout {
			t.Errorf("Close took %v, want %v", took, closeTimeout)
		}
		fmt.Fprintln(q, "late")
		close(out.release)
		<-q.written
		if got := out.out.String(); !strings.HasPrefix(got, "first\n7 log lines dropped: ") || !strings.HasSuffix(got, fmt.Sprintf("\n%d\n", QueueLines-1)) {
			t.Errorf("wrote %q", got)
		}
	})
}

func TestNew(t *testing.T) {
	for _, test := range []struct {
		name string
		opts Options
		want string
	}{
		{"text", Options{}, `level=INFO msg=hello nick=bob`},
		{"JSON", Options{JSON: true}, `"level":"INFO","msg":"hello","nick":"bob"}`},
		{"bare", Options{Bare: true}, `hello (nick bob)`},
		{"only warnings", Options{Level: slog.LevelWarn}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			New(&out, test.opts).Info("hello", "nick", "bob")
			got := strings.TrimSpace(out.String())
			if test.opts.Bare && got != test.want || !strings.HasSuffix(got, test.want) || test.want == "" && got != "" {
				t.Errorf("logged %q, want %q", got, test.want)
			}
		})
	}
}

func TestLines(t *testing.T) {
	lines := NewLines()
	for i := range QueueLines + 1 {
		fmt.Fprintln(lines, i)
	}
	if got := <-lines; got != "0" || len(lines) != QueueLines-1 {
		t.Errorf("first line %q, %d more", got, len(lines))
	}
}

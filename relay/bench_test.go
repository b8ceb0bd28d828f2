package relay_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"chat/relay"
)

// benchmarkRoom serves a room on loopback and returns n members of it.
func benchmarkRoom(b *testing.B, n int) []net.Conn {
	b.Helper()
	srv := relay.New(relay.Options{
		MaxSessions: -1, MaxPerAddress: -1, Rate: -1, Backlog: -1, Log: slog.New(slog.DiscardHandler),
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- srv.Serve(ctx, ln) }()
	members := make([]net.Conn, n)
	b.Cleanup(func() {
		for _, conn := range members {
			conn.Close()
		}
		stop()
		<-served
	})
	for i := range members {
		if members[i], err = net.Dial("tcp", ln.Addr().String()); err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(members[i], "/nick u%d\n", i)
	}
	for srv.Info().Members < n {
		time.Sleep(10 * time.Millisecond)
	}
	return members
}

// One line at a time, from its sender's write to the last member's read.
func BenchmarkBroadcast(b *testing.B) {
	for _, n := range []int{2, 20, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			members := benchmarkRoom(b, n)
			arrived := make(chan struct{}, n)
			for _, conn := range members[1:] {
				go func() {
					r := bufio.NewReader(conn)
					for {
						line, err := r.ReadSlice('\n')
						if err != nil {
							return
						}
						if line[0] != '*' {
							arrived <- struct{}{}
						}
					}
				}()
			}
			b.ReportAllocs()
			for b.Loop() {
				fmt.Fprintln(members[0], "the soup is ready, come down before it gets cold (again)")
				for range members[1:] {
					<-arrived
				}
			}
		})
	}
}

// The memory of an idle person, in bytes.
func BenchmarkIdleSession(b *testing.B) {
	const sessions = 2000
	for b.Loop() {
		before := memory()
		members := benchmarkRoom(b, sessions)
		time.Sleep(6 * time.Second) // until the joins are announced
		after := memory()
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/sessions, "heap-B/session")
		b.ReportMetric(float64(after.StackInuse-before.StackInuse)/sessions, "stack-B/session")
		runtime.KeepAlive(members)
	}
}

func memory() (m runtime.MemStats) {
	debug.FreeOSMemory()
	runtime.ReadMemStats(&m)
	return m
}

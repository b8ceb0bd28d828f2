package fanout

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"chat/relay/history"
	"chat/relay/wire"
)

func drawRuns(t *rapid.T) (runs [][]byte) {
	for _, n := range rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 100, flatSize - 1, flatSize, flatSize + 1}), 1, 6).Draw(t, "lengths") {
		run := make([]byte, n)
		for i := range run {
			run[i] = byte(i + len(runs))
		}
		runs = append(runs, run)
	}
	return runs
}

// Gather is the start of what remains, and After the rest: no byte is lost or repeated.
func TestRunsAreWrittenWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		runs := drawRuns(t)
		want := bytes.Join(runs, nil)
		var got []byte
		for w := new(Writer); len(runs) > 0; {
			pieces, size := w.Gather(runs)
			next := bytes.Join(pieces, nil)
			if len(next) != size {
				t.Fatalf("%d bytes come next, in pieces of %d", size, len(next))
			}
			if len(next) == 0 || !bytes.HasPrefix(bytes.Join(runs, nil), next) {
				t.Fatalf("%d bytes come next, which are no start of the rest", len(next))
			}
			n := (len(next) + 1) / rapid.SampledFrom([]int{1, 1, 2, len(next) + 1}).Draw(t, "part")
			n = min(n, len(next))
			got = append(got, next[:n]...)
			runs = After(runs, n)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes were written of %d, or others", len(got), len(want))
		}
	})
}

// A testTarget has some pieces to write.
type testTarget struct {
	pieces  int
	begun   bool
	busy    *atomic.Int64
	most    *atomic.Int64
	written int
}

func (t *testTarget) Begin() bool {
	if t.begun || t.pieces == 0 {
		return false
	}
	t.begun = true
	return true
}

func (t *testTarget) WriteSome(*Writer) (more bool) {
	if busy := t.busy.Add(1); busy > t.most.Load() {
		t.most.Store(busy)
	}
	defer t.busy.Add(-1)
	runtime.Gosched()
	t.written++
	t.pieces--
	return t.pieces > 0
}

// Every target is written to until it has nothing more, by one worker at a time; then no worker
// is left.
func TestAllTargetsAreWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rapid.SyncTest(rt, func(rt *rapid.T) {
			f := New()
			f.Attach(history.New(history.Limits{}, f.Wake))
			var busy, most atomic.Int64
			var all []*testTarget
			var want []int
			add := func() *testTarget {
				t := &testTarget{pieces: rapid.IntRange(1, 4).Draw(rt, "pieces"), busy: &busy, most: &most}
				all, want = append(all, t), append(want, t.pieces)
				return t
			}
			var calls sync.WaitGroup
			for range rapid.IntRange(1, 5).Draw(rt, "batches") {
				var list []history.Waiter
				marked := rapid.Bool().Draw(rt, "marked")
				for range rapid.IntRange(1, 3*chunk).Draw(rt, "targets") {
					target := add()
					target.begun = marked
					list = append(list, target)
				}
				calls.Go(func() {
					if marked {
						f.Write(list...)
					} else {
						f.Wake(list)
					}
				})
			}
			calls.Wait()
			synctest.Wait()
			for i, target := range all {
				if target.written != want[i] {
					rt.Fatalf("target %d was written to %d times, want %d", i, target.written, want[i])
				}
			}
			if f.running != 0 || len(f.batches) != 0 {
				rt.Fatalf("%d workers run, with %d batches", f.running, len(f.batches))
			}
			if n := int(most.Load()); n > f.workers {
				rt.Fatalf("%d workers wrote at once, want %d at most", n, f.workers)
			}
		})
	})
}

// tcpPair returns both ends of a TCP connection; ours is as a session has it.
func tcpPair(t *testing.T) (ours net.Conn, theirs *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialed, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return NonBlocking(accepted), dialed.(*net.TCPConn)
}

// What a connection does not take at once is returned, to the byte.
func TestWriteEagerly(t *testing.T) {
	ours, theirs := tcpPair(t)
	eager, ok := ours.(EagerConn)
	if !ok {
		t.Skip("this system has no writes without waiting")
	}
	var runs [][]byte
	for i := range 200 {
		runs = append(runs, bytes.Repeat([]byte{byte(i)}, 100_000+i))
	}
	want := bytes.Join(runs, nil)
	w := new(Writer)
	rest, err := eager.WriteEagerly(w, runs)
	if err != nil || len(rest) == 0 {
		t.Fatalf("a peer that does not read leaves %d runs, %v", len(rest), err)
	}
	after := bytes.Join(rest, nil)
	got := make([]byte, len(want)-len(after))
	if _, err := io.ReadFull(theirs, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(append(got, after...), want) {
		t.Error("the bytes that were written and the rest are not all")
	}
	theirs.SetLinger(0) // Close sends a reset
	theirs.Close()
	for err == nil {
		_, err = eager.WriteEagerly(w, [][]byte{[]byte("x")})
	}
}

// A read without a buffer gets what arrives, after the spare bytes, the end, and errors.
func TestReadLazily(t *testing.T) {
	ours, theirs := tcpPair(t)
	lazy, ok := ours.(wire.LazyReader)
	if !ok {
		t.Skip("this system has no reads without a buffer")
	}
	go func() {
		io.WriteString(theirs, "soup")
		theirs.CloseWrite()
	}()
	const spare = 7
	var got []byte
	for {
		buf, n, err := lazy.ReadLazily(spare)
		if err == nil {
			got = append(got, buf[spare:spare+n]...)
			wire.PutBuffer(buf)
			continue
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("it ended with %v", err)
		}
		break
	}
	if string(got) != "soup" {
		t.Errorf("got %q", got)
	}
	ours.Close()
	if _, _, err := lazy.ReadLazily(spare); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	pipe, _ := net.Pipe()
	defer pipe.Close()
	if NonBlocking(pipe) != pipe {
		t.Error("a pipe is no TCP connection")
	}
}

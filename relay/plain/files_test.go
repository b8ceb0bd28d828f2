package plain_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/files"
	"chat/relay/plain"
	"chat/relay/web"
)

// A watched output can be waited for.
type watched struct {
	mu      sync.Mutex
	b       strings.Builder
	changed chan struct{} // capacity 1
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b.Write(p)
	select {
	case w.changed <- struct{}{}:
	default:
	}
	return len(p), nil
}

// await waits until line was written.
func (w *watched) await(t *testing.T, line string) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		w.mu.Lock()
		got := w.b.String()
		w.mu.Unlock()
		if strings.Contains(got, line+"\n") {
			return
		}
		select {
		case <-w.changed:
		case <-timeout:
			t.Fatalf("no line %q in\n%s", line, got)
		}
	}
}

// hostFiles runs a host that accepts uploads, and returns its address and the folder of the
// uploads.
func hostFiles(t *testing.T) (addr, folder string) {
	t.Helper()
	folder = t.TempDir()
	store, err := files.Open(folder, files.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var page *web.Handler
	srv := relay.New(relay.Options{
		Title: "kitchen",
		Web:   func(conn net.Conn) { page.StartServing(conn) },
		Files: store.Publish,
	})
	page = web.New(srv, web.Options{Files: store})
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() { srv.Serve(ctx, ln) })
	t.Cleanup(func() {
		cancel()
		served.Wait()
		page.Close()
		store.Close()
	})
	return ln.Addr().String(), folder
}

// A person uploads a file and downloads it again, from a real host.
func TestUploadAndDownload(t *testing.T) {
	addr, _ := hostFiles(t)
	c, err := client.Join(t.Context(), client.Options{Addr: addr, Nick: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "soup.txt")
	content := bytes.Repeat([]byte("soup\n"), 200_000)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	in, typed := io.Pipe()
	errs := &watched{changed: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- plain.Run(t.Context(), c, plain.Options{In: plain.Read(in), Out: io.Discard, Err: errs})
	}()
	io.WriteString(typed, "/send '"+path+"'\n")
	errs.await(t, "* uploaded soup.txt")
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	io.WriteString(typed, "/files\n/get 1 "+dir+"\n")
	errs.await(t, "*    1  soup.txt (1.0 MB)")
	saved := filepath.Join(dir, "soup-1.txt")
	errs.await(t, "* saved "+saved+" (1.0 MB)")
	if got, err := os.ReadFile(saved); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the download has %d bytes (%v), want the %d of the upload", len(got), err, len(content))
	}
	typed.Close()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// A stuckConn transfers so many bytes, and then none until it is closed.
type stuckConn struct {
	net.Conn
	left   atomic.Int64
	closed context.Context
	close  context.CancelFunc
}

func stick(conn net.Conn, after int64) *stuckConn {
	s := &stuckConn{Conn: conn}
	s.left.Store(after)
	s.closed, s.close = context.WithCancel(context.Background())
	return s
}

func (s *stuckConn) use(p []byte, transfer func([]byte) (int, error)) (int, error) {
	if s.left.Load() <= 0 {
		<-s.closed.Done()
		return 0, net.ErrClosed
	}
	n, err := transfer(p)
	s.left.Add(int64(-n))
	return n, err
}

func (s *stuckConn) Read(p []byte) (int, error)  { return s.use(p, s.Conn.Read) }
func (s *stuckConn) Write(p []byte) (int, error) { return s.use(p, s.Conn.Write) }
func (s *stuckConn) Close() error                { s.close(); return s.Conn.Close() }

// awaitPart waits until the folder has a partial file with some bytes; if want is false,
// until it has none.
func awaitPart(t *testing.T, folder string, want bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		parts, err := filepath.Glob(filepath.Join(folder, "*.part"))
		if err != nil {
			t.Fatal(err)
		}
		if len(parts) == 0 && !want {
			return
		}
		if len(parts) == 1 && want {
			if info, err := os.Stat(parts[0]); err == nil && info.Size() > 0 {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has %q", folder, parts)
		}
	}
}

// /cancel ends a transfer that does not progress; the connection to the room stays.
func TestCancel(t *testing.T) {
	addr, folder := hostFiles(t)
	var stuck atomic.Bool
	c, err := client.Join(t.Context(), client.Options{Addr: addr, Nick: "bob", Dial: func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil && stuck.Load() {
			conn = stick(conn, 300_000)
		}
		return conn, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "soup.txt")
	if err := os.WriteFile(path, bytes.Repeat([]byte("soup\n"), 400_000), 0o600); err != nil {
		t.Fatal(err)
	}
	in, typed := io.Pipe()
	errs := &watched{changed: make(chan struct{}, 1)}
	var out bytes.Buffer // read after Run
	ended := make(chan error, 1)
	go func() {
		ended <- plain.Run(t.Context(), c, plain.Options{In: plain.Read(in), Out: &out, Err: errs})
	}()
	enter := func(line string) { io.WriteString(typed, line+"\n") }

	stuck.Store(true)
	enter("/send " + path)
	awaitPart(t, folder, true)
	enter("/cancel 1")
	errs.await(t, "! file 1 is not being downloaded")
	enter("/cancel")
	errs.await(t, "* canceled soup.txt")
	awaitPart(t, folder, false)
	enter("/cancel")
	errs.await(t, "! no transfer is running")

	stuck.Store(false)
	enter("/send " + path)
	errs.await(t, "* uploaded soup.txt")
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	stuck.Store(true)
	enter("/get 1 " + dir)
	awaitPart(t, dir, true)
	enter("/cancel soup")
	errs.await(t, "! usage: /cancel [N]")
	enter("/cancel 1")
	errs.await(t, " kept, /get 1 "+dir+" resumes it")

	stuck.Store(false)
	enter("/get 1 " + dir)
	errs.await(t, "* saved "+filepath.Join(dir, "soup-1.txt")+" (2.0 MB)")
	typed.Close()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if strings.Contains(out.String(), "connection lost") {
		t.Errorf("the connection was lost:\n%s", &out)
	}
}

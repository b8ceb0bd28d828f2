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
	"testing"
	"time"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/files"
	"chat/relay/plain"
	"chat/relay/web"
	"chat/relay/wire"
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

// hostFiles runs a host that accepts uploads, and returns its address.
func hostFiles(t *testing.T) string {
	t.Helper()
	store, err := files.Open(t.TempDir(), files.Limits{})
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
		Files: func(id string) (wire.File, string, error) {
			f, err := store.Publish(id)
			return f, "http://" + ln.Addr().String() + f.Path, err
		},
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
	return ln.Addr().String()
}

// A person uploads a file and downloads it again, from a real host.
func TestUploadAndDownload(t *testing.T) {
	c, err := client.Join(t.Context(), client.Options{Addr: hostFiles(t), Nick: "bob"})
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

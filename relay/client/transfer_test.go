package client_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/files"
	"chat/relay/web"
	"chat/relay/wire"
)

// A fileHost is a host that accepts uploads, on an address of its own.
type fileHost struct {
	addr   string
	store  *files.Store
	folder string
}

func hostFiles(t *testing.T, limits files.Limits) *fileHost {
	return hostFilesIn(t, limits, relay.Options{Title: "kitchen"})
}

// hostFilesIn is hostFiles in a room with options.
func hostFilesIn(t *testing.T, limits files.Limits, opts relay.Options) *fileHost {
	t.Helper()
	h := &fileHost{folder: t.TempDir()}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = ln.Addr().String()
	if h.store, err = files.Open(h.folder, limits); err != nil {
		t.Fatal(err)
	}
	var page *web.Handler
	opts.Web, opts.Files = func(conn net.Conn) { page.StartServing(conn) }, h.store.Publish
	srv := relay.New(opts)
	page = web.New(srv, web.Options{Files: h.store})
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() { srv.Serve(ctx, ln) })
	t.Cleanup(func() {
		cancel()
		served.Wait()
		page.Close()
		if err := h.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// enter joins the room, over connections that dial makes; nil: by TCP.
func (h *fileHost) enter(t *testing.T, nick string, dial func(context.Context, string) (net.Conn, error)) *client.Client {
	t.Helper()
	return h.enterAs(t, client.Options{Nick: nick, Dial: dial})
}

// enterAs joins the room with options.
func (h *fileHost) enterAs(t *testing.T, opts client.Options) *client.Client {
	t.Helper()
	opts.Addr = h.addr
	c, err := client.Join(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		go func() {
			for range c.Events() {
			}
		}()
		c.Close()
	})
	return c
}

// awaitFile waits until a file is posted to the room.
func awaitFile(t *testing.T, c *client.Client) (f wire.File, text string) {
	t.Helper()
	for e := range c.Events() {
		if r, ok := e.(client.Received); ok && r.File != nil {
			return *r.File, r.Text
		}
	}
	t.Fatal("the client has ended: ", c.Err())
	return
}

// randomFile creates a file of random bytes, and returns its path and content.
func randomFile(t *testing.T, name string, size int) (string, []byte) {
	t.Helper()
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(content)
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// names returns the names of the files in a folder.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestSendAndGet(t *testing.T) {
	h := hostFiles(t, files.Limits{})
	alice, bob := h.enter(t, "alice", nil), h.enter(t, "bob", nil)
	for _, size := range []int{0, 1, 256 << 10, 256<<10 + 1, 3 << 20} {
		path, content := randomFile(t, "soup recipe.pdf", size)
		var last atomic.Int64
		if err := alice.Send(t.Context(), path, func(p client.Progress) {
			if p.Done < last.Swap(p.Done) || p.Total != int64(size) || p.Waiting != nil {
				t.Errorf("progress is %+v", p)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if err := alice.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if last.Load() != int64(size) {
			t.Errorf("progress ended at %d bytes, want %d", last.Load(), size)
		}
		f, text := awaitFile(t, bob)
		if want := fmt.Sprintf("%x", sha256.Sum256(content)); f.Size != int64(size) || f.SHA256 != want || f.Name != "soup recipe.pdf" {
			t.Errorf("got %+v, want %d bytes with %s", f, size, want)
		}
		if want := ": " + f.Path; !strings.HasPrefix(text, "sent soup recipe.pdf (") || !strings.HasSuffix(text, want) {
			t.Errorf("said %q, with %s", text, want)
		}
		if known := bob.Files(); !slices.Contains(known, f) {
			t.Errorf("bob knows %v", known)
		}
		dir := t.TempDir()
		for _, name := range []string{"soup recipe.pdf", "soup recipe-1.pdf", "soup recipe-2.pdf"} {
			got, err := bob.Get(t.Context(), f, dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(dir, name); got != want || !bytes.Equal(mustRead(t, got), content) {
				t.Errorf("it is in %s, want %s", got, want)
			}
		}
		if list := names(t, dir); len(list) != 3 {
			t.Errorf("the folder has %q", list)
		}
	}
}

// The host's own client connects through a pipe.
func TestSendOverPipe(t *testing.T) {
	h := hostFiles(t, files.Limits{})
	c := h.enter(t, "alice", func(ctx context.Context, addr string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		over, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		go func() { io.Copy(over, theirs); over.Close() }()
		go func() { io.Copy(theirs, over); theirs.Close() }()
		return ours, nil
	})
	path, content := randomFile(t, "soup.bin", 1<<20)
	if err := c.Send(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	f, _ := awaitFile(t, c)
	got, err := c.Get(t.Context(), f, t.TempDir(), nil)
	if err != nil || !bytes.Equal(mustRead(t, got), content) {
		t.Error(got, err)
	}
}

// A breaker makes connections that break after a number of bytes in both directions together;
// 0: never.
type breaker struct {
	after  atomic.Int64
	broken atomic.Int64 // how many did
}

func (b *breaker) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &breaking{Conn: conn, b: b, after: b.after.Load()}, nil
}

type breaking struct {
	net.Conn
	b     *breaker
	after int64
	used  atomic.Int64
}

func (c *breaking) use(n int, err error) (int, error) {
	if c.after > 0 && c.used.Add(int64(n)) > c.after {
		c.b.broken.Add(1)
		c.Conn.Close()
		return n, errors.New("the cable is pulled")
	}
	return n, err
}

func (c *breaking) Read(p []byte) (int, error)  { return c.use(c.Conn.Read(p)) }
func (c *breaking) Write(p []byte) (int, error) { return c.use(c.Conn.Write(p)) }

// Uploads and downloads resume when connections break, and no byte is wrong.
func TestBrokenConnections(t *testing.T) {
	h := hostFiles(t, files.Limits{})
	var cable breaker
	c := h.enter(t, "alice", cable.dial) // this one lasts
	cable.after.Store(1500 << 10)
	path, content := randomFile(t, "soup.bin", 8<<20)
	if err := c.Send(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	up := cable.broken.Load()
	f, _ := awaitFile(t, c)
	got, err := c.Get(t.Context(), f, t.TempDir(), nil)
	if err != nil || !bytes.Equal(mustRead(t, got), content) {
		t.Error(got, err)
	}
	if down := cable.broken.Load() - up; up < 4 || down < 4 || up > 12 || down > 12 {
		t.Errorf("the connection broke %d times on the way up and %d on the way down", up, down)
	}
	if list := names(t, h.folder); slices.ContainsFunc(list, func(name string) bool { return strings.HasSuffix(name, ".part") }) {
		t.Errorf("the host's folder has %q", list)
	}
}

// A canceled download is continued by the next Get.
func TestGetContinues(t *testing.T) {
	h := hostFiles(t, files.Limits{})
	c := h.enter(t, "alice", nil)
	path, content := randomFile(t, "soup.bin", 4<<20)
	if err := c.Send(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	f, _ := awaitFile(t, c)
	for name, spoil := range map[string]bool{"intact": false, "changed in between": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, interrupt := context.WithCancel(t.Context())
			_, err := c.Get(ctx, f, dir, func(p client.Progress) {
				if p.Done > 1<<20 {
					interrupt()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			list := names(t, dir)
			if len(list) != 1 || !strings.HasPrefix(list[0], "soup.bin.") || !strings.HasSuffix(list[0], ".part") {
				t.Fatalf("the folder has %q", list)
			}
			part := mustRead(t, filepath.Join(dir, list[0]))
			if spoil {
				part[17] ^= 1
				if err := os.WriteFile(filepath.Join(dir, list[0]), part, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			first := int64(-1)
			got, err := c.Get(t.Context(), f, dir, func(p client.Progress) {
				if first < 0 {
					first = p.Done
				}
			})
			if err != nil || !bytes.Equal(mustRead(t, got), content) {
				t.Error(got, err)
			}
			if first != int64(len(part)) {
				t.Errorf("it continued at byte %d, want %d", first, len(part))
			}
		})
	}
}

// A canceled upload is deleted on the host, a canceled download leaves no empty file, and
// the connection to the room stays.
func TestCanceledTransfers(t *testing.T) {
	h := hostFiles(t, files.Limits{})
	c := h.enter(t, "alice", nil)
	path, content := randomFile(t, "soup.bin", 8<<20)
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Send(ctx, path, func(p client.Progress) {
		if p.Done > 1<<20 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	isPart := func(name string) bool { return strings.HasSuffix(name, ".part") }
	for deadline := time.Now().Add(30 * time.Second); slices.ContainsFunc(names(t, h.folder), isPart); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the host's folder has %q", names(t, h.folder))
		}
	}
	if err := c.Send(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	f, _ := awaitFile(t, c)
	dir := t.TempDir()
	ctx, cancel = context.WithCancel(t.Context())
	if _, err := c.Get(ctx, f, dir, func(client.Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if list := names(t, dir); len(list) != 0 {
		t.Errorf("the folder has %q", list)
	}
	got, err := c.Get(t.Context(), f, dir, nil)
	if err != nil || !bytes.Equal(mustRead(t, got), content) {
		t.Error(got, err)
	}
	if _, err := c.Say(t.Context(), "soup is ready"); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	for range len(c.Events()) {
		if e, ok := (<-c.Events()).(client.Disconnected); ok {
			t.Errorf("the connection was lost: %v", e.Err)
		}
	}
}

func TestTypedCancel(t *testing.T) {
	for _, test := range []struct {
		running []uint64
		typed   string
		want    uint64
		err     string
	}{
		{nil, "", 0, "no transfer is running"},
		{nil, "3", 0, "no transfer is running"},
		{[]uint64{0}, "", 0, ""},
		{[]uint64{0, 3}, " ", 0, ""},
		{[]uint64{0, 3}, "3", 3, ""},
		{[]uint64{0, 3}, " #3 ", 3, ""},
		{[]uint64{0, 3}, "4", 0, "file 4 is not being downloaded"},
		{[]uint64{0, 3}, "0", 0, "usage: /cancel [N]"},
		{[]uint64{0, 3}, "3 4", 0, "usage: /cancel [N]"},
		{nil, "soup", 0, "usage: /cancel [N]"},
	} {
		got, err := client.TypedCancel(test.running, test.typed)
		if got != test.want || fmt.Sprint(err) != cmp.Or(test.err, "<nil>") {
			t.Errorf("%v %q: %d, %v, want %d, %s", test.running, test.typed, got, err, test.want, test.err)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	h := hostFiles(t, files.Limits{MaxFile: 1000})
	c := h.enter(t, "alice", nil)
	path, _ := randomFile(t, "soup.bin", 1001)
	for _, test := range []struct{ path, want string }{
		{path, "the host says: a file has at most 1000 B here"},
		{filepath.Dir(path), "it is a folder; pack it first (zip, tar)"},
		{filepath.Join(t.TempDir(), "nothing"), "cannot read the file: no such file or directory"},
		{os.DevNull, "not a regular file"},
	} {
		if err := c.Send(t.Context(), test.path, nil); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.path, err, test.want)
		}
	}
	dir := t.TempDir()
	for _, test := range []struct {
		file wire.File
		dir  string
		want string
	}{
		{wire.File{Number: 7, SHA256: strings.Repeat("0", 64), Size: 1}, dir, "the host says: the host no longer has file 7"},
		{wire.File{Number: 7}, dir, "the host describes the file wrongly"},
		{wire.File{Number: 7, SHA256: strings.Repeat("0", 64)}, filepath.Join(dir, "nothing"), "cannot open the folder " + filepath.Join(dir, "nothing") + ": no such file or directory"},
	} {
		if _, err := c.Get(t.Context(), test.file, test.dir, nil); err == nil || err.Error() != test.want {
			t.Errorf("%+v: %v, want %s", test.file, err, test.want)
		}
	}
}

// If the number of a deleted file belongs to another one, that one is not downloaded.
func TestGetOfAnotherFile(t *testing.T) {
	h := hostFiles(t, files.Limits{})
	c := h.enter(t, "alice", nil)
	path, _ := randomFile(t, "soup.bin", 1000)
	if err := c.Send(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	f, _ := awaitFile(t, c)
	f.SHA256 = strings.Repeat("0", 64)
	dir := t.TempDir()
	if _, err := c.Get(t.Context(), f, dir, nil); err == nil || err.Error() != "the host no longer has it" {
		t.Error(err)
	}
}

// Close cancels uploads and downloads.
func TestCloseEndsTransfers(t *testing.T) {
	h := hostFiles(t, files.Limits{})
	var cable breaker
	c := h.enter(t, "alice", cable.dial)
	cable.after.Store(100 << 10) // the upload never ends
	path, _ := randomFile(t, "soup.bin", 8<<20)
	failed := make(chan error)
	under := make(chan struct{})
	var once sync.Once
	go func() {
		failed <- c.Send(t.Context(), path, func(client.Progress) { once.Do(func() { close(under) }) })
	}()
	<-under
	go func() {
		for range c.Events() {
		}
	}()
	closed := make(chan struct{})
	go func() { c.Close(); close(closed) }()
	if err := <-failed; !errors.Is(err, client.ErrClosed) {
		t.Error(err)
	}
	<-closed
	if err := c.Send(t.Context(), path, nil); !errors.Is(err, client.ErrClosed) {
		t.Error(err)
	}
}

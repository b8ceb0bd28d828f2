package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"modernc.org/sqlite"

	"chat/relay"
	"chat/relay/files"
	"chat/relay/history"
	"chat/relay/web"
)

// commits has how long a commit to a file takes, by path: a time.Duration.
var commits sync.Map

func init() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		uri, err := url.Parse(dsn)
		if err != nil || uri.Query().Get("mode") != "rwc" {
			return err
		}
		conn.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			if delay, ok := commits.Load(uri.Path); ok {
				time.Sleep(delay.(time.Duration))
			}
			return 0
		})
		return nil
	})
}

// A slowRoom is a room on a disk that can be slow, in a bubble of synctest.
type slowRoom struct {
	t    *testing.T
	path string // of its history
	srv  *relay.Server
	stop func()
}

func openSlow(t *testing.T, path, dir string) *slowRoom {
	t.Helper()
	store, err := files.Open(dir, files.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var h *web.Handler
	file, err := history.OpenFile(path, history.Keep{})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := relay.NewOn(file, relay.Options{
		Web:   func(conn net.Conn) { h.StartServing(conn) },
		Files: store.Publish,
	})
	if err != nil {
		t.Fatal(err)
	}
	h = web.New(srv, web.Options{Files: store})
	ctx, cancel := context.WithCancel(context.Background())
	ln := closedListener{ctx}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	return &slowRoom{t, path, srv, func() {
		cancel()
		<-served
		h.Close()
		store.Close()
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}}
}

// A closedListener accepts nothing.
type closedListener struct{ ctx context.Context }

func (l closedListener) Accept() (net.Conn, error) {
	<-l.ctx.Done()
	return nil, net.ErrClosed
}
func (closedListener) Close() error   { return nil }
func (closedListener) Addr() net.Addr { return &net.TCPAddr{} }

// setDelay sets how long each commit takes.
func (r *slowRoom) setDelay(d time.Duration) { commits.Store(r.path, d) }

// request sends a request, and returns the status and the body of the answer.
func (r *slowRoom) request(method, path, body string, header ...string) (int, string) {
	r.t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	var served sync.WaitGroup
	defer served.Wait()
	served.Go(func() { r.srv.ServeConn(context.Background(), theirs) })
	defer ours.Close()
	served.Go(func() {
		fmt.Fprintf(ours, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n", method, path, len(body))
		for i := 0; i < len(header); i += 2 {
			fmt.Fprintf(ours, "%s: %s\r\n", header[i], header[i+1])
		}
		io.WriteString(ours, "\r\n"+body)
	})
	res, err := http.ReadResponse(bufio.NewReader(ours), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// On a slow disk a request waits until its message is stored. If that takes too long, the answer
// does not say that it was rejected, and a retry with the same key sends nothing twice, also after
// a restart of the host.
func TestSlowDisk(t *testing.T) {
	path, dir := filepath.Join(t.TempDir(), "kitchen.chat"), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := openSlow(t, path, dir)
		defer func() { r.stop() }()
		r.request("POST", "/messages?nick=ci", "first")
		r.setDelay(2500 * time.Millisecond)
		for _, request := range []func() (int, string){
			func() (int, string) { return r.request("POST", "/messages?nick=ci", "slow") },
			func() (int, string) { return r.request("PUT", "/files/slow?nick=ci", "slow") },
		} {
			if status, answer := request(); status != 201 {
				t.Errorf("on a slow disk: %d %s", status, answer)
			}
		}
		r.setDelay(40 * time.Second)
		begun := time.Now()
		const unknown = "it is not known whether the message was stored"
		if status, answer := r.request("POST", "/messages?nick=ci", "very slow", "Idempotency-Key", "1"); status != 503 || !strings.Contains(answer, unknown) {
			t.Errorf("on a very slow disk: %d %s", status, answer)
		}
		if waited := time.Since(begun); waited < 30*time.Second || waited > 31*time.Second {
			t.Errorf("it waited for %s", waited)
		}
		status, again := r.request("POST", "/messages?nick=ci", "very slow", "Idempotency-Key", "1")
		if status != 201 || !strings.Contains(again, `"text":"very slow"`) {
			t.Errorf("a retry: %d %s", status, again)
		}
		if status, answer := r.request("PUT", "/files/x?nick=cd", "x", "Idempotency-Key", "2"); status != 503 || !strings.Contains(answer, unknown) {
			t.Errorf("a file: %d %s", status, answer)
		}
		var file string
		for status = 503; status == 503; { // a new client takes a commit of its own
			status, file = r.request("PUT", "/files/x?nick=cd", "x", "Idempotency-Key", "2")
		}
		if status != 201 || !strings.Contains(file, `"name":"x"`) {
			t.Errorf("a file again: %d %s", status, file)
		}

		r.setDelay(0)
		time.Sleep(time.Minute) // for the last commit
		r.stop()
		r = openSlow(t, path, dir)
		if status, answer := r.request("POST", "/messages?nick=ci", "very slow", "Idempotency-Key", "1"); status != 201 || answer != again {
			t.Errorf("after a restart: %d %s, want %s", status, answer, again)
		}
		if status, answer := r.request("PUT", "/files/x?nick=cd", "x", "Idempotency-Key", "2"); status != 201 || answer != file {
			t.Errorf("a file after a restart: %d %s, want %s", status, answer, file)
		}
		_, all := r.request("GET", "/messages", "")
		for words, want := range map[string]int{`"text":"very slow"`: 1, `"name":"x"`: 1, `"text":"slow"`: 1, `"name":"slow"`: 1} {
			if n := strings.Count(all, words); n != want {
				t.Errorf("%s is in the room %d times: %s", words, n, all)
			}
		}
	})
}

// Who sends a message and leaves learns that it is stored, also from a slow disk.
func TestQuitOnSlowDisk(t *testing.T) {
	path, dir := filepath.Join(t.TempDir(), "kitchen.chat"), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := openSlow(t, path, dir)
		defer func() { r.stop() }()
		for delay, want := range map[time.Duration]string{
			10 * time.Second: `"text":"soup"`,
			40 * time.Second: `"text":"goodbye; the host's disk is slow, and it is not known whether your last messages were sent"`,
		} {
			r.setDelay(0)
			ours, theirs := net.Pipe()
			var served sync.WaitGroup
			served.Go(func() { r.srv.ServeConn(context.Background(), theirs) })
			served.Go(func() { io.WriteString(ours, "{\"type\":\"hello\",\"nick\":\"alice\"}\n") })
			lines := bufio.NewScanner(ours)
			lines.Scan()
			time.Sleep(time.Second)
			r.setDelay(delay)
			served.Go(func() {
				io.WriteString(ours, "{\"type\":\"say\",\"seq\":1,\"text\":\"soup\"}\n{\"type\":\"quit\"}\n")
			})
			var got []string
			for lines.Scan() {
				got = append(got, lines.Text())
			}
			ours.Close()
			served.Wait()
			if !strings.Contains(strings.Join(got, "\n"), want) {
				t.Errorf("with %s a commit: %q, want %s", delay, got, want)
			}
		}
		r.setDelay(0)
		time.Sleep(time.Minute) // for the last commit
	})
}

// A message that waits for the disk when the room closes is answered: with its event, or if it waits for
// more than one commit, that its outcome is not known.
func TestAnswerWhileTheRoomCloses(t *testing.T) {
	path, dir := filepath.Join(t.TempDir(), "kitchen.chat"), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := openSlow(t, path, dir)
		r.request("POST", "/messages?nick=ci", "first")
		r.setDelay(5 * time.Second)
		var requests sync.WaitGroup
		for method, target := range map[string]string{"POST": "/messages?nick=ci", "PUT": "/files/x?nick=cd"} {
			requests.Go(func() {
				status, answer := r.request(method, target, "last")
				if status != 201 && (status != 503 || !strings.Contains(answer, "not known")) {
					t.Errorf("%s as the room closes: %d %s", method, status, answer)
				}
			})
		}
		time.Sleep(time.Second)
		r.stop()
		requests.Wait()
		r.setDelay(0)
		time.Sleep(time.Minute) // for the last commit
	})
}

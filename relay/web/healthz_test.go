package web_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"modernc.org/sqlite"

	"chat/relay"
	"chat/relay/web"
)

// smallDisks has the paths of files that cannot grow beyond 60 pages.
var smallDisks sync.Map

func init() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		uri, err := url.Parse(dsn)
		if err != nil {
			return err
		}
		if _, ok := smallDisks.Load(uri.Path); ok {
			_, err = conn.ExecContext(context.Background(), "PRAGMA max_page_count = 60", nil)
		}
		return err
	})
}

// healthz checks the answer to GET /healthz.
func (r *slowRoom) healthz(want string) {
	r.t.Helper()
	status := 200
	if want != "ok\n" {
		status = 503
	}
	if got, answer := r.request("GET", "/healthz", ""); got != status || answer != want {
		r.t.Errorf("/healthz: %d %q, want %d %q", got, answer, status, want)
	}
}

// A disk that takes long to store something is a problem, as long as it does.
func TestHealthWhenTheDiskHangs(t *testing.T) {
	path, dir := filepath.Join(t.TempDir(), "kitchen.chat"), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := openSlow(t, path, dir)
		defer func() { r.stop() }()
		r.healthz("ok\n")
		r.setDelay(25 * time.Second)
		var posted sync.WaitGroup
		posted.Go(func() { r.request("POST", "/messages?nick=ci", "soup") })
		time.Sleep(9 * time.Second)
		r.healthz("ok\n")
		time.Sleep(2 * time.Second)
		r.healthz("the history cannot be written: the disk does not answer\n")
		r.setDelay(0)
		posted.Wait()
		time.Sleep(time.Minute)
		r.healthz("ok\n")
	})
}

// A full disk is a problem.
func TestHealthOfAFullDisk(t *testing.T) {
	path, dir := filepath.Join(t.TempDir(), "kitchen.chat"), t.TempDir()
	smallDisks.Store(path, true)
	synctest.Test(t, func(t *testing.T) {
		r := openSlow(t, path, dir)
		defer func() { r.stop() }()
		r.healthz("ok\n")
		for n := 0; ; n++ {
			status, answer := r.request("POST", "/messages?nick=ci", strings.Repeat("soup ", 3000))
			if status == 507 {
				break
			}
			if n > 100 {
				t.Fatalf("the disk does not become full: %d %s", status, answer)
			}
		}
		r.healthz("the history cannot be written: the disk is full\n")
	})
}

// A file that cannot be written for another reason is a problem, until it can be.
func TestHealthWhenTheHistoryCannotBeWritten(t *testing.T) {
	path, dir := filepath.Join(t.TempDir(), "kitchen.chat"), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := openSlow(t, path, dir)
		defer func() { r.stop() }()
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		time.Sleep(time.Minute) // nothing is written
		for _, step := range []struct {
			statement, health string
			wait              time.Duration // in which the host may try again; each attempt takes a real second
			status            int
		}{
			{"BEGIN IMMEDIATE", "the history cannot be written\n", 0, 507},
			{"ROLLBACK", "ok\n", 2 * time.Second, 201},
		} {
			if _, err := db.Exec(step.statement); err != nil {
				t.Fatal(err)
			}
			time.Sleep(step.wait)
			if status, answer := r.request("POST", "/messages?nick=ci", "soup"); status != step.status {
				t.Errorf("after %s: %d %s", step.statement, status, answer)
			}
			r.healthz(step.health)
		}
	})
}

// A failingListener accepts nothing while it fails.
type failingListener struct {
	net.Listener
	fails *atomic.Bool
}

func (l failingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil && l.fails.Load() {
		conn.Close()
		return nil, errors.New("too many open files")
	}
	return conn, err
}

// A port at which no connection is accepted is a problem, until one is.
func TestHealthWhenNothingIsAccepted(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var h *web.Handler
	srv := relay.New(relay.Options{Web: func(conn net.Conn) { h.StartServing(conn) }})
	h = web.New(srv, web.Options{})
	defer h.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var fails atomic.Bool
	var served sync.WaitGroup
	served.Go(func() { srv.Serve(ctx, failingListener{ln, &fails}) })
	r := &slowRoom{t: t, srv: srv} // which is asked over a pipe
	dial := func() {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		conn.Read(make([]byte, 1)) // the greeting, or the end
	}
	for range 2 {
		fails.Store(false)
		dial()
		r.healthz("ok\n")
		fails.Store(true)
		dial()
		await(t, "the port to fail", func() bool { return len(srv.Problems()) > 0 })
		r.healthz("no connections can be accepted\n")
	}
	cancel()
	served.Wait()
	if problems := srv.Problems(); len(problems) == 0 || problems[0] != "the room is closing" {
		t.Errorf("after its end: %q", problems)
	}
}

// What its caller knows is a problem of the room, too.
func TestHealthOfOtherParts(t *testing.T) {
	problems := []string{"the log is not written", "the disk is on fire"}
	r := open(t, relay.Options{}, web.Options{Problems: func() []string { return problems }})
	if status, answer := r.do("GET", "/healthz", ""); status != 503 || answer != "the log is not written\nthe disk is on fire\n" {
		t.Errorf("%d %q", status, answer)
	}
	if list := r.srv.Problems(); len(list) > 0 {
		t.Errorf("a room that works: %q", list)
	}
}

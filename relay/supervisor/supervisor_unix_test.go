//go:build unix

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// asChild makes the test binary a service that answers the connections of its socket.
const asChild = "CHAT_SUPERVISOR_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) != "" {
		if err := serveChild(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func serveChild() error {
	s, err := FromEnvironment()
	if err != nil {
		return err
	}
	if s.Listener() == nil {
		return errors.New("no socket")
	}
	defer s.Close()
	if err := s.Ready("the room is open"); err != nil {
		return err
	}
	conn, err := s.Listener().Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "LISTEN_FDS=%q\n", os.Getenv("LISTEN_FDS"))
	return err
}

// startChild starts the child with sockets.
func startChild(t *testing.T, env string, sockets ...*os.File) *exec.Cmd {
	t.Helper()
	child := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	child.Env = append(os.Environ(), asChild+"=1", fmt.Sprintf("LISTEN_FDS=%d", len(sockets)), env)
	child.ExtraFiles = sockets
	return child
}

// socket returns the file of a TCP listener, and its address.
func socket(t *testing.T) (*os.File, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, ln.Addr().String()
}

// A connection that came before the service started is served by it, and the next service gets the same
// socket. The environment does not say so to other processes.
func TestSocketIsTakenOver(t *testing.T) {
	listener, addr := socket(t)
	notified, states := notifySocket(t)
	for range 2 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		child := startChild(t, "NOTIFY_SOCKET="+notified, listener)
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || string(got) != "LISTEN_FDS=\"\"\n" {
			t.Errorf("the service answered %q, %v", got, err)
		}
		if got := <-states; got != "READY=1\nSTATUS=the room is open" {
			t.Errorf("it reported %q", got)
		}
	}
}

func TestOtherSockets(t *testing.T) {
	one, _ := socket(t)
	two, _ := socket(t)
	datagrams, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	udp, err := datagrams.File()
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	conn, err := net.Dial("tcp", listening(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	connected, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	for _, test := range []struct {
		env     string
		sockets []*os.File
		want    string
	}{
		{"", []*os.File{one, two}, "passed 2 sockets; a room has one\nhint: "},
		{"", []*os.File{udp}, "cannot listen on the socket of the service manager: "},
		{"", []*os.File{connected}, "cannot listen on the socket of the service manager: it does not listen\nhint: "},
		{"", nil, "no socket"},

		// The environment is wrong.
		{"LISTEN_FDS=1", nil, "cannot listen on the socket of the service manager: descriptor 3: "},
		{"LISTEN_FDS=2000000000", []*os.File{one}, "passed 2000000000 sockets; a room has one\nhint: "},
		{"LISTEN_FDS=-1", []*os.File{one}, "no socket"},
		{"LISTEN_FDS=99999999999999999999", []*os.File{one}, "no socket"},
	} {
		out, err := startChild(t, test.env, test.sockets...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), test.want) || strings.Contains(string(out), "goroutine") {
			t.Errorf("%d sockets, %s: %v, %s; want %q", len(test.sockets), test.env, err, out, test.want)
		}
	}
}

// listening returns the address of a listener, which is open until the end of the test.
func listening(t *testing.T) string {
	t.Helper()
	_, addr := socket(t)
	return addr
}

// notifySocket listens as a service manager does, and returns what it is told.
func notifySocket(t *testing.T) (path string, states <-chan string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan string, 100)
	var reading sync.WaitGroup
	reading.Go(func() {
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			all <- string(b[:n])
		}
	})
	t.Cleanup(func() { conn.Close(); reading.Wait() })
	return path, all
}

func TestNotifications(t *testing.T) {
	path, states := notifySocket(t)
	t.Setenv("NOTIFY_SOCKET", path)
	s, err := FromEnvironment()
	if err != nil || s == nil {
		t.Fatal(s, err)
	}
	if err := errors.Join(s.Ready("open"), s.Reloading(), s.Ready("open"), s.Stopping(), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`^READY=1\nSTATUS=open$`, `^RELOADING=1\nMONOTONIC_USEC=[1-9]\d+$`, `^READY=1\n`, `^STOPPING=1$`} {
		if got := <-states; !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	os.Remove(path)
	if err := s.Ready("open"); err == nil || !strings.HasPrefix(err.Error(), "notify the service manager: ") {
		t.Errorf("no one listens: %v", err)
	}
}

func TestNoSupervisor(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	s, err := FromEnvironment()
	if s != nil || err != nil {
		t.Fatal(s, err)
	}
	s.Watch(t.Context(), func() error { t.Error("checked"); return nil }, nil)
	if err := errors.Join(s.Ready(""), s.Reloading(), s.Stopping(), s.Close()); err != nil || s.Listener() != nil {
		t.Error(err)
	}
	for _, usec := range []string{"soon", "0", "1", "99999", "9223372036854775807"} {
		t.Setenv("WATCHDOG_USEC", usec)
		if _, err := FromEnvironment(); err == nil || !strings.Contains(err.Error(), "WATCHDOG_USEC") {
			t.Errorf("an invalid time, %s: %v", usec, err)
		}
	}
	t.Setenv("WATCHDOG_USEC", "100000")
	if _, err := FromEnvironment(); err != nil {
		t.Errorf("a short time: %v", err)
	}
}

// The service manager gets a ping every half of its time while the checks succeed, and none while one fails or
// hangs.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards those below
		pings, result, hang := 0, error(nil), make(chan struct{})
		close(hang)
		var reported []string
		locked := func(f func()) {
			mu.Lock()
			defer mu.Unlock()
			f()
		}
		s := &Supervisor{watchdog: 30 * time.Second, notify: func(state string) error {
			if state != "WATCHDOG=1" {
				t.Errorf("notified %q", state)
			}
			locked(func() { pings++ })
			return nil
		}}
		check := func() (err error) {
			var wait <-chan struct{}
			locked(func() { err, wait = result, hang })
			<-wait
			return err
		}
		var watching sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		watching.Go(func() {
			s.Watch(ctx, check, func(err error) { locked(func() { reported = append(reported, err.Error()) }) })
		})
		count := func(what string, want int) {
			t.Helper()
			synctest.Wait()
			locked(func() {
				if pings != want {
					t.Errorf("%s: %d pings, want %d", what, pings, want)
				}
				pings = 0
			})
		}
		count("at the start", 1)
		time.Sleep(60*time.Second + time.Millisecond)
		count("in a minute", 4)
		locked(func() { result = errors.New("no connection was accepted") })
		time.Sleep(30 * time.Second)
		count("while a check fails", 0)
		locked(func() { result, hang = nil, make(chan struct{}) })
		time.Sleep(60 * time.Second)
		count("while a check hangs", 0)
		close(hang)
		count("when it is over", 1)
		cancel()
		watching.Wait()
		want := []string{"no connection was accepted", "no connection was accepted", errStuck.Error(), errStuck.Error(), errStuck.Error()}
		if fmt.Sprint(reported) != fmt.Sprint(want) {
			t.Errorf("reported %q, want %q", reported, want)
		}
	})
}

// SIGHUP reloads a program without a terminal, and ends another one.
func TestHangup(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("the tests run without SIGHUP")
	}
	ctx := EndOnHangup(t.Context())
	reloaded := make(chan struct{})
	ReloadOnHangup(ctx, func() { close(reloaded) })
	hangUp := func() {
		t.Helper()
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Signal(syscall.SIGHUP)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	hangUp()
	<-reloaded
	if ctx.Err() != nil {
		t.Error("SIGHUP has ended the program")
	}
	ctx.Value(hangupKey{}).(*hangup).reload.Store(nil) // as if there had been no ReloadOnHangup
	hangUp()
	<-ctx.Done()
}

func TestIsJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	for _, test := range []struct {
		stream string
		want   bool
	}{{"", false}, {fmt.Sprintf("%d:%d", stat.Dev, stat.Ino), true}, {fmt.Sprintf("%d:%d", stat.Dev, stat.Ino+1), false}} {
		t.Setenv("JOURNAL_STREAM", test.stream)
		if got := IsJournal(f); got != test.want {
			t.Errorf("JOURNAL_STREAM=%s: %v", test.stream, got)
		}
	}
}

//go:build !windows

package admin

import (
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The socket beside a history is private, whatever the umask is, and its folder has nothing else of it.
func TestSocketIsPrivate(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := shortDir(t)
	s := open(t, "", filepath.Join(dir, "k.chat"), &fakeRoom{})
	info, err := os.Lstat(s.Entry().Socket)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 || names[0].Name() != "k.chat"+suffix {
		t.Errorf("the folder has %v", names)
	}
}

// A socket that a killed host left is replaced. A file of the user is not, nor is a socket on which another program
// listens: the host then uses another place.
func TestStaleSocket(t *testing.T) {
	dir := shortDir(t)
	path := filepath.Join(dir, "k.chat") + suffix
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	state := filepath.Join(dir, "state")
	inUse := open(t, state, filepath.Join(dir, "k.chat"), &fakeRoom{})
	if got := inUse.Entry().Socket; filepath.Dir(got) != openRooms(state) {
		t.Errorf("a socket that is in use: the host uses %s", got)
	}
	inUse.Close()
	ln.Close()
	s := open(t, "", filepath.Join(dir, "k.chat"), &fakeRoom{})
	if s.Entry().Socket != path {
		t.Errorf("the stale socket stays, and the host uses %s", s.Entry().Socket)
	}
	awaitRoom(t, s.Entry())
	s.Close()
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	other := open(t, "", filepath.Join(dir, "k.chat"), &fakeRoom{})
	if b, err := os.ReadFile(path); string(b) != "mine" || err != nil || other.Entry().Socket == path {
		t.Errorf("the file of the user has %q, %v", b, err)
	}
	awaitRoom(t, other.Entry())
}

// A path that is too long for a socket gives way to a shorter one, which is private, too.
func TestLongPath(t *testing.T) {
	dir := shortDir(t)
	long := filepath.Join(dir, strings.Repeat("long", 25))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, long, filepath.Join(long, "k.chat"), &fakeRoom{})
	at := s.Entry().Socket
	folder, err := os.Stat(filepath.Dir(at))
	if err != nil || folder.Mode().Perm() != 0o700 || len(at) > maxSocketPath {
		t.Errorf("the socket is %s in a folder of mode %v, %v", at, folder.Mode(), err)
	}
	rooms, err := Rooms(t.Context(), long)
	if err != nil || len(rooms) != 1 {
		t.Errorf("%d rooms are found, %v", len(rooms), err)
	}
	s.Close()
	if _, err := os.Stat(filepath.Dir(at)); !isGone(err) {
		t.Errorf("its folder stays: %v", err)
	}
}

// dialer is the variable by which this test program, started as another user, dials a socket.
const dialer = "CHAT_TEST_DIAL"

// Another user gets neither past the mode of the socket nor, if that is lost, past the check of who they are.
func TestAnotherUser(t *testing.T) {
	if path := os.Getenv(dialer); path != "" {
		conn, err := net.Dial("unix", path)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(conn, "GET /v1/room HTTP/1.1\r\nHost: chat\r\nConnection: close\r\n\r\n")
		io.Copy(os.Stdout, conn)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("it takes root to become another user")
	}
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "test") // the test's own folder is closed to others
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(program, b, 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, "", filepath.Join(dir, "k.chat"), &fakeRoom{})
	dial := func() string {
		cmd := exec.Command(program, "-test.run=^TestAnotherUser$")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), dialer+"="+s.Entry().Socket)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if got := dial(); !strings.Contains(got, "permission denied") {
		t.Errorf("another user gets %q", got)
	}
	if err := os.Chmod(s.Entry().Socket, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := dial(); !strings.Contains(got, "HTTP/1.1 403 ") || strings.Contains(got, "kitchen") {
		t.Errorf("another user, with the mode of the socket changed, gets %q", got)
	}
}

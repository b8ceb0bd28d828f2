package screentest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chat/scripts/chattest"
)

// patience is how long anything may take to happen.
const patience = 15 * time.Second

var build = sync.OnceValues(chattest.Build)

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// A terminal is a window of tmux.
type terminal = chattest.Terminal

// open opens a terminal of the given size.
func open(t *testing.T, columns, rows int) *terminal {
	t.Helper()
	if testing.Short() {
		t.Skip("-short")
	}
	return chattest.OpenTerminal(t, columns, rows)
}

// chat returns the path of the built program.
func chat(t *testing.T) string {
	t.Helper()
	chattest.NoticeSources(t, "../..")
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// A host is a host without a screen, which can be killed and restarted at its address.
type host struct {
	t    *testing.T
	addr string
	cmd  *exec.Cmd
}

func startHost(t *testing.T, flags ...string) *host {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, addr: ln.Addr().String()}
	ln.Close()
	h.start(flags...)
	t.Cleanup(h.kill)
	return h
}

func (h *host) start(flags ...string) {
	h.t.Helper()
	h.cmd = exec.Command(chat(h.t), append([]string{"host", "--headless", "--room", "kitchen", "--addr", h.addr, "--no-discovery"}, flags...)...)
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	waitUntil(h.t, "the host listens", func() bool {
		conn, err := net.Dial("tcp", h.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// waitUntil waits until is returns true.
func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// waitGone waits until nothing on the screen matches pattern.
func waitGone(t *testing.T, term *terminal, pattern string) {
	t.Helper()
	re := regexp.MustCompile(`(?m)` + pattern)
	waitUntil(t, pattern+" is gone from the screen", func() bool { return !re.MatchString(term.Screen()) })
}

// kill kills the host.
func (h *host) kill() {
	if h.cmd != nil {
		h.cmd.Process.Signal(syscall.SIGKILL)
		h.cmd.Wait()
		h.cmd = nil
	}
}

// guest joins as nc does. It returns the connection, on which lines can be sent, after the
// host has given it the nick.
func (h *host) guest(nick string) net.Conn {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "/nick %s\n", nick)
	conn.SetReadDeadline(time.Now().Add(patience))
	lines := bufio.NewScanner(conn)
	for named := false; !named; named = strings.Contains(lines.Text(), nick) {
		if !lines.Scan() {
			h.t.Fatalf("the host did not accept the nick %s: %v", nick, lines.Err())
		}
	}
	conn.SetReadDeadline(time.Time{})
	go io.Copy(io.Discard, conn) // the host must not wait for it to read
	return conn
}

// join joins the room on a terminal.
func (h *host) join(term *terminal, nick string, flags ...string) {
	h.t.Helper()
	term.Run("%s join --addr %s --nick %s %s", chat(h.t), h.addr, nick, strings.Join(flags, " "))
	term.Wait(`^ kitchen .* here .*●`)
}

// loopback returns the name of the loopback interface.
func loopback(t *testing.T) string {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			return i.Name
		}
	}
	chattest.Missing(t, "there is no loopback interface")
	return ""
}

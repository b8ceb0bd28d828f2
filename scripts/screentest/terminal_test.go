package screentest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chat/scripts/chattest"
)

// patience is how long a host may take to listen.
const patience = 15 * time.Second

var build = sync.OnceValues(chattest.Build)

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// A terminal is a screen, and keys.
type terminal = chattest.Terminal

// open opens a terminal of so many columns and rows.
func open(t *testing.T, columns, rows int) *terminal {
	t.Helper()
	if testing.Short() {
		t.Skip("-short")
	}
	return chattest.OpenTerminal(t, columns, rows)
}

// chat returns the path of the program.
func chat(t *testing.T) string {
	t.Helper()
	chattest.NoticeSources(t, "../..")
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// host starts a host without a screen and returns its address. It can be killed and
// started again.
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
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", h.addr)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatal(err)
		}
	}
}

// kill ends the host without a goodbye.
func (h *host) kill() {
	if h.cmd != nil {
		h.cmd.Process.Signal(syscall.SIGKILL)
		h.cmd.Wait()
		h.cmd = nil
	}
}

// guest joins as nc does, and sends lines.
func (h *host) guest(nick string) net.Conn {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	go func() { // takes what comes, so that the host need not wait
		b := make([]byte, 64<<10)
		for {
			if _, err := conn.Read(b); err != nil {
				return
			}
		}
	}()
	fmt.Fprintf(conn, "/nick %s\n", nick)
	return conn
}

// join joins on a terminal.
func (h *host) join(term *terminal, nick string, flags ...string) {
	h.t.Helper()
	term.Run("%s join --addr %s --nick %s %s", chat(h.t), h.addr, nick, strings.Join(flags, " "))
	term.Wait(`kitchen · .* here .*connected`)
}

// loopback returns the name of the network interface that leads nowhere else.
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

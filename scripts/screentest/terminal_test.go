package screentest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long something may take to appear.
const patience = 15 * time.Second

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "chat-screentest")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "chat")
	out, err := exec.Command("go", "build", "-o", bin, "chat").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// A terminal is a window of a tmux server of its own. A shell runs in it, so that
// what a program leaves behind can be seen.
type terminal struct {
	t      *testing.T
	socket string
}

// open opens a terminal of so many columns and rows with variables in its environment.
func open(t *testing.T, columns, rows int, env ...string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed")
	}
	if testing.Short() {
		t.Skip("-short")
	}
	term := &terminal{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	args := []string{"-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows)}
	for _, v := range append(env, "HISTFILE=") {
		args = append(args, "-e", v)
	}
	term.tmux(append(args, "env PS1='ready> ' bash --norc --noprofile")...)
	t.Cleanup(func() { exec.Command("tmux", "-S", term.socket, "kill-server").Run() })
	term.tmux("set-option", "-g", "focus-events", "on")
	term.wait(`^ready>$`)
	return term
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", term.socket}, args...)...).CombinedOutput()
	if err != nil {
		term.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// run types a command of the shell's.
func (term *terminal) run(format string, args ...any) {
	term.t.Helper()
	term.typed(fmt.Sprintf(format, args...))
	term.keys("Enter")
}

// typed types text, as it is.
func (term *terminal) typed(text string) {
	term.t.Helper()
	term.tmux("send-keys", "-l", "--", text)
}

// keys presses keys, by tmux's names.
func (term *terminal) keys(keys ...string) {
	term.t.Helper()
	term.tmux(append([]string{"send-keys", "--"}, keys...)...)
}

// say types a line and Enter.
func (term *terminal) say(line string) {
	term.t.Helper()
	term.typed(line)
	term.keys("Enter")
}

// screen returns what is on the screen, without the blanks at the ends of its rows.
func (term *terminal) screen() string {
	term.t.Helper()
	rows := strings.Split(strings.TrimRight(term.tmux("capture-pane", "-p"), "\n"), "\n")
	for i := range rows {
		rows[i] = strings.TrimRight(rows[i], " ")
	}
	return strings.Join(rows, "\n")
}

// wait waits until the screen matches all patterns, and returns it.
func (term *terminal) wait(patterns ...string) string {
	term.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		screen := term.screen()
		missing := ""
		for _, p := range patterns {
			if !regexp.MustCompile(`(?m)` + p).MatchString(screen) {
				missing = p
			}
		}
		if missing == "" {
			return screen
		}
		if time.Now().After(deadline) {
			term.t.Fatalf("no %q on the screen within %v:\n%s", missing, patience, screen)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// never checks that the screen does not match.
func (term *terminal) never(pattern string) {
	term.t.Helper()
	if screen := term.screen(); regexp.MustCompile(`(?m)` + pattern).MatchString(screen) {
		term.t.Fatalf("%q is on the screen:\n%s", pattern, screen)
	}
}

// paste pastes text, as a terminal does with bracketed paste.
func (term *terminal) paste(text string) {
	term.t.Helper()
	file := filepath.Join(term.t.TempDir(), "paste")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		term.t.Fatal(err)
	}
	term.tmux("load-buffer", file)
	term.tmux("paste-buffer", "-p", "-r")
}

func (term *terminal) resize(columns, rows int) {
	term.t.Helper()
	term.tmux("resize-window", "-x", strconv.Itoa(columns), "-y", strconv.Itoa(rows))
}

// noticeSources lists the folders of the program's sources: go test then knows that
// its cached result is no good after a change in them. What go build reads it does
// not see.
func noticeSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// chat returns the path of the program.
func chat(t *testing.T) string {
	t.Helper()
	noticeSources(t)
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
	term.run("%s join --addr %s --nick %s %s", chat(h.t), h.addr, nick, strings.Join(flags, " "))
	term.wait(`kitchen · .* here .*connected`)
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
	t.Skip("no loopback interface")
	return ""
}

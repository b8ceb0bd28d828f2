// Package lantest runs the built program in networks of several machines. Each machine is a
// Linux network namespace; scripts/lan connects them. It tests things that one machine cannot
// show: multicast between hosts, several networks, cut cables, packet loss.
//
// It needs Linux and root: sudo go test ./scripts/lantest. With -short it skips the tests
// that take more than a minute. Without Linux or root all tests are skipped or, with
// CI=true, fail.
package lantest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"chat/scripts/chattest"
)

var (
	script   string // path of scripts/lan
	program  string // the binary under test
	stateDir string // has a folder for the state of each node
	noLab    string // why no lab can be made; empty: it can
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == middleCommand {
		if err := runMiddle(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	var err error
	if script, err = filepath.Abs("../lan"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if noLab = whyNoLab(); noLab != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "chatlan")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "chat")
	stateDir = filepath.Join(dir, "state")
	build := exec.Command("go", "build", "-o", program, "../..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // it also runs on a node that has no C library
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build chat: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// whyNoLab returns why network namespaces cannot be made here; empty: they can.
func whyNoLab() string {
	if runtime.GOOS != "linux" {
		return "network namespaces need Linux"
	}
	if os.Geteuid() != 0 {
		return "network namespaces need root"
	}
	for _, tool := range []string{"bash", "ip", "bridge", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "not installed: " + tool
		}
	}
	lan := exec.Command(script, "up", "1")
	lan.Env = append(os.Environ(), fmt.Sprintf("CHATLAN_ID=try%d", os.Getpid()))
	out, err := lan.CombinedOutput()
	down := exec.Command(script, "down")
	down.Env = lan.Env
	down.Run()
	if err != nil {
		return fmt.Sprintf("scripts/lan up: %v: %s", err, out)
	}
	return ""
}

// A lab is a network of numbered nodes. It is taken down when its test ends.
type lab struct {
	t  *testing.T
	id string
}

var labs atomic.Int64

// newLab makes a network. args are those of `scripts/lan up`.
func newLab(t *testing.T, args ...string) *lab {
	t.Helper()
	if noLab != "" {
		chattest.Missing(t, noLab)
	}
	chattest.NoticeSources(t, "../..")
	l := &lab{t, fmt.Sprintf("t%d_%d", os.Getpid(), labs.Add(1))}
	t.Cleanup(func() { l.lan("down") })
	l.lan(append([]string{"up"}, args...)...)
	return l
}

// lan runs scripts/lan, which must succeed.
func (l *lab) lan(args ...string) {
	l.t.Helper()
	cmd := exec.Command(script, args...)
	cmd.Env = append(os.Environ(), "CHATLAN_ID="+l.id)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("scripts/lan %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// command returns a command that runs on node. "chat" is the program under test.
func (l *lab) command(node int, name string, args ...string) *exec.Cmd {
	if name == "chat" {
		name = program
	}
	cmd := exec.Command(script, append([]string{"exec", fmt.Sprint(node), "--", name}, args...)...)
	cmd.Env = append(os.Environ(), "CHATLAN_ID="+l.id, "XDG_STATE_HOME="+l.stateOf(node))
	return cmd
}

// stateOf returns the folder for the state of a node's user.
func (l *lab) stateOf(node int) string {
	return filepath.Join(stateDir, fmt.Sprintf("%s-%d", l.id, node))
}

// run runs a command on node to its end. It kills the command after 20 seconds.
func (l *lab) run(node int, name string, args ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	cmd := l.command(node, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		l.t.Fatalf("%s %v on node %d: %v", name, args, node, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// A process is a command in the background, with its output.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	in   *os.File
	done chan struct{} // closed when it has ended

	mu     sync.Mutex
	stdout bytes.Buffer // guarded by mu
	stderr bytes.Buffer // guarded by mu
}

// A lockedBuffer writes to one of a process's outputs.
type lockedBuffer struct {
	p   *process
	buf *bytes.Buffer
}

func (w lockedBuffer) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.buf.Write(b)
}

// start starts a command on node. It is killed when the test ends.
func (l *lab) start(node int, name string, args ...string) *process {
	l.t.Helper()
	p := &process{t: l.t, name: fmt.Sprintf("%s %s on node %d", name, strings.Join(args, " "), node), done: make(chan struct{})}
	p.cmd = l.command(node, name, args...)
	p.cmd.Stdout, p.cmd.Stderr = lockedBuffer{p, &p.stdout}, lockedBuffer{p, &p.stderr}
	in, out, err := os.Pipe()
	if err != nil {
		l.t.Fatal(err)
	}
	p.cmd.Stdin, p.in = in, out
	if err := p.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	in.Close()
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	l.t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		out.Close()
		if l.t.Failed() {
			l.t.Logf("%s wrote to stderr:\n%s", p.name, p.stderrText())
		}
	})
	return p
}

func (p *process) stdoutText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String()
}

func (p *process) stderrText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// write writes a line to stdin.
func (p *process) write(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		p.t.Fatalf("write to %s: %v", p.name, err)
	}
}

// signal sends a signal and waits until the process has ended.
func (p *process) signal(signal syscall.Signal) {
	p.t.Helper()
	p.cmd.Process.Signal(signal)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.t.Fatalf("%s did not end within 5 s of %v", p.name, signal)
	}
}

// await waits until ready returns true. It fails the test after within.
func await(t *testing.T, within time.Duration, what string, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after %v: %s", within, what)
		}
	}
}

// awaitOutput waits until the process has written text to stdout.
func (p *process) awaitOutput(text string, within time.Duration) {
	p.t.Helper()
	defer func() {
		if p.t.Failed() {
			p.t.Logf("%s wrote:\n%s", p.name, p.stdoutText())
		}
	}()
	await(p.t, within, fmt.Sprintf("%s writes %q", p.name, text), func() bool {
		return strings.Contains(p.stdoutText(), text)
	})
}

const port = 24280

// host opens a room on node and waits until it accepts connections.
func (l *lab) host(node int, title string, args ...string) *process {
	l.t.Helper()
	args = append([]string{"host", "--headless", "--room", title, "--addr", fmt.Sprintf(":%d", port)}, args...)
	p := l.start(node, "chat", args...)
	l.awaitListening(node, port)
	return p
}

// awaitListening waits until a program listens on a port of node.
func (l *lab) awaitListening(node, port int) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	knock := fmt.Sprintf("until (</dev/tcp/127.0.0.1/%d) 2>/dev/null; do sleep 0.02; done", port)
	cmd := l.command(node, "bash", "-c", knock)
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	if err := cmd.Wait(); err != nil {
		l.t.Fatalf("no program listens on port %d of node %d after 5 s", port, node)
	}
}

//go:build unix

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"chat/scripts/chattest"
)

// patience is how long a script waits for something that should happen at once. A busy
// machine with the race detector is slow.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

// testMain builds the program, puts it on the PATH and runs the tests.
func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "chat-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-race", "-o", filepath.Join(dir, "chat"), "../..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build chat: %v\n%s", err, out)
		return 1
	}
	os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return m.Run()
}

func TestScripts(t *testing.T) {
	chattest.NoticeSources(t, "../..")
	testscript.Run(t, testscript.Params{
		Dir:                "testdata",
		Setup:              setup,
		RequireUniqueNames: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"need":        noNeg(cmdNeed),
			"certificate": noNeg(cmdCertificate),
			"port":        noNeg(cmdPort),
			"start":       noNeg(cmdStart),
			"tty":         noNeg(cmdTTY),
			"host":        noNeg(cmdHost),
			"opened":      noNeg(cmdOpened),
			"type":        noNeg(cmdType),
			"press":       noNeg(cmdPress),
			"eof":         noNeg(cmdEOF),
			"waitline":    noNeg(cmdWaitline),
			"signal":      noNeg(cmdSignal),
			"ends":        noNeg(cmdEnds),
			"nats":        noNeg(cmdNATS),
			"cluster":     cmdCluster,
		},
	})
}

func noNeg(cmd func(ts *testscript.TestScript, args []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command cannot be negated")
		}
		cmd(ts, args)
	}
}

func usage(ts *testscript.TestScript, ok bool, words string) {
	if !ok {
		ts.Fatalf("usage: %s", words)
	}
}

// A stage holds a script's environment and its processes, by name.
type stage struct {
	t         testscript.T
	env       []string
	processes map[string]*process
}

type stageKey struct{}

func stageOf(ts *testscript.TestScript) *stage { return ts.Value(stageKey{}).(*stage) }

// setup creates the stage of a script. When the script ends, processes that still run are
// killed, and data races that the race detector reported fail it.
func setup(env *testscript.Env) error {
	races := filepath.Join(env.WorkDir, "race")
	env.Setenv("GORACE", "log_path="+races+" atexit_sleep_ms=20") // instead of a second at each exit
	env.Setenv("TERM", "xterm")
	env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
	env.Setenv("CHAT_PLAIN", "1") // scripts/screentest tests the screen
	env.Setenv("LC_ALL", "C.UTF-8")
	env.Setenv("TZ", "UTC")
	s := &stage{t: env.T(), env: env.Vars, processes: make(map[string]*process)}
	env.Values[stageKey{}] = s
	env.Defer(func() {
		for p := range maps.Values(s.processes) {
			p.kill()
		}
		reports, _ := filepath.Glob(races + ".*")
		for _, report := range reports {
			text, _ := os.ReadFile(report)
			s.t.Log(string(text))
		}
		if len(reports) > 0 {
			s.t.FailNow()
		}
	})
	return nil
}

// setenv sets a variable for the script and for the processes that it starts.
func (s *stage) setenv(ts *testscript.TestScript, key, value string) {
	ts.Setenv(key, value)
	s.env = append(s.env, key+"="+value)
}

// show logs the end of each process's output, for a script that fails.
func (s *stage) show(ts *testscript.TestScript) {
	for name := range s.processes {
		for _, file := range []string{name + ".out", name + ".err"} {
			if text, err := os.ReadFile(ts.MkAbs(file)); err == nil && len(text) > 0 {
				ts.Logf("[%s]\n%s", file, text[max(0, len(text)-1000):])
			}
		}
	}
}

// --- processes -------------------------------------------------------------------

// A process runs in the background. Its output is in NAME.out and NAME.err, or on a terminal
// all in NAME.out.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	tty   bool
	ended chan struct{} // closed after it has ended and its output is written
}

// start runs a command as the process called name.
func (s *stage) start(ts *testscript.TestScript, name string, tty bool, args []string) {
	if old := s.processes[name]; old != nil {
		select {
		case <-old.ended:
		default:
			ts.Fatalf("%s is still running", name)
		}
	}
	p := &process{cmd: exec.Command(args[0], args[1:]...), tty: tty, ended: make(chan struct{})}
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = s.env
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	if tty {
		err = p.onTerminal(out)
	} else {
		err = p.onPipes(out, ts.MkAbs(name+".err"))
	}
	if err != nil {
		ts.Fatalf("start %s: %v", name, err)
	}
	s.processes[name] = p
}

func (p *process) onPipes(out *os.File, errPath string) error {
	defer out.Close()
	errs, err := os.Create(errPath)
	if err != nil {
		return err
	}
	defer errs.Close()
	// Not StdinPipe: Wait closes that one while the script may still write.
	theirs, ours, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirs.Close()
	p.in = ours
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirs, out, errs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // see kill
	if err := p.cmd.Start(); err != nil {
		ours.Close()
		return err
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	return nil
}

func (p *process) onTerminal(out *os.File) error {
	blocking, err := pty.StartWithSize(p.cmd, &pty.Winsize{Rows: 40, Cols: 120})
	if err != nil {
		out.Close()
		return err
	}
	defer blocking.Close()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = syscall.SetNonblock(fd, true) // Close ends a read
	}
	if err != nil {
		out.Close()
		return err
	}
	terminal := os.NewFile(uintptr(fd), "terminal")
	p.in = terminal
	printed := make(chan struct{})
	go func() {
		io.Copy(out, terminal) // ends with an error once the last process has closed the terminal
		out.Close()
		close(printed)
	}()
	go func() {
		p.cmd.Wait()
		<-printed
		close(p.ended)
	}()
	return nil
}

// kill kills the process and those that it started: each is the leader of a process group.
func (p *process) kill() {
	defer p.in.Close()
	select {
	case <-p.ended:
		return
	default:
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// process returns the process called name.
func (s *stage) process(ts *testscript.TestScript, name string) *process {
	p := s.processes[name]
	if p == nil {
		ts.Fatalf("no process %s", name)
	}
	return p
}

// await waits until ok returns true. After patience it fails the script.
func await(ts *testscript.TestScript, what string, ok func() bool) {
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			stageOf(ts).show(ts)
			ts.Fatalf("%s: nothing after %v", what, patience)
		}
	}
}

// --- the commands ----------------------------------------------------------------

// cmdNeed: need PROGRAM... skips the script if one of the programs is not installed. The
// program "netns" stands for the right to make a network namespace, and "npm/NAME" for a
// package in $CHAT_NODE_MODULES, which node then finds; scripts/test installs those of
// scripts/e2e/node there.
func cmdNeed(ts *testscript.TestScript, args []string) {
	usage(ts, len(args) > 0, "need PROGRAM...")
	for _, program := range args {
		why := ""
		if program == "netns" {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if out, err := exec.CommandContext(ctx, "unshare", "-rn", "true").CombinedOutput(); err != nil {
				why = fmt.Sprintf("cannot make a network namespace: unshare -rn: %v %s", err, out)
			}
		} else if name, ok := strings.CutPrefix(program, "npm/"); ok {
			modules := os.Getenv("CHAT_NODE_MODULES")
			if _, err := os.Stat(filepath.Join(modules, name)); modules == "" || err != nil {
				why = name + " is not in $CHAT_NODE_MODULES: scripts/test installs it"
			}
			stageOf(ts).setenv(ts, "NODE_PATH", modules)
		} else if _, err := exec.LookPath(program); err != nil {
			why = program + " is not installed"
		}
		switch {
		case why == "":
		case os.Getenv("CI") == "true":
			ts.Fatalf("required with CI=true: %s", why)
		default:
			stageOf(ts).t.Skip(why)
		}
	}
}

// cmdPort: port VAR sets $VAR to a TCP port that is free on the loopback interface.
func cmdPort(ts *testscript.TestScript, args []string) {
	usage(ts, len(args) == 1, "port VAR")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	stageOf(ts).setenv(ts, args[0], strconv.Itoa(ln.Addr().(*net.TCPAddr).Port))
	ts.Check(ln.Close())
}

// cmdStart: start NAME COMMAND... runs a command in the background. Its stdin is an open
// pipe.
func cmdStart(ts *testscript.TestScript, args []string) {
	usage(ts, len(args) > 1, "start NAME COMMAND...")
	stageOf(ts).start(ts, args[0], false, args[1:])
}

// cmdTTY: tty NAME COMMAND... runs a command in the background on a terminal of its own.
func cmdTTY(ts *testscript.TestScript, args []string) {
	usage(ts, len(args) > 1, "tty NAME COMMAND...")
	stageOf(ts).start(ts, args[0], true, args[1:])
}

// cmdHost: host [FLAG]... starts a headless host as the process host, and waits until its
// room is open; see cmdOpened.
func cmdHost(ts *testscript.TestScript, args []string) {
	host := append([]string{"chat", "host", "--headless", "--no-discovery", "--addr", "127.0.0.1:0"}, args...)
	stageOf(ts).start(ts, "host", false, host)
	cmdOpened(ts, []string{"host"})
}

// address matches a host's address in its log or on its terminal.
var address = regexp.MustCompile(`(?:address"?[=:]"?|chat join --addr )([^\s"]+:\d+)`)

// cmdOpened: opened NAME waits until the host NAME has opened its room, and sets $ADDR and
// $PORT to its address.
func cmdOpened(ts *testscript.TestScript, args []string) {
	usage(ts, len(args) == 1, "opened NAME")
	p := stageOf(ts).process(ts, args[0])
	file := args[0] + ".err"
	if p.tty {
		file = args[0] + ".out"
	}
	var found []string
	await(ts, "opened "+args[0], func() bool {
		found = address.FindStringSubmatch(ts.ReadFile(file))
		select {
		case <-p.ended:
			if found == nil {
				ts.Fatalf("the host has ended; its output:\n%s", ts.ReadFile(file))
			}
		default:
		}
		return found != nil
	})
	_, port, err := net.SplitHostPort(found[1])
	ts.Check(err)
	stageOf(ts).setenv(ts, "ADDR", found[1])
	stageOf(ts).setenv(ts, "PORT", port)
}

// cmdType: type [-n] NAME TEXT... types TEXT and, without -n, Enter.
func cmdType(ts *testscript.TestScript, args []string) {
	unfinished := len(args) > 0 && args[0] == "-n"
	if unfinished {
		args = args[1:]
	}
	usage(ts, len(args) > 0, "type [-n] NAME TEXT...")
	p := stageOf(ts).process(ts, args[0])
	enter := "\n"
	switch {
	case unfinished:
		enter = ""
	case p.tty:
		enter = "\r"
	}
	_, err := io.WriteString(p.in, strings.Join(args[1:], " ")+enter)
	ts.Check(err)
}

// cmdPress: press NAME ^KEY presses Ctrl and KEY on the terminal of NAME.
func cmdPress(ts *testscript.TestScript, args []string) {
	usage(ts, len(args) == 2 && len(args[1]) == 2 && args[1][0] == '^', "press NAME ^KEY")
	_, err := stageOf(ts).process(ts, args[0]).in.Write([]byte{args[1][1] & 0x1f})
	ts.Check(err)
}

// cmdEOF: eof NAME closes the stdin of NAME, or its terminal.
func cmdEOF(ts *testscript.TestScript, args []string) {
	usage(ts, len(args) == 1, "eof NAME")
	ts.Check(stageOf(ts).process(ts, args[0]).in.Close())
}

// cmdWaitline: waitline [-count=N] FILE REGEX waits until N lines of FILE match; one without
// -count. The \r that ends a line on a terminal is not part of it.
func cmdWaitline(ts *testscript.TestScript, args []string) {
	count := 1
	if n, ok := strings.CutPrefix(args[0], "-count="); ok {
		var err error
		count, err = strconv.Atoi(n)
		ts.Check(err)
		args = args[1:]
	}
	usage(ts, len(args) == 2, "waitline [-count=N] FILE REGEX")
	line, err := regexp.Compile(args[1])
	ts.Check(err)
	await(ts, "waitline", func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			ts.Fatalf("%v", err)
		}
		n := 0
		for l := range bytes.Lines(text) {
			if line.Match(bytes.TrimRight(l, "\r\n")) {
				n++
			}
		}
		return n >= count
	})
}

// signals holds the signals that a script can send, by name.
var signals = map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "KILL": os.Kill, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT}

// cmdSignal: signal NAME INT|TERM|HUP|KILL|STOP|CONT sends a signal to NAME. STOP waits until NAME has
// stopped.
func cmdSignal(ts *testscript.TestScript, args []string) {
	usage(ts, len(args) == 2 && signals[args[1]] != nil, "signal NAME INT|TERM|HUP|KILL|STOP|CONT")
	p := stageOf(ts).process(ts, args[0]).cmd.Process
	ts.Check(p.Signal(signals[args[1]]))
	for until := time.Now().Add(patience); args[1] == "STOP" && !isStopped(p.Pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			ts.Fatalf("%s does not stop", args[0])
		}
	}
}

// isStopped reports whether all threads of a process are stopped, as far as the system shows that.
func isStopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, path := range threads {
		b, err := os.ReadFile(path)
		if _, state, ok := strings.Cut(string(b), ") "); err == nil && ok && !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// cmdEnds: ends [-within TIME] NAME [CODE] waits until NAME has ended, and checks its exit
// code, which is -1 if a signal killed it.
func cmdEnds(ts *testscript.TestScript, args []string) {
	limit := patience
	if len(args) > 1 && args[0] == "-within" {
		var err error
		limit, err = time.ParseDuration(args[1])
		ts.Check(err)
		args = args[2:]
	}
	usage(ts, len(args) == 1 || len(args) == 2, "ends [-within TIME] NAME [CODE]")
	p := stageOf(ts).process(ts, args[0])
	select {
	case <-p.ended:
	case <-time.After(limit):
		stageOf(ts).show(ts)
		ts.Fatalf("%s is still running after %v", args[0], limit)
	}
	p.in.Close()
	if got := strconv.Itoa(p.cmd.ProcessState.ExitCode()); len(args) == 2 && got != args[1] {
		stageOf(ts).show(ts)
		ts.Fatalf("exit code of %s is %s, want %s", args[0], got, args[1])
	}
}

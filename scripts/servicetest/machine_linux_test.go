package servicetest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chat/scripts/chattest"
)

// inNamespace is set for the tests themselves: TestMain runs them in a network namespace, which they share with systemd
// and the clients.
const inNamespace = "CHAT_SERVICETEST_NAMESPACE"

// The addresses in the network namespace. All clients have the same one, as those behind a router do, and it is not
// that of the host's machine.
const (
	hostAddr   = "10.77.0.1:24280"
	clientAddr = "10.77.0.2"
)

var noMachine string // why no systemd can be run here; "": it can

func TestMain(m *testing.M) {
	if noMachine = whyNoMachine(); noMachine != "" || os.Getenv(inNamespace) != "" {
		os.Exit(m.Run())
	}
	again := exec.Command("unshare", "--net", "sh", "-c", `ip link set lo up && ip link add room type veth peer name cable && ip link set room up && ip link set cable up &&
		ip addr add 10.77.0.1/24 dev room && ip addr add 10.77.0.2/24 dev room && exec "$@"`, "sh", os.Args[0])
	again.Args = append(again.Args, os.Args[1:]...)
	again.Env = append(os.Environ(), inNamespace+"=1")
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	if err := again.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "tests in a network namespace:", err)
		os.Exit(1)
	}
}

func whyNoMachine() string {
	if os.Geteuid() != 0 {
		return "namespaces need root"
	}
	for _, tool := range []string{"unshare", "nsenter", "ip", "systemctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "not installed: " + tool
		}
	}
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		return "not installed: systemd"
	}
	if out, err := exec.Command("unshare", "--net", "--mount", "--pid", "--cgroup", "--fork", "true").CombinedOutput(); err != nil {
		return fmt.Sprintf("no namespaces: %s", out)
	}
	return ""
}

// A machine is a systemd with the program installed.
type machine struct {
	t      *testing.T
	init   string // process ID of systemd, as this process sees it
	dir    string // /test on the machine
	binary string // /usr/bin/chat on the machine
}

// boot starts systemd, which ends with the test.
func boot(t *testing.T) *machine {
	t.Helper()
	if noMachine != "" {
		chattest.Missing(t, noMachine)
	}
	chattest.NoticeSources(t, "../..")
	program, err := chattest.Build()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, dir: filepath.Dir(program)}
	t.Cleanup(func() { os.RemoveAll(m.dir) })
	units, err := filepath.Abs("../packaging/systemd")
	if err != nil {
		t.Fatal(err)
	}
	cgroup := makeCgroup(t)
	var said bytes.Buffer
	systemd := exec.Command("sh", "-c", `echo $$ >"$1"/cgroup.procs && shift && exec "$@"`, "sh", cgroup,
		"unshare", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child", "sh", "testdata/boot.sh", m.dir, units)
	systemd.Stdout, systemd.Stderr = &said, &said
	systemd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := systemd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		systemd.Process.Kill() // and with it systemd and all of its processes
		systemd.Wait()
	})
	m.init = m.findInit(systemd.Process.Pid)
	m.binary = filepath.Join("/proc", m.init, "root/usr/bin/chat")
	m.eventually("systemd has not started", func() bool {
		out, _ := m.try("systemctl", "is-system-running")
		return strings.Contains(out, "running") || strings.Contains(out, "degraded")
	})
	t.Cleanup(func() {
		if t.Failed() {
			journal, _ := m.try("journalctl", "--no-pager", "-n", "100")
			t.Logf("systemd said %s\nthe journal:\n%s", said.String(), journal)
		}
	})
	return m
}

// makeCgroup makes a cgroup for systemd. It is removed when the test ends.
func makeCgroup(t *testing.T) string {
	t.Helper()
	hierarchy := filepath.Join(t.TempDir(), "cgroup")
	if err := os.Mkdir(hierarchy, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("cgroup", hierarchy, "cgroup2", 0, ""); err != nil {
		chattest.Missing(t, "no cgroups: "+err.Error())
	}
	t.Cleanup(func() { syscall.Unmount(hierarchy, syscall.MNT_DETACH) })
	cgroup := filepath.Join(hierarchy, fmt.Sprintf("chat-servicetest-%d", os.Getpid()))
	if err := os.Mkdir(cgroup, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 20 { // its last processes may just be ending
			if exec.Command("find", cgroup, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run(); !exists(cgroup) {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("cannot remove %s", cgroup)
	})
	return cgroup
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// findInit returns the process ID of the child of unshare.
func (m *machine) findInit(unshare int) (init string) {
	m.t.Helper()
	children := fmt.Sprintf("/proc/%d/task/%[1]d/children", unshare)
	m.eventually("unshare has no child", func() bool {
		b, _ := os.ReadFile(children)
		init = strings.TrimSpace(string(b))
		return init != ""
	})
	m.eventually("process 1 is not systemd", func() bool {
		b, _ := os.ReadFile(filepath.Join("/proc", init, "comm"))
		return strings.TrimSpace(string(b)) == "systemd"
	})
	return init
}

// try runs a command on the machine.
func (m *machine) try(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "nsenter", append([]string{"-t", m.init, "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--"}, command...)...).CombinedOutput()
	return string(out), err
}

// run is try that must succeed.
func (m *machine) run(command ...string) string {
	m.t.Helper()
	out, err := m.try(command...)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return out
}

// write writes a file on the machine.
func (m *machine) write(path, text string) {
	m.t.Helper()
	path = filepath.Join("/proc", m.init, "root", path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// property returns a property of the service.
func (m *machine) property(name string) string {
	m.t.Helper()
	return strings.TrimSpace(m.run("systemctl", "show", "--value", "-p", name, "chat.service"))
}

// upgrade installs another file of the program, as packages do: under a new name, then renamed.
func (m *machine) upgrade() {
	m.t.Helper()
	b, err := os.ReadFile(filepath.Join(m.dir, "chat"))
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(m.binary+".new", b, 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(m.binary+".new", m.binary); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) eventually(otherwise string, is func() bool) {
	m.t.Helper()
	for began := time.Now(); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			m.t.Fatal(otherwise)
		}
	}
}

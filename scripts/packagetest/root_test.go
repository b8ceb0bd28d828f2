//go:build linux

package packagetest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chat/scripts/chattest"
)

// patience is how long a test waits for something that should happen soon.
const patience = 30 * time.Second

// A root is a folder that is the root of programs which a test runs, on a network with nothing
// but loopback.
type root struct {
	dir    string // seen from within the namespaces
	holder int    // the process whose namespaces they are
}

// newRoot returns a root that a shell script mounts. The script gets an empty folder.
func newRoot(t *testing.T, script string) *root {
	t.Helper()
	if os.Getuid() != 0 {
		chattest.Missing(t, "making a root needs root")
	}
	chattest.NeedTools(t, "unshare", "nsenter", "ip")
	r := &root{dir: t.TempDir()}
	holder := exec.Command("unshare", "--mount", "--net", "--propagation", "private",
		"sh", "-ec", script+"\nip link set lo up\necho ready\nexec sleep infinity", "sh", r.dir, release)
	var problems strings.Builder
	holder.Stderr = &problems
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	r.holder = holder.Process.Pid
	t.Cleanup(func() {
		holder.Process.Kill()
		holder.Wait()
	})
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		holder.Wait()
		chattest.Missing(t, "no root can be made here: "+problems.String())
	}
	return r
}

// debian returns a copy of this machine's root that can be changed, with the release in /release.
// As in a chroot, systemd does not run there.
func debian(t *testing.T) *root {
	t.Helper()
	chattest.NeedTools(t, "dpkg", "dpkg-deb", "apt-get")
	return newRoot(t, `mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --move "$1/root" "$1"
mkdir "$1/release"
mount --bind "$2" "$1/release"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"`)
}

// command returns a command that runs in the root as a user.
func (r *root) command(user string, args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(r.holder), "--mount", "--net", "--", "chroot", "--userspec=" + user, r.dir}
	cmd := exec.Command("nsenter", append(enter, args...)...)
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/tmp/" + strings.ReplaceAll(user, ":", "-"), "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	return cmd
}

// run runs a command as root, which has to succeed, and returns its output.
func (r *root) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := r.command("0:0", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// host starts a host as a user, with these variables, and returns once a member can join it.
func (r *root) host(t *testing.T, user string, env []string, args ...string) (stop func()) {
	t.Helper()
	host := r.command(user, args...)
	host.Env = append(host.Env, env...)
	var log strings.Builder
	host.Stderr = &log
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- host.Wait() }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		host.Process.Signal(os.Interrupt)
		if err := <-ended; err != nil {
			t.Errorf("%q: %v\n%s", args, err, &log)
		}
	}
	t.Cleanup(stop)
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if r.command("0:0", args[0], "join", "--addr", "127.0.0.1", "--nick", "probe", "--timeout", "1s").Run() == nil {
			return stop
		}
		if time.Since(began) > patience {
			stop()
			t.Fatalf("%q does not answer:\n%s", args, &log)
		}
	}
}

// say sends a message from a member, which ends when it has arrived.
func (r *root) say(t *testing.T, program, text string) {
	t.Helper()
	member := r.command("65534:65534", program, "join", "--addr", "127.0.0.1", "--nick", "alice")
	member.Stdin = strings.NewReader(text + "\n")
	if out, err := member.CombinedOutput(); err != nil {
		t.Fatalf("say %q: %v\n%s", text, err, out)
	}
}

// pppPackage returns the path of ppp's package, downloaded once.
func pppPackage(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "chat-ppp")
	find := func() []string { found, _ := filepath.Glob(filepath.Join(folder, "ppp_*.deb")); return found }
	if len(find()) == 0 {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		download := exec.Command("apt-get", "download", "-qq", "ppp")
		download.Dir = folder
		if out, err := download.CombinedOutput(); err != nil {
			chattest.Missing(t, "cannot download ppp: "+string(out))
		}
	}
	return find()[0]
}

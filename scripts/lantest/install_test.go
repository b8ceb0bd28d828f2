package lantest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"chat/scripts/chattest"
)

// busyBoxRoot returns a root directory that has BusyBox and nothing else, as in a small container.
func busyBoxRoot(t *testing.T) string {
	t.Helper()
	chattest.NeedTools(t, "busybox", "chroot")
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, dir := range []string{"bin", "dev", "root"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "bin/busybox"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mknod", "-m", "666", filepath.Join(root, "dev/null"), "c", "1", "3").CombinedOutput(); err != nil {
		t.Fatalf("mknod: %v: %s", err, out)
	}
	if out, err := exec.Command("chroot", root, "/bin/busybox", "--install", "-s", "/bin").CombinedOutput(); err != nil {
		chattest.Missing(t, "BusyBox does not run alone: "+string(out)) // it is not a static one
	}
	return root
}

// inRoot runs a command of the shell in a root directory on node.
func (l *lab) inRoot(node int, root, command string) (stdout, stderr string, code int) {
	l.t.Helper()
	return l.run(node, "chroot", root, "/bin/busybox", "env", "-i", "HOME=/root", "PATH=/bin", "sh", "-c", command)
}

// A machine that has only BusyBox gets the program from the host, and joins with it.
func TestInstallWithBusyBox(t *testing.T) {
	t.Parallel()
	root := busyBoxRoot(t)
	l := newLab(t, "2")
	l.host(1, "kitchen")
	bob := l.start(1, "chat", "join", "--addr", "127.0.0.1", "--follow", "--nick", "bob")

	out, errs, code := l.inRoot(2, root, "wget -qO- http://10.77.0.1:24280/get/install.sh | sh")
	if code != 0 || !strings.Contains(out, "Installed chat ") || !strings.Contains(out, "/root/.local/bin is not in your PATH") {
		t.Fatalf("code %d: %s%s", code, out, errs)
	}
	out, errs, code = l.inRoot(2, root, "cd /root/.local/bin && wget -q http://10.77.0.1:24280/get/SHA256SUMS && ls -A && sed -n 's/chat-linux-.*/chat/p' SHA256SUMS | sha256sum -c")
	if code != 0 || out != "SHA256SUMS\nchat\nchat: OK\n" {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
	out, errs, code = l.inRoot(2, root, "echo hello from a box | /root/.local/bin/chat join --addr 10.77.0.1 --nick box")
	if code != 0 {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
	bob.awaitOutput("<box> hello from a box", soon)
}

// The command in the invite of a sealed room checks the host's key. In a root that has only BusyBox, which has no TLS 1.3, the
// script cannot be fetched, and nothing is installed.
func TestInstallFromSealedRoom(t *testing.T) {
	t.Parallel()
	chattest.NeedTools(t, "curl")
	root := busyBoxRoot(t)
	l := newLab(t, "3")
	l.sealedHost()
	var room struct{ Install string }
	if err := json.Unmarshal([]byte(l.mustRun(1, "chat", "invite", "laboratory", "--json")), &room); err != nil || !strings.Contains(room.Install, " -k --pinnedpubkey 'sha256//") {
		t.Fatalf("%+v, %v", room, err)
	}
	home := t.TempDir()
	install := func(command string) (out string, has bool) {
		stdout, stderr, _ := l.run(2, "env", "HOME="+home, "sh", "-c", command)
		_, err := os.Stat(filepath.Join(home, ".local/bin/chat"))
		return stdout + stderr, err == nil
	}
	at, end := strings.Index(room.Install, "sha256//")+len("sha256//"), strings.LastIndex(room.Install, "'")
	otherKey := room.Install[:at] + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" + room.Install[end:]
	if out, has := install(otherKey); has || strings.Contains(out, "Downloading") {
		t.Errorf("with the pin of another host: %s", out)
	}
	if out, has := install(room.Install); !has || !strings.Contains(out, "Installed chat ") {
		t.Errorf("%s: %s", room.Install, out)
	}
	var out, errs string
	for range 5 { // on a busy machine, the wget of BusyBox may end without a word
		out, errs, _ = l.inRoot(3, root, "wget -qO- --no-check-certificate https://10.77.0.1:24280/get/install.sh | sh; ls -A /root; echo end")
		if errs != "" {
			break
		}
	}
	if out != "end\n" || !strings.Contains(errs, "wget: ") {
		t.Errorf("%s%s", out, errs)
	}
}

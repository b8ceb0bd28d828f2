//go:build linux

package packagetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The Debian package is installed beside ppp, used, upgraded, removed and purged.
func TestDebianPackage(t *testing.T) {
	needRelease(t)
	r := debian(t)
	ppp := pppPackage(t)
	for _, deb := range []string{ppp, olderPackage(t)} {
		if err := os.WriteFile(filepath.Join(release, filepath.Base(deb)), read(t, deb), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(filepath.Join(release, filepath.Base(deb))) })
	}
	r.run(t, "dpkg", "--force-depends", "-i", "/release/"+filepath.Base(ppp)) // only its files matter
	r.run(t, "dpkg", "-i", "/release/"+olderDeb)
	const program, history = "/usr/bin/chat", "/var/lib/chat/room.chat"
	if out := r.run(t, program, "version"); !strings.HasPrefix(out, "chat "+olderVersion+" ") {
		t.Errorf("installed: %s", out)
	}
	checkBesidePPP(t, r)
	r.run(t, "install", "-d", "-o", "nobody", "/var/lib/chat")
	hosting := []string{program, "host", "--headless", "--addr", "127.0.0.1:24280", "--no-discovery", "--history", history}
	stop := r.host(t, "65534:65534", nil, hosting...)
	r.say(t, program, "before the upgrade")
	config := changeConfig(t, r)

	// The upgrade replaces the program below the running host.
	r.run(t, "dpkg", "-i", "/release/chat_"+version+"_amd64.deb")
	r.say(t, program, "during the upgrade")
	stop()
	if out := r.run(t, program, "version"); !strings.HasPrefix(out, "chat "+version+" ") {
		t.Errorf("upgraded: %s", out)
	}
	stop = r.host(t, "65534:65534", nil, hosting...)
	r.say(t, program, "after the upgrade")
	stop()
	said := r.run(t, program, "history", history)
	for _, text := range []string{"before the upgrade", "during the upgrade", "after the upgrade"} {
		if strings.Count(said, text) != 1 {
			t.Errorf("not once %q in\n%s", text, said)
		}
	}
	config(t)

	installed := strings.Fields(r.run(t, "dpkg", "-L", "chat"))
	if written, err := filepath.Glob("../packaging/systemd/chat*.s*"); err != nil || len(units(installed)) != len(written) {
		t.Errorf("the package has %q of %q", units(installed), written)
	}
	r.run(t, "dpkg", "-r", "chat")
	for _, path := range installed {
		if err := r.command("0:0", "test", "-f", path).Run(); err == nil && !strings.HasPrefix(path, "/etc/") {
			t.Errorf("%s is left after the removal", path)
		}
	}
	checkBesidePPP(t, r)
	config(t)
	r.run(t, "test", "-f", history)
	out := r.run(t, "dpkg", "--purge", "chat")
	r.run(t, "test", "-f", history)
	if len(units(installed)) > 0 && !strings.Contains(out, "rm -rf /var/lib/chat") {
		t.Errorf("the purge does not say that it keeps the history: %s", out)
	}
}

const (
	olderVersion = "1.997.0"
	olderDeb     = "chat_" + olderVersion + "_amd64.deb"
)

// olderPackage returns a package like that of the release, with a program and a version before
// it.
func olderPackage(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "tree")
	output(t, "dpkg-deb", "-R", filepath.Join(release, "chat_"+version+"_amd64.deb"), tree)
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -X main.version="+olderVersion, "-o", filepath.Join(tree, "usr/bin/chat"), "chat")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	control := filepath.Join(tree, "DEBIAN/control")
	text := strings.Replace(string(read(t, control)), "\nVersion: "+version+"\n", "\nVersion: "+olderVersion+"\n", 1)
	if err := os.WriteFile(control, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	deb := filepath.Join(t.TempDir(), olderDeb)
	output(t, "dpkg-deb", "-Znone", "--build", tree, deb)
	return deb
}

// checkBesidePPP checks that ppp's chat, its man page and all other files of its are still there.
func checkBesidePPP(t *testing.T, r *root) {
	t.Helper()
	if out := r.run(t, "dpkg", "-S", "/usr/sbin/chat"); out != "ppp: /usr/sbin/chat\n" {
		t.Errorf("/usr/sbin/chat: %s", out)
	}
	if out, err := r.command("0:0", "dpkg", "--verify", "ppp").CombinedOutput(); strings.Contains(string(out), "/usr/") {
		t.Errorf("ppp was changed (%v): %s", err, out)
	}
}

// units returns the units of a package, by its files.
func units(installed []string) (found []string) {
	for _, path := range installed {
		if strings.HasPrefix(path, "/usr/lib/systemd/system/chat") {
			found = append(found, path)
		}
	}
	return found
}

// changeConfig changes the package's files in /etc, if it has any, and returns what checks that
// the changes are still there.
func changeConfig(t *testing.T, r *root) func(*testing.T) {
	t.Helper()
	const line = "# changed by the operator"
	var changed []string
	for path := range strings.FieldsSeq(r.run(t, "dpkg", "-L", "chat")) {
		if strings.HasPrefix(path, "/etc/") && r.command("0:0", "test", "-f", path).Run() == nil {
			r.run(t, "sh", "-c", "echo '"+line+"' >>"+path)
			changed = append(changed, path)
		}
	}
	return func(t *testing.T) {
		t.Helper()
		for _, path := range changed {
			if text := r.run(t, "cat", path); !strings.Contains(text, line) {
				t.Errorf("%s lost its changes:\n%s", path, text)
			}
		}
	}
}

// Without a terminal as its input, ppp's chat ends at once when a shell asks it for completions,
// as root's shells do, which find it first.
func TestCompletionsAskPPP(t *testing.T) {
	needRelease(t)
	r := debian(t)
	ppp := t.TempDir()
	output(t, "dpkg-deb", "-x", pppPackage(t), ppp)
	if err := os.WriteFile(filepath.Join(release, "ppp-chat"), read(t, filepath.Join(ppp, "usr/sbin/chat")), 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(filepath.Join(release, "ppp-chat"))
	r.run(t, "install", "-m", "755", "/release/ppp-chat", "/usr/sbin/chat")
	r.run(t, "dpkg", "-i", "/release/chat_"+version+"_amd64.deb")
	script := `PATH=/usr/sbin:/usr/bin:/bin
. /usr/share/bash-completion/completions/chat
COMP_WORDS=(chat ho) COMP_CWORD=1
_chat
echo "found ${COMPREPLY[*]}."
COMP_WORDS=(/usr/bin/chat ho)
_chat
echo "found ${COMPREPLY[*]}."`
	r.run(t, "sh", "-c", `cat >/tmp/complete <<'END'
`+script+`
END`)
	out := r.run(t, "timeout", "20", "script", "-qec", "bash /tmp/complete", "/dev/null") // on a terminal
	if lines := strings.Fields(strings.ReplaceAll(out, "\r", "")); strings.Join(lines, " ") != "found . found host." {
		t.Errorf("completions: %q", out)
	}
}

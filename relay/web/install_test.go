// install.sh looks at the processor, which on most machines that run these tests for 386 is another one.

//go:build !386

package web_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"chat/relay"
	"chat/relay/web"
)

// A home is a machine without chat: a home directory, and the programs that its shell finds.
type home struct {
	t     *testing.T
	dir   string
	shell []string
	env   []string
}

// tools are what install.sh needs beside a program that downloads.
var tools = []string{"uname", "tr", "mktemp", "rm", "mkdir", "mv", "chmod", "sleep", "tar", "gzip"}

// newHome returns a machine whose shell finds only those of the given programs, and tools. busybox stands for its applets.
func newHome(t *testing.T, shell string, programs ...string) *home {
	t.Helper()
	m := &home{t: t, dir: t.TempDir()}
	bin := filepath.Join(m.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	busybox := shell == "busybox"
	for _, name := range append(programs, tools...) {
		target, err := exec.LookPath(name)
		if busybox { // each applet is a link to it
			target, err = exec.LookPath("busybox")
		}
		if err != nil {
			t.Skip(err)
		}
		if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Skip(err)
	}
	if m.shell = []string{path}; busybox {
		m.shell = append(m.shell, "sh")
	}
	m.env = []string{"HOME=" + m.dir, "PATH=" + bin}
	return m
}

// run runs a script as from a pipe, and returns what it says and whether it succeeded.
func (m *home) run(script string, env ...string) (out string, ok bool) {
	m.t.Helper()
	cmd := exec.Command(m.shell[0], m.shell[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdin = append(m.env[:len(m.env):len(m.env)], env...), m.dir, strings.NewReader(script)
	b, err := cmd.CombinedOutput()
	return string(b), err == nil
}

// has reports whether the file at path, in the home, has the text; an empty one: whether there is none. No other file may be left.
func (m *home) has(path, text string) bool {
	m.t.Helper()
	if left, err := filepath.Glob(filepath.Join(m.dir, ".local/bin/.*")); err != nil || len(left) > 0 {
		m.t.Errorf("left behind: %q, %v", left, err)
	}
	b, err := os.ReadFile(filepath.Join(m.dir, path))
	if text == "" {
		return os.IsNotExist(err)
	}
	info, statErr := os.Stat(filepath.Join(m.dir, path))
	return err == nil && statErr == nil && string(b) == text && info.Mode() == 0o755
}

const (
	fakeChat  = "#!/bin/sh\n[ \"$1\" = version ] && echo chat 9.9\n"
	installed = ".local/bin/chat"
)

// script returns install.sh of the host.
func (r *room) script() string {
	r.t.Helper()
	res, body := r.get("/get/install.sh")
	if res.StatusCode != 200 {
		r.t.Fatal(res.Status)
	}
	return body
}

func hostOf(t *testing.T, own string, release map[string]string) *room {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("install.sh is not for Windows")
	}
	return open(t, relay.Options{}, web.Options{Programs: programs(t, own, release)})
}

// The script installs the program in every shell, with every program that downloads.
func TestInstall(t *testing.T) {
	r := hostOf(t, fakeChat, nil)
	for _, shell := range []string{"busybox", "dash", "bash", "zsh"} {
		for _, with := range []string{"curl", "wget"} {
			if shell == "busybox" && with == "curl" {
				continue // it has only wget
			}
			t.Run(shell+" "+with, func(t *testing.T) {
				m := newHome(t, shell, with, "sha256sum")
				out, ok := m.run(r.script())
				if !ok || !m.has(installed, fakeChat) || !strings.Contains(out, "Installed chat 9.9 as "+m.dir+"/"+installed) || !strings.Contains(out, hexSum(fakeChat)) {
					t.Errorf("%v: %s", ok, out)
				}
				if !strings.Contains(out, "is not in your PATH") || !strings.Contains(out, "PATH=\""+m.dir+"/.local/bin:$PATH\"") {
					t.Errorf("nothing about PATH: %s", out)
				}
				// Again, with the folder in PATH; the program in it is replaced.
				if out, ok = m.run(r.script(), "PATH="+m.dir+"/.local/bin:"+m.dir+"/bin"); !ok || !m.has(installed, fakeChat) || !strings.Contains(out, "Start it with: chat\n") {
					t.Errorf("%v: %s", ok, out)
				}
			})
		}
	}
}

// The script installs with each program that computes a SHA-256, and not without one.
func TestInstallSums(t *testing.T) {
	r := hostOf(t, fakeChat, nil)
	for _, sum := range []string{"sha256sum", "shasum", "openssl", "busybox"} {
		t.Run(sum, func(t *testing.T) {
			m := newHome(t, "dash", "curl", sum)
			if sum == "shasum" { // a script
				m.env = append(m.env, "PERL5LIB="+os.Getenv("PERL5LIB"))
				if perl, err := exec.LookPath("perl"); err == nil {
					os.Symlink(perl, filepath.Join(m.dir, "bin/perl"))
				}
			}
			if out, ok := m.run(r.script()); !ok || !m.has(installed, fakeChat) {
				t.Errorf("%v: %s", ok, out)
			}
		})
	}
	m := newHome(t, "dash", "curl")
	if out, ok := m.run(r.script()); ok || !m.has(installed, "") || !strings.Contains(out, "nothing is installed\nhint: ") {
		t.Errorf("%v: %s", ok, out)
	}
}

// What is not right installs nothing, says why, and leaves a program that is there as it is.
func TestInstallNothing(t *testing.T) {
	host := hostOf(t, fakeChat, nil)
	script := host.script()
	sum := hexSum(fakeChat)
	tests := map[string]struct{ script, says string }{
		"a wrong hash":      {strings.Replace(script, sum, hexSum("other"), 1), "the SHA-256 of " + ownName + " is " + sum + ", not " + hexSum("other") + ": nothing is installed"},
		"another processor": {strings.Replace(script, "='"+runtime.GOOS+" ", "='plan9 ", 1), "this host has no chat for " + runtime.GOOS + "/" + runtime.GOARCH + "; it has: plan9/"},
		"no program":        {strings.Replace(script, runtime.GOOS+" "+runtime.GOARCH+" "+ownName, "", 1), "this host has no chat for"},
		"no such file":      {strings.ReplaceAll(script, " "+ownName+" ", " gone "), "cannot download http://" + host.addr + "/get/gone"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.script = strings.Replace(test.script, "sleep 3", ":", 1) // between attempts
			for _, shell := range []string{"dash", "busybox"} {
				m := newHome(t, shell, "wget", "sha256sum")
				if out, ok := m.run(test.script); ok || !m.has(installed, "") || !strings.Contains(out, "install.sh: "+test.says) || !strings.Contains(out, "\nhint: ") {
					t.Errorf("%s: %v: %s", shell, ok, out)
				}
				if err := os.MkdirAll(filepath.Join(m.dir, ".local/bin"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(m.dir, installed), []byte("before"), 0o755); err != nil {
					t.Fatal(err)
				}
				if out, ok := m.run(test.script); ok || !m.has(installed, "before") {
					t.Errorf("%s: %v: %s", shell, ok, out)
				}
			}
		})
	}
	t.Run("does not run", func(t *testing.T) {
		r := hostOf(t, "#!/bin/sh\necho no such library >&2\nexit 1\n", nil)
		m := newHome(t, "dash", "curl", "sha256sum")
		if out, ok := m.run(r.script()); ok || !m.has(installed, "") || !strings.Contains(out, "does not run on this system: no such library\nhint: ") {
			t.Errorf("%v: %s", ok, out)
		}
	})
	t.Run("nothing downloads", func(t *testing.T) {
		m := newHome(t, "dash", "sha256sum")
		if out, ok := m.run(script); ok || !m.has(installed, "") || !strings.Contains(out, "neither curl nor wget") {
			t.Errorf("%v: %s", ok, out)
		}
	})
	t.Run("a folder", func(t *testing.T) {
		m := newHome(t, "dash", "curl", "sha256sum")
		os.MkdirAll(filepath.Join(m.dir, installed), 0o755)
		if out, ok := m.run(script); ok || !strings.Contains(out, "is a folder\nhint: ") {
			t.Errorf("%v: %s", ok, out)
		}
	})
	t.Run("no home", func(t *testing.T) {
		m := newHome(t, "dash", "curl", "sha256sum")
		if out, ok := m.run(script, "HOME="); ok || !strings.Contains(out, "HOME is not set\nhint: ") {
			t.Errorf("%v: %s", ok, out)
		}
	})
}

// A script that was cut off anywhere does nothing.
func TestInstallCutOff(t *testing.T) {
	r := hostOf(t, fakeChat, nil)
	script := r.script()
	last := strings.LastIndex(script, "get_chat \"$@\"\n")
	if last < 0 || last+len("get_chat \"$@\"\n") != len(script) {
		t.Fatalf("the script ends with %q", script[len(script)-30:])
	}
	m := newHome(t, "dash", "curl", "sha256sum")
	step := len(script)/60 + 1
	for at := range len(script) {
		if at%step != 0 && at < last {
			continue
		}
		if at >= last+len("get_chat") { // the call is complete
			break
		}
		if out, _ := m.run(script[:at]); !m.has(installed, "") || strings.Contains(out, "Downloading") {
			t.Fatalf("cut off at %d, it says %s", at, out)
		}
	}
}

// The script uses PREFIX, says if another chat comes first in PATH, and installs from an archive.
func TestInstallElsewhere(t *testing.T) {
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	archive := tar.NewWriter(zipped)
	folder := "chat-9.9-linux-riscv64"
	for name, text := range map[string]string{folder + "/chat": fakeChat, folder + "/README.md": "read me"} {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		archive.Write([]byte(text))
	}
	archive.Close()
	zipped.Close()
	r := hostOf(t, "not this one", map[string]string{folder + ".tar.gz": b.String()})
	for _, shell := range []string{"dash", "busybox", "zsh"} {
		t.Run(shell, func(t *testing.T) {
			m := newHome(t, shell, "wget", "sha256sum")
			os.WriteFile(filepath.Join(m.dir, "bin/chat"), []byte("#!/bin/sh\n"), 0o755)
			script := strings.NewReplacer("os=$(get_system)", "os=linux", "arch=$(get_processor)", "arch=riscv64").Replace(r.script())
			out, ok := m.run(script, "PREFIX="+m.dir+"/a b", "SHELL=/bin/zsh", "PATH="+m.dir+"/bin:"+m.dir+"/a b/bin")
			if !ok || !m.has("a b/bin/chat", fakeChat) || !strings.Contains(out, "Another chat comes first in your PATH: "+m.dir+"/bin/chat") || !strings.Contains(out, "~/.zshrc") {
				t.Errorf("%v: %s", ok, out)
			}
		})
	}
}

// The scripts are ones that shellcheck has nothing to say of.
func TestInstallShellcheck(t *testing.T) {
	path, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip(err)
	}
	r := hostOf(t, fakeChat, nil)
	cmd := exec.Command(path, "--shell=sh", "-")
	cmd.Stdin = strings.NewReader(r.script())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

//go:build linux

package platforms

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"chat/scripts/chattest"
)

// patience is how long a test waits for something that should happen soon. An emulated
// program on a busy machine is slow.
const patience = 60 * time.Second

// A platform runs programs of another system or processor.
type platform struct {
	goos, goarch string
	runner       []string // the command that runs a program
	env          []string // its environment
	dir          string   // where the programs are built
}

// command returns the command that runs a program.
func (p *platform) command(program string, args ...string) *exec.Cmd {
	all := append(append(append([]string(nil), p.runner...), program), args...)
	cmd := exec.Command(all[0], all[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	return cmd
}

// build compiles a package for the platform by a command, go build or go test -c, and
// returns the program's path.
func (p *platform) build(t *testing.T, name, pkg string, command ...string) string {
	t.Helper()
	program := filepath.Join(p.dir, name)
	if p.goos == "windows" {
		program += ".exe"
	}
	cmd := exec.Command("go", append(command, "-o", program, pkg)...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.goos, "GOARCH="+p.goarch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s for %s/%s: %v\n%s", pkg, p.goos, p.goarch, err, out)
	}
	return program
}

// emulated returns a Linux whose processor QEMU emulates.
func emulated(t *testing.T, goarch, qemu string) *platform {
	t.Helper()
	need(t, qemu)
	return &platform{goos: "linux", goarch: goarch, runner: []string{qemu}, dir: t.TempDir()}
}

// wine returns a new Windows.
func wine(t *testing.T) *platform {
	t.Helper()
	need(t, "wine", "wineboot", "wineserver", "x86_64-w64-mingw32-gcc")
	if runtime.GOARCH != "amd64" {
		chattest.Missing(t, "Wine runs programs for amd64 on amd64 only")
	}
	p := &platform{goos: "windows", goarch: "amd64", runner: []string{"wine"}, dir: t.TempDir()}
	prefix := filepath.Join(p.dir, "wine")
	p.env = []string{
		"WINEPREFIX=" + prefix, "WINEDEBUG=-all", "DISPLAY=",
		"WINEDLLOVERRIDES=mscoree,mshtml=;winemenubuilder.exe=;bcryptprimitives=n",
	}
	t.Cleanup(func() { // only its own server
		for _, flag := range []string{"-k", "-w"} {
			stop := exec.Command("wineserver", flag)
			stop.Env = append(os.Environ(), p.env...)
			stop.Run() // fails if the server has ended
		}
	})
	boot := exec.Command("wineboot", "--init")
	boot.Env = append(os.Environ(), p.env...)
	if out, err := boot.CombinedOutput(); err != nil {
		t.Fatalf("wineboot: %v\n%s", err, out)
	}
	library := filepath.Join(prefix, "drive_c", "windows", "system32", "bcryptprimitives.dll")
	if _, err := os.Stat(library); err != nil {
		compiler := exec.Command("x86_64-w64-mingw32-gcc", "-shared", "-o", library, filepath.Join("testdata", "bcryptprimitives.c"), "-ladvapi32")
		if out, err := compiler.CombinedOutput(); err != nil {
			t.Fatalf("compile bcryptprimitives.dll: %v\n%s", err, out)
		}
	}
	return p
}

func need(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short")
	}
	chattest.NeedTools(t, programs...)
	chattest.NoticeSources(t, filepath.Join("..", ".."))
}

func TestWindows(t *testing.T) {
	p := wine(t)
	t.Run("a day", func(t *testing.T) { aDay(t, p) })
	// Not more of the packages: Wine 8 cannot delete files by os.Root, and so by t.TempDir.
	for _, of := range []struct{ name, tests string }{
		{"errno", "."}, {"endpoint", "."}, {"admin", "Requests|Loopback|Rooms|Unreachable"}, {"doctor", "."}, {"plain", "Input|Line|UTF16|Typed|Leave|Block"},
	} {
		t.Run(of.name, func(t *testing.T) { p.testPackage(t, of.name, of.tests) })
	}
}

// testPackage runs tests of a package of relay: those whose names match a pattern.
func (p *platform) testPackage(t *testing.T, name, tests string) {
	cmd := p.command(p.build(t, name+".test", "./relay/"+name, "test", "-c"), "-test.v", "-test.run", tests)
	cmd.Dir = filepath.Join("..", "..", "relay", name)
	out, err := cmd.CombinedOutput()
	if ran := strings.Count(string(out), "\n--- PASS"); err != nil || ran == 0 {
		t.Errorf("%v; %d tests passed\n%s", err, ran, out[max(0, len(out)-8000):])
	}
}

func TestARM64(t *testing.T) { aDay(t, emulated(t, "arm64", "qemu-aarch64-static")) }

// s390x is big-endian. QEMU does not translate the list of network interfaces for it: the host
// serves without one.
func TestS390X(t *testing.T) { aDay(t, emulated(t, "s390x", "qemu-s390x-static")) }

// await waits until done returns true.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// lines returns n numbered lines.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

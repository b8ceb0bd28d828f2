package program

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sumOf(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// write writes files by name, in a new folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, opts Options) *Set {
	t.Helper()
	s, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func names(files []*File) (names []string) {
	for _, f := range files {
		names = append(names, f.Name)
	}
	return names
}

// The own program is that of this process, also if the file was deleted on Linux.
func TestOwn(t *testing.T) {
	s := open(t, Options{})
	f := s.Default()
	if f == nil || !f.Own || f.OS != runtime.GOOS {
		t.Fatalf("the own program is %+v", f)
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum, err := f.Sum(t.Context()); err != nil || sum != sumOf(string(b)) || f.Size != int64(len(b)) {
		t.Errorf("%s %d, %v; the file has %s, %d bytes", sum, f.Size, err, sumOf(string(b)), len(b))
	}
}

// On Linux a process hands out what it runs after its file was deleted and another one is in its place.
func TestReplacedWhileRunning(t *testing.T) {
	if os.Getenv("CHAT_TEST_REPLACED") != "" {
		self := os.Args[0]
		s := open(t, Options{})
		if err := os.Rename(self+".new", self); err != nil {
			t.Fatal(err)
		}
		content, sum, err := s.Default().Open(t.Context())
		if err == nil {
			content.Close()
		}
		fmt.Printf("handed out %s %v\n", sum, err)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc/self/exe")
	}
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := write(t, map[string]string{"chat": string(b), "chat.new": "another version"})
	cmd := exec.Command(filepath.Join(dir, "chat"), "-test.run", "^TestReplacedWhileRunning$", "-test.v")
	cmd.Env = append(os.Environ(), "CHAT_TEST_REPLACED=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "handed out "+sumOf(string(b))+" <nil>") {
		t.Errorf("%s, %v", out, err)
	}
}

// A folder's files are those in SHA256SUMS that are there, with a name as in a release.
func TestFolder(t *testing.T) {
	dir := write(t, map[string]string{
		"bin/chat-linux-arm64": "arm", "chat-freebsd-amd64": "freebsd", "bin/chat-windows-amd64.exe": "exe", "chat-1.2.3-0.20261129-abc-darwin-arm64.tar.gz": "archive",
		"chat-1.2-linux-arm64.tar.gz": "arm archive", "bin/chat-linux-riscv64": "not listed", "bin/chat-linux-ppc64le": "changed", "secret": "secret", "bin/chat-windows-386": "no suffix",
	})
	outside := write(t, map[string]string{"file": "outside"})
	if err := os.Symlink(filepath.Join(outside, "file"), filepath.Join(dir, "bin/chat-linux-mips")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin/chat-linux-s390x"), 0o755); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	line := func(name, text string) { fmt.Fprintf(&b, "%s  %s\n", sumOf(text), name) }
	line("bin/chat-linux-arm64", "arm")
	fmt.Fprintf(&b, "%s *./chat-freebsd-amd64\r\n", strings.ToUpper(sumOf("freebsd")))
	line("bin/chat-windows-amd64.exe", "exe")
	line("bin/chat-windows-386", "no suffix")
	line("chat-1.2.3-0.20261129-abc-darwin-arm64.tar.gz", "archive")
	line("chat-1.2-linux-arm64.tar.gz", "arm archive")
	line("bin/chat-linux-ppc64le", "as it was")
	line("bin/chat-linux-armv7", "missing")
	line("bin/chat-linux-mips", "outside")
	line("bin/chat-linux-s390x", "a folder")
	line("secret", "secret")
	line("../"+filepath.Base(outside)+"/file", "outside")
	b.WriteString("no hash  bin/chat-linux-loong64\n" + strings.Repeat("z", 64) + "  bin/chat-linux-ppc64\n\n")
	if err := os.WriteFile(filepath.Join(dir, sums), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	own := write(t, map[string]string{"chat": "own"})
	s := open(t, Options{Folder: dir, Own: filepath.Join(own, "chat")})
	s.Verify(t.Context())
	want := []string{"chat-linux-arm64", "chat-1.2-linux-arm64.tar.gz", "chat-1.2.3-0.20261129-abc-darwin-arm64.tar.gz", "chat-windows-amd64.exe", "chat-freebsd-amd64", nameOf(ownSystem())}
	got := names(s.Files())
	slices.Sort(want)
	slices.Sort(got)
	if want = slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	if f := s.For(System{"linux", "arm64"}); f == nil || f.Archive {
		t.Errorf("for linux/arm64 there is %+v", f)
	}
	if f := s.For(System{"darwin", "arm64"}); f == nil || !f.Archive {
		t.Errorf("for darwin/arm64 there is %+v", f)
	}
	for _, name := range []string{"secret", "bin/chat-linux-arm64", "../x", "", "chat-linux-ppc64le", "chat-linux-mips", "chat-linux-riscv64", sums} {
		if f := s.Named(name); f != nil {
			t.Errorf("%q is handed out", name)
		}
	}
}

// Without a SHA256SUMS that names a program, a folder is none of a release.
func TestNoFolder(t *testing.T) {
	for _, dir := range []string{
		filepath.Join(t.TempDir(), "missing"), t.TempDir(),
		write(t, map[string]string{sums: "", "chat-linux-amd64": "x"}),
		write(t, map[string]string{sums: sumOf("x") + "  README.md\n", "README.md": "x"}),
	} {
		if _, err := Open(Options{Folder: dir}); err == nil || !strings.Contains(err.Error(), "\nhint: ") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// A file that is not as it was at the start is not handed out, whether it was replaced or written to.
func TestChanged(t *testing.T) {
	dir := write(t, map[string]string{"chat": "first"})
	path := filepath.Join(dir, "chat")
	f := open(t, Options{Own: path}).Default()
	content, sum, err := f.Open(t.Context())
	if err != nil || sum != sumOf("first") {
		t.Fatal(sum, err)
	}
	defer content.Close()
	if err := os.WriteFile(path+".new", []byte("other"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Open(t.Context()); !errors.Is(err, ErrChanged) {
		t.Errorf("a replaced file: %v", err)
	}
	b := make([]byte, 5)
	if _, err := content.ReadAt(b, 0); err != nil || string(b) != "first" {
		t.Errorf("the open file has %q, %v", b, err)
	}

	path = filepath.Join(write(t, map[string]string{"chat": "first"}), "chat")
	f = open(t, Options{Own: path}).Default()
	if err := os.WriteFile(path, []byte("longer than before"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Sum(t.Context()); !errors.Is(err, ErrChanged) {
		t.Errorf("a file that was written to: %v", err)
	}
}

// The file is read once for any number of callers, and one that is canceled does not end it.
func TestHashOnce(t *testing.T) {
	path := filepath.Join(write(t, map[string]string{"chat": strings.Repeat("x", 3*piece+1)}), "chat")
	s := open(t, Options{Own: path})
	f := s.Default()
	opened := 0
	inner := f.open
	f.open = func() (*os.File, error) { opened++; return inner() }
	s.oneHash.Lock()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Sum(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled caller gets %v", err)
	}
	if sum := f.KnownSum(); sum != "" {
		t.Errorf("%q is known before", sum)
	}
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			if sum, err := f.Sum(t.Context()); err != nil || sum != sumOf(strings.Repeat("x", 3*piece+1)) {
				t.Error(sum, err)
			}
		})
	}
	s.oneHash.Unlock()
	callers.Wait()
	if opened != 1 {
		t.Errorf("the file was opened %d times", opened)
	}
}

// After Close nothing is read, and no one waits.
func TestClosed(t *testing.T) {
	path := filepath.Join(write(t, map[string]string{"chat": "x"}), "chat")
	s, err := Open(Options{Own: path})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := s.Default().Sum(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// The program that needs a C library gives way to the one of a release for the same system.
func TestNeedsC(t *testing.T) {
	name := nameOf(ownSystem())
	dir := write(t, map[string]string{name: "static", sums: sumOf("static") + "  " + name + "\n"})
	for _, needs := range []bool{false, true} {
		s := &Set{log: open(t, Options{}).log}
		s.files = []*File{{System: ownSystem(), Name: name, Own: true, NeedsC: needs, hashed: make(chan struct{})}}
		if err := s.openFolder(dir); err != nil {
			t.Fatal(err)
		}
		if f := s.Default(); f.Own == needs {
			t.Errorf("needs a C library: %v; handed out is the own one: %v", needs, f.Own)
		}
		s.Close()
	}
}

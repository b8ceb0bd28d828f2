//go:build linux

package platforms

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// The README's command builds a program that needs no C library, also on a machine with a C
// compiler: it starts on Alpine and with an older glibc.
func TestBuildOfReadme(t *testing.T) {
	root := filepath.Join("..", "..")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("\\| build it \\| `(.*) -o chat \\.` \\|").FindSubmatch(readme)
	if found == nil {
		t.Fatal("the README does not say how to build it")
	}
	program := filepath.Join(t.TempDir(), "chat")
	build := exec.Command("sh", "-c", string(found[1])+` -o "$1" .`, "sh", program)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", found[1], err, out)
	}
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it is linked with a C library")
		}
	}
}

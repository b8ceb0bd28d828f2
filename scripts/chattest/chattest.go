// Package chattest is what the tests share that run the built program: a terminal to run
// it on, and what a test has to do that depends on more than Go code.
package chattest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// NoticeSources opens the folders of the module, whose root is given: go test then knows
// that its cached result is no good after a change in them. What go build reads it does
// not see, nor anything before m.Run.
func NoticeSources(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Build builds the program in a folder of its own, which whoever calls it deletes, and
// returns its path.
func Build() (program string, err error) {
	dir, err := os.MkdirTemp("", "chat-test")
	if err != nil {
		return "", err
	}
	program = filepath.Join(dir, "chat")
	if out, err := exec.Command("go", "build", "-o", program, "chat").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build chat: %w\n%s", err, out)
	}
	return program, nil
}

// Missing skips the test, or fails it where it has to run.
func Missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("this test has to run under CI: %s", why)
	}
	t.Skip(why)
}

// NeedTools skips the test where one of tools is not installed.
func NeedTools(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			Missing(t, "there is no "+tool)
		}
	}
}

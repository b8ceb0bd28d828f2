// Package chattest is shared by tests that run the built program: it builds the program,
// provides a terminal to run it on, and skips tests whose tools are missing.
package chattest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// NoticeSources opens the folders of the module at root, so that go test does not reuse a
// cached result after they change. It has to be called by a test: go test notices neither
// the files that go build reads nor those opened before m.Run.
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

// Build builds the program in a new folder and returns its path. The caller deletes the
// folder. Programs that the tests start keep their state there, too.
func Build() (program string, err error) {
	dir, err := os.MkdirTemp("", "chat-test")
	if err != nil {
		return "", err
	}
	os.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	program = filepath.Join(dir, "chat")
	if out, err := exec.Command("go", "build", "-o", program, "chat").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build chat: %w\n%s", err, out)
	}
	return program, nil
}

// Missing skips the test or, if CI is true, fails it.
func Missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("this test must run in CI: %s", why)
	}
	t.Skip(why)
}

// NeedTools skips the test if one of tools is not installed.
func NeedTools(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			Missing(t, "not installed: "+tool)
		}
	}
}

package privatefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// entries returns the names in a folder.
func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new")
	put := func(content string) func(*os.File) error {
		return func(partial *os.File) error {
			if info, err := partial.Stat(); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("while it is written, the file is %v, %v", info.Mode(), err)
			}
			_, err := partial.WriteString(content)
			return err
		}
	}
	odd := errors.New("odd")
	if err := Create(path, func(partial *os.File) error { return errors.Join(put("half")(partial), odd) }); !errors.Is(err, odd) {
		t.Errorf("the error is %v", err)
	}
	if left := entries(t, dir); len(left) > 0 {
		t.Errorf("after an error there are %q", left)
	}
	if err := Create(path, put("whole")); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, put("another")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second time, the error is %v", err)
	}
	other := filepath.Join(dir, "other")
	taken := func(partial *os.File) error { return os.WriteFile(other, []byte("mine"), 0o600) }
	if err := Create(other, taken); !errors.Is(err, fs.ErrExist) {
		t.Errorf("if the name is taken meanwhile, the error is %v", err)
	}
	for name, want := range map[string]string{"new": "whole", "other": "mine"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != want || err != nil {
			t.Errorf("%s has %q, %v", name, got, err)
		}
	}
	if left := entries(t, dir); len(left) != 2 {
		t.Errorf("there are %q", left)
	}
	if err := Create(filepath.Join(dir, "no", "file"), put("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder, the error is %v", err)
	}
}

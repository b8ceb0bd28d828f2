package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// aFullDisk is the error of a write to a full disk.
var aFullDisk = &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}

// What is interrupted ends at once, and leaves no file.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "room.chat")
	const line = `{"nick":"alice","text":"soup","time":"2024-01-02T10:02:11Z"}` + "\n"
	if _, _, err := importLines(path, strings.Repeat(line, 5000), importOptions{}); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, format := range formats {
		if err := export(ended, io.Discard, filepath.Join(dir, "out"), path, format, all); !errors.Is(err, context.Canceled) {
			t.Errorf("export as %s: %v", format, err)
		}
	}
	if _, err := importEvents(ended, filepath.Join(dir, "new.chat"), strings.NewReader(line), importOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("import: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	if err := printHistory(ctx, writerFunc(func(b []byte) (int, error) { cancel(); return out.Write(b) }), path, all, false); !errors.Is(err, context.Canceled) {
		t.Errorf("print: %v", err)
	}
	if n := strings.Count(out.String(), "\n"); n == 0 || n >= 5000 {
		t.Errorf("%d of 5,000 events are printed", n)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v", left, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// A new file without a folder is an error that names the folder.
func TestCheckFolder(t *testing.T) {
	dir := t.TempDir()
	if err := checkFolder(filepath.Join(dir, "new.chat")); err != nil {
		t.Error(err)
	}
	missing := filepath.Join(dir, "none")
	if err := checkFolder(filepath.Join(missing, "new.chat")); err == nil || !strings.HasPrefix(err.Error(), "no folder "+missing+" for the new file\nhint: create it") {
		t.Errorf("the error is %v", err)
	}
}

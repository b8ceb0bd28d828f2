//go:build unix

package openfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// content opens a file and reads it.
func content(t *testing.T, path string) string {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A file is read; a pipe too, if there is a writer, and it does not make the reader wait if there is none.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(file, []byte("whole"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := content(t, file); got != "whole" {
		t.Errorf("the file has %q", got)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	if got := content(t, pipe); got != "" {
		t.Errorf("a pipe without a writer has %q", got)
	}
	writer, err := os.OpenFile(pipe, os.O_RDWR, 0) // which is a reader, too, and so need not wait for one
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan error)
	go func() {
		_, err := writer.WriteString("piped")
		written <- err
	}()
	f, err := Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 5)
	if _, err := io.ReadFull(f, b); err != nil || string(b) != "piped" {
		t.Errorf("the pipe has %q, %v", b, err)
	}
	if err := errors.Join(<-written, f.SetReadDeadline(time.Now().Add(-time.Second))); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a pipe whose writer is silent: %v", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

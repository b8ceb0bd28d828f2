//go:build unix

package plain

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"chat/relay/wire"
)

// A transcript can go into a named pipe. Without a reader that is an error: opening the pipe would wait for one.
func TestTranscriptIntoPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("cannot make a named pipe: ", err)
	}
	if _, err := OpenTranscript(path); err == nil || !strings.Contains(err.Error(), "no one reads") {
		t.Errorf("without a reader: %v", err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	l, err := OpenTranscript(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Add(wire.Event{Type: wire.TypeMessage, From: "alice", Text: "soup"}, wire.Viewer{}); err != nil {
		t.Error(err)
	}
	if line, err := bufio.NewReader(reader).ReadString('\n'); err != nil || !strings.Contains(line, "<alice> soup") {
		t.Errorf("the reader got %q, %v", line, err)
	}
	if err := l.file.Close(); err != nil {
		t.Error(err)
	}
}

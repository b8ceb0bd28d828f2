// Package logtest has an output for the logs of tests, which can be read while a log is written.
package logtest

import (
	"bytes"
	"strings"
	"sync"
	"time"
)

// A Buffer is a log's output. It is safe for concurrent use. The zero value is an empty one.
type Buffer struct {
	mu    sync.Mutex
	lines bytes.Buffer // guarded by mu
}

// Write implements [io.Writer].
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.Write(p)
}

// String returns the lines since the last Take.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.String()
}

// Take returns the lines since the last Take.
func (b *Buffer) Take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.lines.Reset()
	return b.lines.String()
}

// Awaits reports whether words are written within a few seconds: a host writes its log in the background.
func (b *Buffer) Awaits(words string) bool {
	for range 1000 {
		if strings.Contains(b.String(), words) {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

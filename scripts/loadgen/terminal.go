//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// A terminal is a program on a pseudo-terminal that reads its output and answers no
// queries.
type terminal struct {
	process
	pty     *os.File
	started int64        // a time of clock
	drawn   atomic.Int64 // bytes so far

	// Guarded by mu.
	mu      sync.Mutex
	text    []byte // the end of the output, to search
	watches []watch
}

// A watch gets the time at which a pattern is first drawn.
type watch struct {
	what *regexp.Regexp
	seen chan int64 // capacity 1
}

// newTerminal does not start the program yet, so that the first frame can be watched for.
func newTerminal(argv []string) *terminal {
	return &terminal{process: process{exec.Command(argv[0], argv[1:]...), make(chan struct{})}}
}

// start runs the program with a plain environment.
func (t *terminal) start(dir string) (err error) {
	t.cmd.Dir = dir
	t.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TERM=xterm-256color", "LC_ALL=C.UTF-8"}
	attr := &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	t.started = clock()
	if t.pty, err = pty.StartWithAttrs(t.cmd, &pty.Winsize{Rows: 40, Cols: 100}, attr); err != nil {
		return err
	}
	go t.watchExit()
	go t.read()
	return nil
}

// stop kills the program.
func (t *terminal) stop() {
	_ = t.cmd.Process.Kill()
	<-t.exited
	t.pty.Close()
}

func (t *terminal) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := t.pty.Read(buf)
		if err != nil {
			return
		}
		t.search(buf[:n], clock())
	}
}

// search searches the new output, and the end of the output before it, for the watches'
// patterns.
func (t *terminal) search(b []byte, now int64) {
	const enough = 64
	t.drawn.Add(int64(len(b)))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text[max(0, len(t.text)-enough):], b...)
	left := t.watches[:0]
	for _, w := range t.watches {
		if w.what.Match(t.text) {
			w.seen <- now
		} else {
			left = append(left, w)
		}
	}
	t.watches = left
}

// watch adds a watch for a pattern in the output from now on.
func (t *terminal) watch(pattern string) watch {
	w := watch{regexp.MustCompile(pattern), make(chan int64, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watches = append(t.watches, w)
	return w
}

// await waits until the pattern of w is drawn, and returns the time.
func (t *terminal) await(ctx context.Context, w watch) (int64, error) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case at := <-w.seen:
		return at, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-limit.C:
		return 0, fmt.Errorf("%s was not drawn; %s", w.what, t.lastDrawn())
	case <-t.exited:
		return 0, fmt.Errorf("the program ended; %s", t.lastDrawn())
	}
}

func (t *terminal) lastDrawn() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("last output %q", t.text[max(0, len(t.text)-200):])
}

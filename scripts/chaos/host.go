//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"chat/relay/client"
	"chat/relay/wire"
)

// A host is `chat host`: a series of processes on the same port and the same file.
type host struct {
	// Fixed.
	name      string // as in the names of its files
	program   string
	flags     []string // besides hostFlags
	addr      string
	history   string // path of the history; empty: it has none
	state     string // path of the folder for its state
	clockFile string // path of the file with the clock's offset in seconds
	log       *os.File

	faultMu sync.Mutex // held during a fault of the host: one at a time

	// Guarded by mu.
	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
	killed bool          // a signal of ours ended it
}

func newHost(dir, name, program, history, addr string) (*host, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	return &host{name: name, program: program, addr: addr, history: history, state: filepath.Join(dir, "state", name), clockFile: filepath.Join(dir, name+".clock"), log: log}, nil
}

var hostFlags = []string{"host", "--headless", "--no-discovery", "--room", "chaos", "--limit", "rate=none"}

// historyFlags keep so little in memory that a client that reconnects after seconds is served
// from the file.
var historyFlags = []string{"--limit", "memory-events=1000", "--history"}

// start starts the host and does not wait until it listens.
func (h *host) start() error {
	cmd := exec.Command(h.program, slices.Concat(hostFlags, []string{"--addr", h.addr}, h.flags)...)
	if h.history != "" {
		cmd.Args = append(append(cmd.Args, historyFlags...), h.history)
	}
	cmd.Stdout, cmd.Stderr = h.log, h.log
	cmd.Env = append(os.Environ(), "CHAT_CHAOS_CLOCK="+h.clockFile, "XDG_STATE_HOME="+h.state)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	h.mu.Lock()
	h.cmd, h.exited, h.killed = cmd, exited, false
	h.mu.Unlock()
	go func() {
		cmd.Wait()
		close(exited)
	}()
	return nil
}

// signal sends a signal to the host, if it is running.
func (h *host) signal(s syscall.Signal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.killed = h.killed || s == syscall.SIGKILL || s == syscall.SIGTERM
	h.cmd.Process.Signal(s)
}

// kill kills the host and waits until it has ended.
func (h *host) kill() {
	h.signal(syscall.SIGKILL)
	h.mu.Lock()
	exited := h.exited
	h.mu.Unlock()
	<-exited
}

// quit ends the host as Ctrl-C does, and kills it if it does not end.
func (h *host) quit() error {
	h.signal(syscall.SIGTERM)
	select {
	case <-h.exited:
	case <-time.After(20 * time.Second):
		h.kill()
		return errSlowEnd
	}
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the host ended with exit code %d", code)
	}
	return nil
}

// crashed reports whether the host has ended without a signal of ours.
func (h *host) crashed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.exited:
		return !h.killed
	default:
		return false
	}
}

var (
	errCrashed = errors.New("the host crashed")
	errSlowEnd = errors.New("the host did not end within 20 s of SIGTERM")
)

// openPatience is how long a host may take to start. One of a cluster may wait 20 s for the NATS servers.
const openPatience = 40 * time.Second

// awaitOpen waits until the host answers.
func (h *host) awaitOpen(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, err := client.Probe(ctx, h.addr)
		switch {
		case err == nil:
			return nil
		case h.crashed():
			return errCrashed
		case ctx.Err() != nil:
			return fmt.Errorf("the host does not answer: %w", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// logTail returns the last lines of the host's log.
func (h *host) logTail() string {
	b, _ := os.ReadFile(h.log.Name())
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-3):], []byte("\n")))
}

// address returns the nth address of this process, on loopback. Linux has more loopback
// addresses than processes, so runs at the same time never share one, and a port can be
// opened again later.
func address(n int) string {
	pid := os.Getpid()
	ip := netip.AddrFrom4([4]byte{127, byte(1 + pid>>16), byte(pid >> 8), byte(pid)})
	return netip.AddrPortFrom(ip, uint16(wire.DefaultPort+n)).String()
}

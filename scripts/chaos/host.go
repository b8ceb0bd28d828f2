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
	"sync"
	"syscall"
	"time"

	"chat/relay/client"
	"chat/relay/wire"
)

// A host is `chat host`, over all its lives on the same port and the same file.
type host struct {
	program string
	addr    string
	history string // the file
	clock   string // the file with what its clock is off by
	log     *os.File

	turn sync.Mutex // one kill or stop at a time

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
	killed bool          // it ended because we wanted it to
}

func newHost(dir, program, history, addr string) (*host, error) {
	log, err := os.Create(filepath.Join(dir, "host.log"))
	if err != nil {
		return nil, err
	}
	return &host{program: program, addr: addr, history: history, clock: filepath.Join(dir, "clock"), log: log}, nil
}

// hostFlags make of a host one that is easily brought to where it hurts: it keeps so
// little in memory that who comes back after seconds is served from the file.
var hostFlags = []string{"host", "--headless", "--no-discovery", "--room", "chaos", "--limit", "rate=none", "--limit", "memory-events=1000"}

// start starts it, and does not wait until it listens.
func (h *host) start() error {
	cmd := exec.Command(h.program, append(hostFlags, "--addr", h.addr, "--history", h.history)...)
	cmd.Stdout, cmd.Stderr = h.log, h.log
	cmd.Env = append(os.Environ(), "CHAT_CHAOS_CLOCK="+h.clock)
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

// signal sends it a signal, if it lives.
func (h *host) signal(s syscall.Signal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.killed = h.killed || s == syscall.SIGKILL || s == syscall.SIGTERM
	h.cmd.Process.Signal(s)
}

// kill kills it and waits until it is gone.
func (h *host) kill() {
	h.signal(syscall.SIGKILL)
	h.mu.Lock()
	exited := h.exited
	h.mu.Unlock()
	<-exited
}

// stop ends it as Ctrl-C does.
func (h *host) stop() error {
	h.signal(syscall.SIGTERM)
	select {
	case <-h.exited:
	case <-time.After(20 * time.Second):
		h.kill()
		return errors.New("the host did not end within 20 s of SIGTERM")
	}
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the host ended with exit code %d", code)
	}
	return nil
}

// diedByItself reports whether it has ended though nobody killed it.
func (h *host) diedByItself() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.exited:
		return !h.killed
	default:
		return false
	}
}

var errDied = errors.New("the host ended by itself")

// awaitOpen waits until it answers.
func (h *host) awaitOpen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, err := client.Probe(ctx, h.addr)
		switch {
		case err == nil:
			return nil
		case h.diedByItself():
			return errDied
		case ctx.Err() != nil:
			return fmt.Errorf("the host does not answer: %w", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// lastWords are the end of its log.
func (h *host) lastWords() string {
	b, _ := os.ReadFile(h.log.Name())
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-3):], []byte("\n")))
}

// address is the nth one of this process: on loopback, which on Linux has more of them
// than there are processes, so that runs side by side are never in each other's way, and a
// port can be listened on again after a while.
func address(n int) string {
	pid := os.Getpid()
	ip := netip.AddrFrom4([4]byte{127, byte(1 + pid>>16), byte(pid >> 8), byte(pid)})
	return netip.AddrPortFrom(ip, uint16(wire.DefaultPort+n)).String()
}

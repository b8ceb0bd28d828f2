//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a measured program.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed by watchExit
}

// watchExit closes exited when the started process has ended.
func (p *process) watchExit() {
	_ = p.cmd.Wait()
	close(p.exited)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// A server is a process that listens.
type server struct {
	process
	addr netip.AddrPort
	log  *os.File
}

// startServer starts a program that listens on addr. Its output goes to a file in dir.
func startServer(dir string, addr netip.AddrPort, argv []string) (*server, error) {
	log, err := os.CreateTemp(dir, "server-*.log")
	if err != nil {
		return nil, err
	}
	s := &server{process{exec.Command(argv[0], argv[1:]...), make(chan struct{})}, addr, log}
	s.cmd.Dir = dir
	s.cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+dir, "XDG_STATE_HOME="+dir) // its files are deleted with dir
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		log.Close()
		return nil, err
	}
	go s.watchExit()
	return s, nil
}

// awaitOpen waits until the server listens. It does not connect, because some servers would
// count that as a client.
func (s *server) awaitOpen(ctx context.Context) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if listens(s.addr) {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("the server ended: %s", s.logTail())
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
		}
	}
	return errors.New("the server does not listen")
}

func listens(addr netip.AddrPort) bool {
	const listening = "0A"
	table, err := os.ReadFile("/proc/net/tcp")
	ip := addr.Addr().As4()
	want := fmt.Sprintf(" %08X:%04X 00000000:0000 %s ", binary.NativeEndian.Uint32(ip[:]), addr.Port(), listening)
	return err == nil && bytes.Contains(table, []byte(want))
}

// stop kills the server. A graceful shutdown with thousands of clients would take long.
func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.log.Close()
	os.Remove(s.log.Name())
}

func (s *server) logTail() string {
	text, _ := os.ReadFile(s.log.Name())
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-3):], []byte("; ")))
}

// memory returns a value of /proc/PID/status in bytes: VmRSS, RssAnon, VmHWM.
func (p *process) memory(key string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			return float64(n) * 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/%d/status", key, p.pid())
}

// freeAddr finds a free port below the range for outgoing connections.
func freeAddr() (netip.AddrPort, error) {
	for range 1000 {
		nextPort = 20_000 + (nextPort+7)%10_000
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(nextPort))
		if l, err := net.Listen("tcp", addr.String()); err == nil {
			l.Close()
			return addr, nil
		}
	}
	return netip.AddrPort{}, errors.New("no free port")
}

var nextPort = os.Getpid()

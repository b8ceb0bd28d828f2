//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A disk holds the history, and nothing else: it can be filled up.
type disk struct {
	dir    string
	absent string // why it cannot be filled; empty: it can
	turn   sync.Mutex
}

// bytesPerMessage is more than a message takes on the disk, with indexes and the
// write-ahead log.
const bytesPerMessage = 4 << 10

// newDisk makes a small tmpfs, which the mount namespace takes with it when it ends.
func newDisk(dir string, messages int) (*disk, error) {
	d := &disk{dir: dir}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if why := whyNotEnclosed(); why != "" {
		d.absent = why
		return d, nil
	}
	size := 64<<20 + messages*bytesPerMessage
	if err := unix.Mount("chaos", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		d.absent = fmt.Sprintf("mount a tmpfs: %v", err)
	}
	return d, nil
}

func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// fill takes what is free. It is called again and again as long as the disk is to be full:
// the host may free some of what it has.
func (d *disk) fill() error {
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	end, err := f.Seek(0, 2)
	if err != nil {
		return err
	}
	for step := int64(1 << 30); step >= 4096; { // the largest steps that fit
		switch err := unix.Fallocate(int(f.Fd()), 0, end, step); err {
		case nil:
			end += step
		case unix.ENOSPC:
			step /= 2
		case unix.EINTR:
		default:
			return err
		}
	}
	return nil
}

// close takes the disk away, with all that is on it.
func (d *disk) close() error {
	if d.absent != "" {
		return nil
	}
	return unix.Unmount(d.dir, unix.MNT_DETACH)
}

// free gives it all back.
func (d *disk) free() { os.Remove(d.filler()) }

// whyNotEnclosed tells why a tmpfs cannot be mounted here without anybody noticing.
func whyNotEnclosed() string {
	switch {
	case os.Geteuid() != 0:
		return "mounting a tmpfs needs root"
	case os.Getenv(enclosedVar) == "":
		return "there is no mount namespace of our own"
	}
	return ""
}

// enclosedVar is set in a run that has a mount namespace of its own.
const enclosedVar = "CHAT_CHAOS_ENCLOSED"

// runEnclosed does a run in a mount namespace of its own, where root may make one: what
// is mounted in it goes when the run ends, however it ends.
func runEnclosed(ctx context.Context, args []string) error {
	if os.Geteuid() != 0 {
		return runProof(ctx, args)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"inside"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), enclosedVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Start(); err != nil {
		if strings.Contains(err.Error(), "not permitted") { // a container's root
			return runProof(ctx, args)
		}
		return err
	}
	if cmd.Wait() != nil {
		return errTold
	}
	return nil
}

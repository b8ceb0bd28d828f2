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

// A disk is a small file system only for the history, so that it can be filled up.
type disk struct {
	dir        string
	cannotFill string     // why it cannot be filled; empty: it can
	faultMu    sync.Mutex // held while it is full: one fault at a time
}

// bytesPerMessage is more than a message needs on disk, with indexes and the write-ahead
// log.
const bytesPerMessage = 4 << 10

// newDisk mounts a tmpfs on dir. It disappears with the mount namespace.
func newDisk(dir string, messages int) (*disk, error) {
	d := &disk{dir: dir}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if why := whyNotIsolated(); why != "" {
		d.cannotFill = why
		return d, nil
	}
	size := 64<<20 + messages*bytesPerMessage
	if err := unix.Mount("chaos", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		d.cannotFill = fmt.Sprintf("mount a tmpfs: %v", err)
	}
	return d, nil
}

func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// fill allocates all free space. It has to be called repeatedly while the disk is to be
// full, because the host may free some of its space.
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
	for step := int64(1 << 30); step >= 4096; { // in the largest steps that fit
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

// close unmounts the disk and discards its files.
func (d *disk) close() error {
	if d.cannotFill != "" {
		return nil
	}
	return unix.Unmount(d.dir, unix.MNT_DETACH)
}

// free gives back what fill allocated.
func (d *disk) free() { os.Remove(d.filler()) }

// whyNotIsolated returns why a tmpfs cannot be mounted without affecting the rest of the
// system; empty: it can.
func whyNotIsolated() string {
	switch {
	case os.Geteuid() != 0:
		return "mounting a tmpfs needs root"
	case os.Getenv(isolatedVar) == "":
		return "this process has no mount namespace of its own"
	}
	return ""
}

// isolatedVar is set in the environment of a run with a mount namespace of its own.
const isolatedVar = "CHAT_CHAOS_ENCLOSED"

// runIsolated does a run in a new mount namespace if this is root, so that its mounts
// disappear when the run ends, however it ends.
func runIsolated(ctx context.Context, args []string) error {
	if os.Geteuid() != 0 {
		return runProof(ctx, args)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"inside"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), isolatedVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	if err := cmd.Start(); err != nil {
		if strings.Contains(err.Error(), "not permitted") { // root in a container
			return runProof(ctx, args)
		}
		return err
	}
	if cmd.Wait() != nil {
		return errReported
	}
	return nil
}

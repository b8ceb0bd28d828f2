//go:build unix

package screen

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sys/unix"

	"chat/relay/screen/keyboard"
)

// watch sends a message when another process asks the program to stop, and when it was
// continued after it was stopped in any way. The caller calls end.
func (j *jobs) watch(send func(tea.Msg)) (end func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGCONT)
	if !signal.Ignored(unix.SIGTSTP) {
		signal.Notify(signals, unix.SIGTSTP)
	}
	go func() {
		for s := range signals {
			switch {
			case s == unix.SIGTSTP:
				go send(suspendAsked{})
			case !j.wasContinued():
				go send(keyboard.TerminalChanged{})
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

// whyNoSuspend returns why the program cannot be suspended; "": it can.
func whyNoSuspend() string {
	switch {
	case signal.Ignored(unix.SIGTTOU):
		return "Ctrl-Z: stop signals are ignored here"
	case isOrphaned():
		return "Ctrl-Z: there is no shell to return to"
	}
	return ""
}

// stopGroup stops the process group, as the terminal's driver does for Ctrl-Z. The signal
// is not SIGTSTP, whose default action Go does not bring back once it was caught. SIGTTOU
// differs in its name only; the kernel drops it too if no shell could continue the group.
func stopGroup() error { return unix.Kill(0, unix.SIGTTOU) }

// isOrphaned reports whether the process group is orphaned (POSIX, 3.264): no shell
// controls it, and the kernel does not stop it. That is so for a command of tmux
// new-window, script, setsid, ssh, xterm -e or docker run.
func isOrphaned() bool {
	const most = 100 // ancestors; /proc changes as it is read
	group := unix.Getpgrp()
	session, err := unix.Getsid(0)
	pid := os.Getppid()
	for range most {
		if err != nil || pid <= 0 {
			return true
		}
		ofSession, sessionErr := unix.Getsid(pid)
		ofGroup, groupErr := unix.Getpgid(pid)
		switch {
		case sessionErr != nil || groupErr != nil || ofSession != session:
			return true
		case ofGroup != group:
			return false
		}
		pid, err = parentOf(pid) // a script, in the same group
	}
	return true
}

// parentOf returns the parent of a process.
func parentOf(pid int) (int, error) {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		// After the name, in parentheses, come the state and the parent.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) > 1 {
			return strconv.Atoi(string(fields[1]))
		}
	}
	const most = time.Second
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ps", "-o", "ppid=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("find the parent of process %d: %w", pid, err)
	}
	return strconv.Atoi(string(bytes.TrimSpace(out)))
}

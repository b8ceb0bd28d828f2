// Package supervisor talks to the service manager that started this program: systemd, or another with its
// interfaces, sd_notify(3) and sd_listen_fds(3).
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// A Supervisor is the service manager of this process. A nil Supervisor is none: its methods do nothing.
// It is safe for concurrent use. Its fields are fixed after FromEnvironment.
type Supervisor struct {
	listener net.Listener             // the socket that it opened; nil: it opened none
	watchdog time.Duration            // without a ping within this time it kills the process; 0: it waits for none
	notify   func(state string) error // nil: it wants to know nothing
}

// FromEnvironment returns the supervisor that the environment names; nil: there is none. It takes over the sockets that
// were passed, so call it once. The environment of other processes does not have them any more.
func FromEnvironment() (*Supervisor, error) {
	s := new(Supervisor)
	err := checkPassed()
	if err != nil {
		return nil, err
	}
	if s.listener, err = listenerOf(activation.Files(true)); err != nil {
		return nil, err
	}
	if s.watchdog, err = watchdogTime(); err != nil {
		s.Close()
		return nil, fmt.Errorf("invalid WATCHDOG_USEC: %w", err)
	}
	if os.Getenv("NOTIFY_SOCKET") != "" {
		s.notify = notifySystemd
	}
	if s.listener == nil && s.notify == nil {
		return nil, nil
	}
	return s, nil
}

// leastWatchdog is the shortest time of a watchdog: a check takes its part of it, and a shorter one would only keep the host busy.
const leastWatchdog = 100 * time.Millisecond

// watchdogTime returns within which time the service manager waits for a ping; 0: it waits for none.
func watchdogTime() (time.Duration, error) {
	d, err := daemon.SdWatchdogEnabled(false)
	if err == nil && d != 0 && d < leastWatchdog { // negative: it was too long for the type
		return 0, fmt.Errorf("%s\nhint: WatchdogSec= of the service can be from %v to 292 years", os.Getenv("WATCHDOG_USEC"), leastWatchdog)
	}
	return d, err
}

const socketHint = "\nhint: the socket unit needs ListenStream= with a port, and no Accept="

// severalError is the error of n sockets.
func severalError(n int) error {
	return fmt.Errorf("the service manager passed %d sockets; a room has one\nhint: keep one ListenStream= in the socket unit; with only a port it is for IPv4 and IPv6", n)
}

// listenerOf returns the listener of the file that [checkPassed] let pass. It closes the file. nil: there is none.
func listenerOf(files []*os.File) (net.Listener, error) {
	if len(files) == 0 {
		return nil, nil
	}
	defer files[0].Close()
	ln, err := net.FileListener(files[0])
	if err != nil {
		return nil, fmt.Errorf("cannot listen on the socket of the service manager: %w%s", err, socketHint)
	}
	if _, ok := ln.(*net.TCPListener); !ok {
		err = fmt.Errorf("the socket of the service manager is not TCP but %s%s", ln.Addr().Network(), socketHint)
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

func notifySystemd(state string) error {
	_, err := daemon.SdNotify(false, state)
	return err
}

// Listener returns the socket that the service manager opened; nil: it opened none.
func (s *Supervisor) Listener() net.Listener {
	if s == nil {
		return nil
	}
	return s.listener
}

// Close closes the socket, if there is one. Others of the service manager stay open.
func (s *Supervisor) Close() error {
	if s == nil || s.listener == nil {
		return nil
	}
	return s.listener.Close()
}

// Ready reports that the program works: it has started, or is done with reloading. status is a line for people.
func (s *Supervisor) Ready(status string) error {
	return s.send(daemon.SdNotifyReady, "STATUS="+status)
}

// Reloading reports that the program reads its configuration again. Ready must follow.
func (s *Supervisor) Reloading() error {
	return s.send(daemon.SdNotifyReloading, strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"))
}

// Stopping reports that the program is about to end.
func (s *Supervisor) Stopping() error { return s.send(daemon.SdNotifyStopping) }

func (s *Supervisor) send(assignments ...string) error {
	if s == nil || s.notify == nil {
		return nil
	}
	if err := s.notify(strings.Join(assignments, "\n")); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// Watch pings the service manager, if it waits for that, until ctx ends. Each ping follows a check that the program works;
// without one for long enough, the service manager kills the program and starts it again. report gets the error of a check. A check may
// hang: then the next one waits for it.
func (s *Supervisor) Watch(ctx context.Context, check func() error, report func(error)) {
	if s == nil || s.watchdog == 0 || s.notify == nil {
		return
	}
	tick := time.NewTicker(s.watchdog / 2) // as sd_watchdog_enabled(3) recommends
	defer tick.Stop()
	checked := make(chan error, 1)
	for running := false; ; {
		if !running {
			running = true
			go func() { checked <- check() }() // if it hangs, it ends with the program
		}
		select {
		case err := <-checked:
			if running = false; err == nil {
				err = s.send(daemon.SdNotifyWatchdog)
			}
			if err != nil {
				report(err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		case <-tick.C:
			report(errStuck)
		case <-ctx.Done():
			return
		}
	}
}

var errStuck = errors.New("a part of the host is stuck")

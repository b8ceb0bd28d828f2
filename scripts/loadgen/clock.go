//go:build linux

package main

import (
	"time"

	"golang.org/x/sys/unix"
)

var began = time.Now()

// clock returns a monotonic time in nanoseconds.
func clock() int64 { return int64(time.Since(began)) }

// sleepUntil sleeps until a time of clock, more precisely than time.Sleep.
func sleepUntil(t int64) {
	for left := t - clock(); left > 0; left = t - clock() {
		wait := unix.NsecToTimespec(left)
		if unix.Nanosleep(&wait, nil) == unix.EINTR {
			continue
		}
	}
}

// cpuTime returns the CPU time that a process has used, in seconds. It is precise to the
// nanosecond; /proc/PID/stat counts hundredths of a second.
func cpuTime(pid int) (float64, error) {
	const schedClock = 2
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &used); err != nil {
		return 0, err
	}
	return float64(used.Nano()) / 1e9, nil
}

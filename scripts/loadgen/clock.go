//go:build linux

package main

import (
	"time"

	"golang.org/x/sys/unix"
)

var began = time.Now()

// clock is a time in nanoseconds that only grows.
func clock() int64 { return int64(time.Since(began)) }

// sleepUntil waits for a time of clock, more exactly than time.Sleep does.
func sleepUntil(t int64) {
	for left := t - clock(); left > 0; left = t - clock() {
		wait := unix.NsecToTimespec(left)
		if unix.Nanosleep(&wait, nil) == unix.EINTR {
			continue
		}
	}
}

// cpuTime is what a process has used of the CPUs, in seconds. Its clock is exact to
// the nanosecond, where /proc/PID/stat counts hundredths of a second.
func cpuTime(pid int) (float64, error) {
	const schedClock = 2
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedClock), &used); err != nil {
		return 0, err
	}
	return float64(used.Nano()) / 1e9, nil
}

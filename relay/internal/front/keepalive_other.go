//go:build !linux && !darwin && !windows

package front

import "time"

// setUserTimeout does nothing: this system has no such option.
func setUserTimeout(uintptr, time.Duration) error { return nil }

//go:build !linux && !darwin && !openbsd

package fanout

import "errors"

// Here one write takes one piece: every run that is followed by another is copied.
const (
	maxVector = 1
	shortRun  = flatSize
)

// writev is not called: there is one piece only.
func writev(int, [][]byte) (int, error) { return 0, errors.ErrUnsupported }

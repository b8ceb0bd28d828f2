//go:build !linux && !darwin && !openbsd

package fanout

import "errors"

// On these systems a write has one piece, so adjacent runs are copied.
const (
	maxVector = 1
	shortRun  = flatSize
)

// writev is not called: there is one piece only.
func writev(int, [][]byte) (int, error) { return 0, errors.ErrUnsupported }

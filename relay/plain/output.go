package plain

import (
	"errors"
	"slices"
)

// isClosedPipe reports whether a write failed because no one reads the pipe any more.
func isClosedPipe(err error) bool {
	return slices.ContainsFunc(closedPipe, func(closed error) bool { return errors.Is(err, closed) })
}

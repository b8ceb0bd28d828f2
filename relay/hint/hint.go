// Package hint adds to errors what a person can do about them.
package hint

import (
	"errors"
	"fmt"
)

// A Remedy is a hint for an error.
type Remedy struct {
	Err  error // nil: any
	Hint string
}

// Add adds a hint to err: that of the first remedy whose error err wraps, or that is for any. The order
// counts, as an error may wrap several.
func Add(err error, remedies []Remedy) error {
	for _, r := range remedies {
		if r.Err == nil || errors.Is(err, r.Err) {
			return fmt.Errorf("%w\nhint: %s", err, r.Hint)
		}
	}
	return err
}

// Package clock reads the host's clock, in one place for the whole host.
package clock

import "time"

// Now returns the time of the host's clock, for new events and for the age of old ones. It may
// be wrong and may jump. Durations are measured with the time package.
func Now() time.Time { return time.Now() }

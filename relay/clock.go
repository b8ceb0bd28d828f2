package relay

import "time"

// now returns the time that an event carries.
func now() time.Time { return time.Now() }

package session

import "time"

// now is the time that events get.
func now() time.Time { return time.Now() }

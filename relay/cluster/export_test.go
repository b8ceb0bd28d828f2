package cluster

import "time"

// SetPatience sets how long a stream may look deleted or too short before it counts as such.
func (c *Cluster) SetPatience(d time.Duration) { c.doubts = d }

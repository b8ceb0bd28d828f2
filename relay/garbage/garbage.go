// Package garbage has Go collect garbage less often while a host makes much of it.
//
// A host of a small room has a heap of a few megabytes, so Go would collect each time a few more are
// allocated: 100 times a second in a flood, at a tenth of its CPU. A host that allocates little
// is left alone: it takes no more memory.
package garbage

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// room is how many bytes may be allocated between two collections during a flood.
	room = 24 << 20

	// flood is how many bytes are allocated a second in a flood, at least.
	flood = 16 << 20

	normal = 100 // percent that the heap may grow before a collection: Go's default
)

// A collector sets how far the heap may grow before the next collection, after each collection.
type collector struct {
	mu      sync.Mutex // guards what follows
	usage   usage      // at the last collection
	percent int        // as it was last set
	stopped bool
}

// A usage is how much memory was allocated so far, and how much is in use.
type usage struct {
	at              time.Time
	allocated, live uint64 // bytes
}

// CollectLess has garbage collected less often during a flood, until stop is called. It does nothing if
// the environment says how often: with GOGC.
func CollectLess() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	c := &collector{percent: normal, usage: measure()}
	c.await()
	return c.stop
}

// await has collected called after the next collection, which finds the value allocated here unused.
func (c *collector) await() {
	runtime.AddCleanup(new(collector), (*collector).collected, c)
}

func (c *collector) collected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	now := measure()
	c.setLocked(now.percentAfter(c.usage))
	c.usage = now
	c.await()
}

func (c *collector) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.setLocked(normal)
}

// setLocked sets the percentage. Go stops all goroutines for that, so it is set only if it changes much.
func (c *collector) setLocked(percent int) {
	if percent != c.percent && (percent == normal || c.percent == normal || percent < c.percent*3/4 || percent > c.percent*3/2) {
		c.percent = percent
		debug.SetGCPercent(percent)
	}
}

// percentAfter returns the percentage for the next collection, given the usage at the one before.
func (u usage) percentAfter(before usage) int {
	rate := float64(u.allocated-before.allocated) / u.at.Sub(before.at).Seconds()
	if rate < flood {
		return normal
	}
	return max(normal, int(100*room/max(u.live, 1<<20)))
}

func measure() usage {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	return usage{time.Now(), samples[0].Value.Uint64(), samples[1].Value.Uint64()}
}

// Package garbage has Go collect garbage less often while a host makes much of it.
//
// A host of a small room has a heap of a few megabytes, so Go would collect each time a few more are
// allocated: 100 times a second in a flood, at a tenth of its CPU. For a host that allocates
// little, nothing changes, so it does not need more memory.
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
	// headroom is how many bytes may be allocated between two collections during a flood.
	headroom = 24 << 20

	// flood is how many bytes are allocated a second in a flood, at least.
	flood = 16 << 20

	// small is how many bytes of the heap are in use at most if garbage is collected less often: Go lets a
	// larger one grow far enough.
	small = 8 << 20

	// steady is how many collections in a row are of a flood before they become rarer. The first ones of
	// thousands who join look alike.
	steady = 5

	normal = 100 // percent that the heap may grow before a collection: Go's default
)

// A collector sets how far the heap may grow before the next collection, after each collection.
type collector struct {
	mu      sync.Mutex // guards what follows
	usage   usage      // at the last collection
	floods  int        // collections in a row that were of a flood
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
	c.setLocked(c.percentAfterLocked(measure()))
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

// percentAfterLocked returns the percentage after a collection at which the usage was now. If more
// memory is in use than at the one before, it is not a flood of messages: thousands are joining, and the heap
// grows with them.
func (c *collector) percentAfterLocked(now usage) int {
	before := c.usage
	c.usage = now
	rate := float64(now.allocated-before.allocated) / now.at.Sub(before.at).Seconds()
	if rate < flood || now.live > small || now.live > before.live+before.live/8 {
		c.floods = 0
		return normal
	}
	if c.floods++; c.floods < steady {
		return normal
	}
	return max(normal, int(100*headroom/max(now.live, 1<<20)))
}

func measure() usage {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	return usage{time.Now(), samples[0].Value.Uint64(), samples[1].Value.Uint64()}
}

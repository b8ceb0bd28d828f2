//go:build race

package room

import "runtime"

// slowdown is how many times longer a schedule takes with the race detector.
const slowdown = 6

// With several processors the race detector crashes in bubbles with many timers:
// go.dev/issue/78156. With one it still finds races.
func init() { runtime.GOMAXPROCS(1) }

//go:build race

package prooftest

import "runtime"

// slowdown is how much longer a schedule takes than it could.
const slowdown = 6

// With more than one processor the race detector itself fails in bubbles with many timers:
// go.dev/issue/78156. It finds races all the same.
func init() { runtime.GOMAXPROCS(1) }

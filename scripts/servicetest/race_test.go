//go:build race

package servicetest

import "time"

// The race detector makes the clients ten times as slow.
const sayEvery = 10 * time.Second

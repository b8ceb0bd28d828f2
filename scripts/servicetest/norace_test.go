//go:build !race

package servicetest

import "time"

// sayEvery is the longest pause between two messages of a program or page.
const sayEvery = time.Second

//go:build !linux

package main

import (
	"fmt"
	"os"
)

// The generator is built on epoll and reads the servers' CPU from Linux' clocks.
func main() {
	fmt.Fprintln(os.Stderr, "the benchmark runs on Linux")
	os.Exit(1)
}

//go:build !linux

package main

import (
	"fmt"
	"os"
)

// The generator needs epoll and the CPU clocks of Linux.
func main() {
	fmt.Fprintln(os.Stderr, "the benchmark runs on Linux")
	os.Exit(1)
}

//go:build !linux

package main

import (
	"fmt"
	"os"
)

// Stopping processes, a disk that can be filled up and children that end with their parent
// need Linux.
func main() {
	fmt.Fprintln(os.Stderr, "chaos runs on Linux")
	os.Exit(1)
}

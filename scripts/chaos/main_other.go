//go:build !linux

package main

import (
	"fmt"
	"os"
)

// Stopped processes, a full disk of its own and the end of children with their parent
// are Linux's here.
func main() {
	fmt.Fprintln(os.Stderr, "chaos runs on Linux")
	os.Exit(1)
}

package room

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", "/dev/shm") // no test here depends on a power failure
	}
	flag.Set("rapid.nofailfile", "true") // goroutines make runs differ: a seed is as good as a file
	goleak.VerifyTestMain(m)
}

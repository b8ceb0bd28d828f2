//go:build chaosclock

package relay

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// now is the time by a clock that scripts/chaos moves: by the seconds that stand in the
// file CHAT_CHAOS_CLOCK names.
func now() time.Time {
	b, err := os.ReadFile(os.Getenv("CHAT_CHAOS_CLOCK"))
	if err != nil {
		return time.Now()
	}
	seconds, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return time.Now().Add(time.Duration(seconds) * time.Second)
}

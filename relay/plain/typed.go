package plain

import (
	"io"
	"runtime"

	"chat/relay/wire"
)

// leaveKeys returns the keys that end the input at a terminal. The console of Windows knows
// only its own: Ctrl-Z at the start of a line, and then Enter.
func leaveKeys(goos string) string {
	if goos == "windows" {
		return "Ctrl-Z Enter"
	}
	return "Ctrl-D"
}

// LeaveHint is the line at a terminal that names the ways to leave.
var LeaveHint = "* /quit or " + leaveKeys(runtime.GOOS) + " to leave\n"

// ReadTyped starts reading the lines that a person types at a terminal. A line that has only
// Ctrl-D or Ctrl-Z ends the input.
func ReadTyped(r io.Reader) *Input { return read(r, wire.EndsInput) }

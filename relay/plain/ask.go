package plain

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// AskHidden shows a prompt on out and returns the line that the user types at the terminal, which does not show
// it. No one else may read the terminal. What was typed before the prompt is not shown either.
func AskHidden(terminal *os.File, out io.Writer, prompt string) ([]byte, error) {
	show, err := hideTyped(terminal)
	if err != nil {
		return nil, fmt.Errorf("hide what you type: %w", err)
	}
	defer show()
	fmt.Fprint(out, prompt)
	defer fmt.Fprintln(out)
	return term.ReadPassword(int(terminal.Fd()))
}

// HideTyped stops the terminal f from echoing keys until show is called. Who reads it
// is not disturbed.
func HideTyped(f *os.File) func() (show func(), err error) {
	return func() (func(), error) { return hideTyped(f) }
}

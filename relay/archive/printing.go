package archive

import (
	"context"
	"io"
	"os"

	"golang.org/x/term"

	"chat/relay/history"
	"chat/relay/plain"
)

// printHistory prints the selected events of the history file at path.
func printHistory(ctx context.Context, out io.Writer, path string, wanted history.Selection, asJSON bool) error {
	return fileError(path, history.Print(ctx, out, path, wanted, asJSON))
}

// forReaders returns out, or what wraps its lines at the width of the terminal if stdout is one and they are for people.
func forReaders(out io.Writer, forPeople bool) io.Writer {
	if !forPeople || !term.IsTerminal(int(os.Stdout.Fd())) {
		return out
	}
	return &plain.Rows{To: out, Width: plain.Width}
}

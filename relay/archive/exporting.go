package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"chat/relay/cmdline"
	"chat/relay/history"
	"chat/relay/privatefile"
	"chat/relay/text"
)

// formats are those of chat history export.
var formats = []string{"text", "jsonl", "html"}

// checkFormat returns an error if a format is unknown.
func checkFormat(format string) error {
	if slices.Contains(formats, format) {
		return nil
	}
	return cmdline.UsageErrorf("invalid --format %q\nhint: use text, jsonl or html", format)
}

// export writes the selected events of the history at path to a new file that only its owner can read, or to out if
// target is "-". Of a damaged history it writes what can be read.
func export(ctx context.Context, out io.Writer, target, path, format string, wanted history.Selection) error {
	if target == "-" {
		return fileError(path, write(ctx, out, path, format, wanted))
	}
	if err := checkFolder(target); err != nil {
		return err
	}
	var damage error
	err := privatefile.Create(target, func(partial *os.File) error {
		err := write(ctx, partial, path, format, wanted)
		if errors.Is(err, history.ErrDamaged) {
			damage, err = err, nil
		}
		return err
	})
	if err != nil {
		return fileError(path, fmt.Errorf("export to %s: %w", target, err))
	}
	return fileError(path, damage)
}

func write(ctx context.Context, out io.Writer, path, format string, wanted history.Selection) error {
	if format != "html" {
		return history.Print(ctx, out, path, wanted, format == "jsonl")
	}
	title, err := history.Title(path)
	if err != nil {
		return err
	}
	if title = text.Title(title); title == "" { // another program may have written it
		title = "chat"
	}
	return writeHTML(out, title, history.ReadFile(ctx, path, wanted))
}

package archive

import (
	"context"
	"fmt"
	"io"
	"time"

	"chat/relay/history"
)

// restoreHistory puts the backup in the file from in the place of the history to. It prints its content, and where the old file
// is; problems of the backup go to problems.
func restoreHistory(ctx context.Context, out, problems io.Writer, from, to string) error {
	p := newProgress(problems, "Checked")
	report, err := inspect(ctx, problems, from, p)
	p.end()
	if err != nil {
		return err
	}
	if report.Problems > 0 {
		return fmt.Errorf("%s has %s, and is not restored\nhint: use another backup; chat history export %[1]s --all --private --format jsonl writes what can be read, and chat history import makes a history of it",
			from, countedProblems(&report))
	}
	p = newProgress(problems, "Copied")
	kept, err := history.Restore(ctx, from, to, time.Now(), p.show)
	p.end()
	if err != nil {
		return fileError(to, err)
	}
	if kept != "" {
		fmt.Fprintf(out, "The old file is now %s.\n", kept)
	}
	_, err = io.WriteString(out, summary(to, &report))
	return err
}

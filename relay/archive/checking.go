package archive

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"chat/relay/history"
	"chat/relay/internal/room"
	"chat/relay/timezone"
	"chat/relay/wire"
)

// checkHistory checks the history at path, and prints each problem in a line, or what is in the file.
func checkHistory(ctx context.Context, out io.Writer, path string, p *progress) error {
	report, err := inspect(ctx, out, path, p)
	if err != nil {
		return err
	}
	if report.Problems > 0 {
		return fmt.Errorf("%s has %s\nhint: put a backup in its place with chat history restore BACKUP %[1]s, or keep what can be read with chat history export %[1]s --all --private --format jsonl",
			path, countedProblems(&report))
	}
	_, err = io.WriteString(out, summary(path, &report))
	return err
}

// inspect checks the history at path, and prints each problem in a line.
func inspect(ctx context.Context, out io.Writer, path string, p *progress) (history.Report, error) {
	newFold := func(records func(load func(string, []byte) error) error) (history.Fold, error) {
		return room.NewFold(records)
	}
	report, err := history.Check(ctx, path, newFold, func(problem string) { p.end(); fmt.Fprintln(out, problem) }, p.show)
	p.end()
	return report, fileError(path, err)
}

func countedProblems(r *history.Report) string {
	return wire.Counted(r.Problems, "problem", "problems")
}

// summary describes a file without problems.
func summary(path string, r *history.Report) string {
	s := fmt.Sprintf("%s has no problems: %s", path, humanize.Bytes(uint64(r.Bytes)))
	if r.Events == 0 {
		return s + ", no events.\n"
	}
	day := func(t time.Time) string { return t.In(timezone.Local(t)).Format(time.DateTime) }
	s += fmt.Sprintf(", %s (%d to %d), from %s to %s.\n", wire.Counted(r.Events, "event", "events"), r.First, r.Last, day(r.From), day(r.Until))
	switch {
	case r.Outdated:
		s += "It was written by an earlier version of chat: the members and bans, and the index, were not checked. A host brings it to this version.\n"
	case r.Replayed:
		s += "Its members, bans and topic are those that all events add up to.\n"
	case r.First > 1:
		s += fmt.Sprintf("The %s before them were deleted: --history-keep does that. So its members, bans and topic were not compared with all events.\n", wire.Counted(r.First-1, "event", "events"))
	default:
		s += "Its first events are not complete. So its members, bans and topic were not compared with all events.\n"
	}
	return s
}

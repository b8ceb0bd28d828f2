package logging

import (
	"context"
	"io"
	"log/slog"
	"slices"
)

// A journal is a handler for systemd's journal, which takes the priority of a line from its start. It has a handler
// for each priority, in the order of priorities.
type journal []slog.Handler

// priorities are the starts of lines, from the one for the lowest level on, and the levels from which on they are
// used; see sd-daemon(3).
var priorities = []struct {
	from  slog.Level
	start string
}{{slog.LevelDebug - 100, "<7>"}, {slog.LevelInfo, "<6>"}, {slog.LevelWarn, "<4>"}, {slog.LevelError, "<3>"}}

func newJournal(out io.Writer, json bool, opts *slog.HandlerOptions) journal {
	if !json {
		opts.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	var j journal
	for _, p := range priorities {
		j = append(j, newHandler(prefixWriter{out, p.start}, json, opts))
	}
	return j
}

func (j journal) Enabled(ctx context.Context, level slog.Level) bool {
	return j[0].Enabled(ctx, level)
}

func (j journal) Handle(ctx context.Context, r slog.Record) error {
	n := 0
	for i, p := range priorities {
		if r.Level >= p.from {
			n = i
		}
	}
	return j[n].Handle(ctx, r)
}

func (j journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return j.with(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

func (j journal) WithGroup(name string) slog.Handler {
	return j.with(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (j journal) with(change func(slog.Handler) slog.Handler) journal {
	j = slices.Clone(j)
	for i, h := range j {
		j[i] = change(h)
	}
	return j
}

// A prefixWriter writes each line with a prefix, in one Write. slog's handlers write a line at once.
type prefixWriter struct {
	out    io.Writer
	prefix string
}

func (w prefixWriter) Write(line []byte) (int, error) {
	if _, err := w.out.Write(append([]byte(w.prefix), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

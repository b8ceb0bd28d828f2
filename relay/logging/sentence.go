package logging

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A sentence is a handler for a person's screen, which shows its own times: the message, the error after a colon,
// and the other values in parentheses.
type sentence struct {
	out   io.Writer
	level slog.Level
	attrs []slog.Attr // with the names of their groups
	group string      // the names of the open groups, each with a dot
}

func (s *sentence) Enabled(_ context.Context, level slog.Level) bool { return level >= s.level }

func (s *sentence) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *s
	with.attrs = slices.Clone(s.attrs)
	for _, a := range attrs {
		with.attrs = append(with.attrs, slog.Attr{Key: s.group + a.Key, Value: a.Value})
	}
	return &with
}

func (s *sentence) WithGroup(name string) slog.Handler {
	with := *s
	with.group += name + "."
	return &with
}

// Handle writes the record as one line, in one Write.
func (s *sentence) Handle(_ context.Context, r slog.Record) error {
	var cause string
	var details []string
	add := func(name string, v slog.Value) {
		switch name {
		case "error", "err":
			cause = ": " + quoted(v.Resolve().String(), "")
		default:
			details = append(details, name+" "+quoted(v.Resolve().String(), " ,()\n"))
		}
	}
	for _, a := range s.attrs {
		add(a.Key, a.Value)
	}
	r.Attrs(func(a slog.Attr) bool {
		add(s.group+a.Key, a.Value)
		return true
	})
	line := quoted(r.Message, "")
	if len(details) > 0 {
		line += " (" + strings.Join(details, ", ") + ")"
	}
	_, err := io.WriteString(s.out, line+cause+"\n")
	return err
}

// quoted returns text. It is in quotes if it is empty, or has a character of special or a nonprintable one other than a line break.
func quoted(text, special string) string {
	if text == "" || strings.ContainsAny(text, special) || strings.ContainsFunc(text, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) || c == unicode.ReplacementChar }) {
		return strconv.Quote(text)
	}
	return text
}

package logging

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"
)

// A screen shows sentences, and no key=value lines. What a client chose cannot be taken for the end of one.
func TestSentence(t *testing.T) {
	for _, test := range []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"message only", func(l *slog.Logger) { l.Warn("no space left") }, "no space left"},
		{"values", func(l *slog.Logger) {
			l.Warn("a client was not let in", "remote", "10.77.0.3:57880", "code", "auth_failed")
		}, "a client was not let in (remote 10.77.0.3:57880, code auth_failed)"},
		{"the error comes last, with its hint", func(l *slog.Logger) {
			l.Error("not used", "error", errors.New("wrong mode\nhint: chmod 600 key"), "file", "key", "for", time.Minute)
		}, "not used (file key, for 1m0s): wrong mode\nhint: chmod 600 key"},
		{"With and groups", func(l *slog.Logger) {
			l.With("room", "lab").WithGroup("disk").With("free", 1).Warn("full", "used", 2)
		}, "full (room lab, disk.free 1, disk.used 2)"},
		{"quotes", func(l *slog.Logger) {
			l.Warn("odd", "nick", "bob, code ok)", "empty", "", "line", "a\nb", "error", "\x1b[2J")
		}, `odd (nick "bob, code ok)", empty "", line "a\nb"): "\x1b[2J"`},
		{"below the level", func(l *slog.Logger) { l.Info("joined") }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			test.log(New(&out, Options{Bare: true, Level: slog.LevelWarn}))
			if got := out.String(); got != test.want+"\n" && (test.want != "" || got != "") {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

package logging

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
)

// Lines for the journal begin with their priority. Those of text have no time.
func TestJournal(t *testing.T) {
	var out bytes.Buffer
	log := New(&out, Options{Journal: true, Level: slog.LevelDebug})
	log.Debug("starting")
	log.With("room", "kitchen").WithGroup("disk").Info("room open", "free", 1)
	log.Log(context.Background(), slog.LevelWarn+1, "disk slow")
	log.Error("disk full", "error", "two\nlines")
	want := `<7>level=DEBUG msg=starting
<6>level=INFO msg="room open" room=kitchen disk.free=1
<4>level=WARN+1 msg="disk slow"
<3>level=ERROR msg="disk full" error="two\nlines"
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	log = New(&out, Options{Journal: true, JSON: true})
	log.Debug("starting")
	log.Warn("disk slow")
	if got := out.String(); !bytes.HasPrefix(out.Bytes(), []byte(`<4>{"time":"`)) || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Errorf("JSON: %s", got)
	}
}

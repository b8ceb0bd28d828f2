package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/history"
	"chat/relay/internal/fanout"
	"chat/relay/internal/room"
	"chat/relay/wire"
)

// newDoor returns a door to a room in memory.
func newDoor(logger *slog.Logger) *Door {
	fan := fanout.New()
	log := history.New(history.Limits{}, fan.Wake)
	fan.Attach(log)
	d := &Door{
		Room: room.New(room.Options{FlushIn: func(time.Duration) {}}, log), Log: log, Fanout: fan, Logger: logger,
		Limits: Limits{Line: 8 << 10, JSONLine: 32 << 10, Text: 16 << 10, TextLines: 100, Stall: time.Minute, FirstLine: time.Minute},
	}
	d.Open()
	return d
}

// serveOn serves a program called nick on conn.
func (d *Door) serveOn(conn net.Conn, nick string) {
	s := d.New(Conn{Conn: conn, Remote: conn.RemoteAddr(), Lines: wire.NewLineReader(conn, 8<<10), Bucket: &Bucket{Rate: new(CurrentRate)}}, anyPlace{})
	s.ServeProgram([]byte(`{"type":"hello","nick":"` + nick + `"}`))
}

// anyPlace is a place without limits.
type anyPlace struct{}

func (anyPlace) Claim(room.Standing) error { return nil }
func (anyPlace) Spoke()                    {}
func (anyPlace) Over()                     {}

// An eagerPipe is one end of a pipe that is written to without waiting; broken makes writes fail.
type eagerPipe struct {
	net.Conn
	lines  chan string
	broken bool // set while no one writes
}

func (p *eagerPipe) WriteEagerly(_ *fanout.Writer, runs [][]byte) ([][]byte, error) {
	if p.broken {
		return nil, errors.New("reset by peer")
	}
	for _, run := range runs {
		p.lines <- string(run)
	}
	return nil, nil
}

// A blockedHandler is a slog.Handler that blocks on a line until it is released.
type blockedHandler struct {
	slog.Handler
	line     string
	reached  chan struct{}
	released chan struct{}
}

func (h blockedHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h blockedHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.line {
		close(h.reached)
		<-h.released
	}
	return nil
}

func (h blockedHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// A worker that finds a connection broken writes to the next sessions, though the logger blocks.
func TestBrokenConnectionDelaysNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger := blockedHandler{slog.DiscardHandler, "write failed", make(chan struct{}), make(chan struct{})}
		d := newDoor(slog.New(logger))
		var far []net.Conn
		connect := func(nick string) *eagerPipe {
			ours, theirs := net.Pipe()
			far = append(far, ours)
			p := &eagerPipe{Conn: theirs, lines: make(chan string, 100)}
			d.serveOn(p, nick)
			return p
		}
		lost, alice := connect("lost"), connect("alice")
		synctest.Wait()
		lost.broken = true
		d.Log.Append(&wire.Event{Type: wire.TypeMessage, From: "bob", Text: "soup"}, history.Origin{})
		d.Log.Wake()
		<-logger.reached
		synctest.Wait()
		got := ""
		for len(alice.lines) > 0 {
			got += <-alice.lines
		}
		if !strings.Contains(got, "soup") {
			t.Errorf("while the logger blocks, the next session got %q", got)
		}
		close(logger.released)
		for _, conn := range far {
			conn.Close()
		}
	})
}

// In a flood, events are written together, within 1 ms. A session that ends meanwhile gets all of
// them, in order, and then its bye.
func TestFloodIsWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(slog.New(slog.DiscardHandler))
		ours, theirs := net.Pipe()
		defer ours.Close()
		p := &eagerPipe{Conn: theirs, lines: make(chan string, 5000)}
		s := d.New(Conn{Conn: p, Remote: theirs.RemoteAddr(), Lines: wire.NewLineReader(theirs, 8<<10), Bucket: &Bucket{Rate: new(CurrentRate)}}, anyPlace{})
		s.ServeProgram([]byte(`{"type":"hello","nick":"alice"}`))
		synctest.Wait()
		var got strings.Builder
		writes := 0
		take := func() {
			synctest.Wait()
			for ; len(p.lines) > 0; writes++ {
				got.WriteString(<-p.lines)
			}
		}
		take()
		writes = 0
		var want []string
		post := func(n int) {
			for range n {
				text := fmt.Sprintf("m%d.", len(want)) + strings.Repeat("x", 1000)
				want = append(want, text)
				d.Log.Append(&wire.Event{Type: wire.TypeMessage, From: "bob", Text: text}, history.Origin{})
				d.Log.Wake()
				time.Sleep(10 * time.Microsecond)
			}
		}
		post(1)
		if take(); writes != 1 || !strings.Contains(got.String(), want[0]) {
			t.Errorf("a message after a pause is not written at once: %d writes", writes)
		}
		post(2000)
		last := want[len(want)-1]
		if take(); writes > 300 || strings.Contains(got.String(), last) {
			t.Errorf("%d messages were written in %d writes; the last is not put off", len(want), writes)
		}
		time.Sleep(time.Millisecond)
		if take(); !strings.Contains(got.String(), last) {
			t.Error("the last message is not written within 1 ms")
		}
		post(500)
		if take(); strings.Contains(got.String(), want[len(want)-1]) {
			t.Error("nothing is put off")
		}
		s.Close()
		take()
		rest := got.String()
		for _, text := range append(want, `"type":"bye"`) {
			_, after, ok := strings.Cut(rest, text)
			if !ok {
				t.Fatalf("%.20q is missing, or not in order", text)
			}
			rest = after
		}
	})
}

// A program's seq is at most 2^53-1, also in a reply.
func TestDecodeNumber(t *testing.T) {
	s := &Session{door: newDoor(slog.New(slog.DiscardHandler))}
	s.member.Program = true
	for seq, code := range map[string]wire.Code{
		"9007199254740991": "", "9007199254740992": wire.CodeBadRequest, "18446744073709551615": wire.CodeBadRequest, "18446744073709551616": wire.CodeBadJSON,
	} {
		var req wire.Request
		err := s.decode([]byte(`{"type":"say","seq":`+seq+`,"text":"x"}`), &req)
		fault, _ := errors.AsType[*wire.Fault](err)
		if (fault == nil) != (code == "") || fault != nil && (fault.Code != code || req.Seq != 0) {
			t.Errorf("number %s: %v, for %d", seq, err, req.Seq)
		}
	}
}

// Messages that could not be stored are answered, each of as many as may wait for the disk, even if the client does not read. Notices are dropped
// then.
func TestAnswersAreNotDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(slog.New(slog.DiscardHandler))
		ours, theirs := net.Pipe()
		defer ours.Close()
		const messages = 4096
		p := &eagerPipe{Conn: theirs, lines: make(chan string, 2*messages)}
		o := &outbox{door: d, conn: p, remote: theirs.RemoteAddr(), format: history.JSON, writing: true} // until all is queued
		o.writer.Add(1)
		o.Start(wire.Event{Type: wire.TypeWelcome}, 1, 1, history.View{Format: history.JSON})
		for seq := range uint64(messages) {
			fault := wire.Faultf(wire.CodeNotStored, "the disk is full; this was not sent: soup is ready, and so is the bread").Event(seq + 1)
			if !o.Deliver(&fault, "alice") {
				t.Fatalf("the answer to message %d is dropped", seq+1)
			}
		}
		if o.Deliver(&wire.Event{Type: wire.TypeNotice, Text: "alice is free"}, "alice") {
			t.Error("a notice is queued, however much waits")
		}
		for w := new(fanout.Writer); o.WriteSome(w); {
		}
		answers := 0
		for len(p.lines) > 0 {
			answers += strings.Count(<-p.lines, `"code":"not_stored"`)
		}
		if answers != messages {
			t.Errorf("%d messages were answered, want %d", answers, messages)
		}
	})
}

// A notice and a person's reply come after the backlog: before it they would seem to be from the past.
// A gap, which is a part of the past, and a program's reply come at once.
func TestNowComesAfterThePast(t *testing.T) {
	past := func(text string) *wire.Event { return &wire.Event{Type: wire.TypeMessage, From: "bob", Text: text} }
	for _, test := range []struct {
		name    string
		format  history.Format
		skipped bool // the session sees none of the past
		want    string
	}{
		{name: "a person", format: history.Text, want: "welcome gap soup bread salt pepper reply"},
		{name: "a program", format: history.JSON, want: "welcome gap reply soup bread salt pepper"},
		{name: "nothing of the past is shown", format: history.JSON, skipped: true, want: "welcome gap reply salt pepper"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(slog.New(slog.DiscardHandler))
				ours, theirs := net.Pipe()
				defer ours.Close()
				p := &eagerPipe{Conn: theirs, lines: make(chan string, 100)}
				o := &outbox{door: d, conn: p, remote: theirs.RemoteAddr(), format: test.format, writing: true} // until all is queued
				o.writer.Add(1)
				from := d.Log.Next()
				for _, text := range []string{"soup", "bread"} {
					e := past(text)
					if test.skipped {
						e.Type = wire.TypeJoin
					}
					d.Log.Append(e, history.Origin{})
				}
				o.Start(wire.Event{Type: wire.TypeWelcome, Title: "welcome"}, from, d.Log.Next(), history.View{Format: test.format})
				o.Deliver(&wire.Event{Type: wire.TypeGap, Missed: 1}, "alice")
				o.Deliver(&wire.Event{Type: wire.TypeNotice, Text: "pepper"}, "alice")
				o.putOrWait(o.encode(&wire.Event{Type: wire.TypeNotice, Text: "reply"}, ""))
				d.Log.Append(past("salt"), history.Origin{})
				for w := new(fanout.Writer); o.WriteSome(w); {
				}
				words := regexp.MustCompile(`(?i)welcome\b|"gap"|missed|soup|bread|pepper|reply|salt`)
				var got []string
				for len(p.lines) > 0 {
					for _, word := range words.FindAllString(<-p.lines, -1) {
						word = strings.ToLower(strings.Trim(word, "\"\n}, "))
						got = append(got, strings.Replace(word, "missed", "gap", 1))
					}
				}
				if got := strings.Join(slices.Compact(got), " "); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
}

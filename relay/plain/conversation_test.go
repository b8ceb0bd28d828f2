package plain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/client"
	"chat/relay/wire"
)

// A stage is a conversation in a synctest bubble. The test plays the person, who types into
// in, and the host.
type stage struct {
	t         *testing.T
	in        *io.PipeWriter
	out, errs output
	ended     chan error    // gets what Run returned
	conns     chan net.Conn // the host's ends of new connections

	// The host's side of the current connection.
	conn   net.Conn
	lines  *wire.LineReader
	lastID uint64
}

// start joins the room kitchen as bob and runs a conversation there. It begins with backlog.
func start(t *testing.T, opts Options, how client.Options, backlog ...wire.Event) *stage {
	t.Helper()
	s := &stage{t: t, ended: make(chan error, 1), conns: make(chan net.Conn), lastID: uint64(len(backlog))}
	how.Dial = s.dial
	go s.welcome(wire.Event{})
	c, err := client.Join(t.Context(), how)
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	s.in = w
	opts.In = Read(r)
	if opts.Out == nil {
		opts.Out = &s.out
	}
	opts.Err = &s.errs
	go func() {
		defer opts.In.Close()
		s.ended <- Run(t.Context(), c, opts)
	}()
	t.Cleanup(func() {
		w.Close()
		s.conn.Close()
	})
	s.write(backlog...)
	return s
}

func (s *stage) dial(ctx context.Context, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case s.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, errors.New("no route to host")
	}
}

// theKey is the key by which the host proves itself.
const theKey = "the-key-of-the-host"

// accept accepts a connection and reads its hello. If that is a question, the host answers that it
// has this room, proves it with key, and reads the next hello.
func (s *stage) accept(room, title, key string) {
	s.t.Helper()
	s.conn = <-s.conns
	s.lines = wire.NewLineReader(s.conn, wire.MaxJSONLine)
	if q := s.want(wire.TypeHello); q.Probe {
		s.send(wire.Event{
			Type: wire.TypeRoom, Room: room, Title: title, Instance: "i", Proof: wire.ProofOf(key, q.Room, room, q.Client, q.Nonce),
		})
		if key == theKey {
			s.want(wire.TypeHello)
		}
	}
}

// welcome accepts a connection and welcomes bob.
func (s *stage) welcome(e wire.Event) {
	s.t.Helper()
	s.accept(cmp.Or(e.Room, "r1"), "kitchen", theKey)
	e.Key = theKey
	e.Type, e.Version, e.Client, e.Nick, e.Title, e.Next = wire.TypeWelcome, wire.Version, "us", "bob", "kitchen", s.lastID+1
	if e.Room == "" {
		e.Room = "r1"
	}
	e.Members, e.Count = []string{"alice", "carol"}, 2
	s.send(e)
}

// want reads the next request and checks its type. It answers pings.
func (s *stage) want(kind string) wire.Request {
	s.t.Helper()
	for {
		line, err := s.lines.ReadLine()
		if err != nil {
			s.t.Fatalf("the host reads a %s: %v", kind, err)
		}
		r, err := wire.ParseRequest(line)
		switch {
		case err == nil && r.Type == wire.TypePing && kind != wire.TypePing:
			s.send(wire.Event{Type: wire.TypePong})
		case err != nil || r.Type != kind:
			s.t.Fatalf("the host got %s, want a %s", line, kind)
		default:
			return r
		}
	}
}

// write sends events to the client, and waits until it has handled them.
func (s *stage) write(events ...wire.Event) {
	s.t.Helper()
	for _, e := range events {
		s.send(e)
	}
	synctest.Wait()
}

// send sends an event to the client.
func (s *stage) send(e wire.Event) {
	s.t.Helper()
	if _, err := s.conn.Write(e.AppendJSON(nil)); err != nil {
		s.t.Fatalf("the host writes %+v: %v", e, err)
	}
}

// log returns e as the next event of the room's log, at 10:02.
func (s *stage) log(e wire.Event) wire.Event {
	s.lastID++
	e.ID, e.Time = s.lastID, time.Date(2026, 11, 25, 10, 2, 0, 0, time.Local)
	return e
}

// acknowledge sends r back as a message of the room.
func (s *stage) acknowledge(r wire.Request) {
	s.t.Helper()
	s.write(s.log(wire.Event{Type: wire.TypeMessage, From: "bob", Client: "us", Seq: r.Seq, Text: r.Text}))
}

// typing writes text to the input.
func (s *stage) typing(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, text); err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
}

// prints checks the text written to Out and Err since the last check.
func (s *stage) prints(out, errs string) {
	s.t.Helper()
	synctest.Wait()
	if got := s.out.take(); got != out {
		s.t.Errorf("out has %q, want %q", got, out)
	}
	if got := s.errs.take(); got != errs {
		s.t.Errorf("err has %q, want %q", got, errs)
	}
}

// ends checks the error that Run returns, "" being none.
func (s *stage) ends(want string) {
	s.t.Helper()
	got := ""
	if err := <-s.ended; err != nil {
		got = err.Error()
	}
	if got != want {
		s.t.Errorf("Run returned %q, want %q", got, want)
	}
}

// An output is a writer that a test may read at any time.
type output struct {
	mu sync.Mutex // guards b
	b  strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// take returns the text written since the last call.
func (o *output) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.b.Reset()
	return o.b.String()
}

// welcomed is the welcome in words.
var welcomed = func() string {
	e := wire.Event{Type: wire.TypeWelcome, Nick: "bob", Title: "kitchen", Members: []string{"alice", "carol"}, Count: 2}
	return string(e.AppendText(nil, wire.Viewer{Zone: time.Local, Nick: "bob"}))
}()

// greetings are the first lines for a person.
var greetings = welcomed + PlainNotice + LeaveHint

// bubble runs f in a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// From a pipe every line is sent as it is, those that look like commands too. The
// conversation ends when all are acknowledged.
func TestPipe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, Options{Piped: true, OutPiped: true}, client.Options{})
		s.prints("", "* joined kitchen as bob (2 others here)\n")
		s.write(s.log(wire.Event{Type: wire.TypeMessage, From: "alice", Text: "soup is ready"}),
			s.log(wire.Event{Type: wire.TypeJoin, Members: []string{"dave"}}))
		s.prints("10:02 <alice> soup is ready\n", "* dave joined\n")
		s.typing("one\n/quit\n\n//two\n\n\n")
		first := s.want(wire.TypeSay)
		s.typing("three\nfour\n") // goes together, while the first is unacknowledged
		s.in.Close()
		s.acknowledge(first)
		second := s.want(wire.TypeSay)
		if first.Text != "one\n/quit\n\n//two" || second.Text != "\n\nthree\nfour" {
			t.Errorf("sent %q and %q", first.Text, second.Text)
		}
		s.acknowledge(second)
		s.ends("")
		s.prints("", "")
	})
}

// A message that is too long for this host is sent in halves; a line that cannot be split
// is rejected.
func TestPipeToStricterHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, Options{Piped: true, OutPiped: true}, client.Options{})
		s.prints("", "* joined kitchen as bob (2 others here)\n")
		long := strings.Repeat("é", 50)
		s.typing(long + "\nbad\n")
		s.in.Close()
		var accepted []string
		for len(strings.Join(accepted, "")) < len(long) {
			switch r := s.want(wire.TypeSay); {
			case len(r.Text) > 64:
				s.write(wire.Event{Type: wire.TypeError, Code: wire.CodeTooLong, Seq: r.Seq, Text: "at most 64 bytes"})
			default:
				accepted = append(accepted, r.Text)
				s.acknowledge(r)
			}
		}
		if got := strings.Join(accepted, ""); got != long {
			t.Errorf("the host got %q, want %q", accepted, long)
		}
		bad := s.want(wire.TypeSay)
		s.write(wire.Event{Type: wire.TypeError, Code: wire.CodeMuted, Seq: bad.Seq, Text: "you are muted"})
		s.ends("the host rejected 1 line")
		s.prints("", "! you are muted\n")
	})
}

// If the host does not come back, the error says how many lines were not delivered, and of how many that
// is not known.
func TestPipeWithoutHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, Options{Piped: true, OutPiped: true}, client.Options{GiveUp: time.Minute})
		s.typing("one\n")
		s.want(wire.TypeSay)
		s.typing("two\nthree\n")
		s.conn.Close()
		s.ends("gave up reconnecting; 1 line was possibly delivered, but not confirmed; 2 lines were not delivered\nhint: check that chat host is still running; chat join finds it when it is back")
		s.prints("", "* joined kitchen as bob (2 others here)\n* connection lost; reconnecting (no line is lost)\n")
	})
}

func TestKicked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, Options{Piped: true, OutPiped: true}, client.Options{})
		s.typing("one\n")
		s.want(wire.TypeSay)
		s.write(wire.Event{Type: wire.TypeBye, Code: wire.CodeKicked, Text: "enough"})
		s.ends("the host says: enough; 1 line was possibly delivered, but not confirmed")
	})
}

// Lines that come at once may have been typed ahead: each counts alone. As one message, they would
// show the private one to all.
func TestTypedAhead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, Options{}, client.Options{})
		s.prints(greetings, "")
		s.typing("/msg alice psst\nsoup\n/quit\n")
		for _, want := range []string{"/msg alice psst", "soup"} {
			r := s.want(map[bool]string{true: "command", false: wire.TypeSay}[want[0] == '/'])
			if r.Text != want {
				t.Errorf("sent %q, want %q", r.Text, want)
			}
			if r.Seq != 0 {
				s.write(wire.Event{Type: wire.TypeError, Code: wire.CodeDuplicate, Seq: r.Seq})
			}
		}
		s.write(wire.Event{Type: wire.TypeBye, Code: wire.CodeQuit, Text: "goodbye"})
		s.ends("")
	})
}

// Typed lines are messages or commands, and //x is the message /x.
func TestTyped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, Options{}, client.Options{})
		s.prints(greetings, "")
		for _, test := range []struct{ typed, kind, text string }{
			{"soup is ready", wire.TypeSay, "soup is ready"},
			{"//nick is a command", wire.TypeSay, "/nick is a command"},
			{"/me waves", "command", "/me waves"},
			{"/msg alice save me some", "command", "/msg alice save me some"},
			{"/no such command", "command", "/no such command"},
		} {
			s.typing("\n" + test.typed + "\n")
			r := s.want(test.kind)
			if r.Text != test.text {
				t.Errorf("%q sent %q, want %q", test.typed, r.Text, test.text)
			}
			if r.Seq != 0 {
				s.write(wire.Event{Type: wire.TypeError, Code: wire.CodeDuplicate, Seq: r.Seq})
			}
		}
		s.typing(strings.Repeat("<", client.MaxRequest/2) + strings.Repeat("x", 100) + "\n")
		s.want(wire.TypeSay) // in two pieces
		s.want(wire.TypeSay)
		s.prints("", "")
		s.typing("/quit see you\n")
		if r := s.want("command"); r.Text != "/quit see you" {
			t.Errorf("the last word is %q", r.Text)
		}
		s.write(wire.Event{Type: wire.TypeBye, Code: wire.CodeQuit, Text: "goodbye"})
		s.ends("2 lines were possibly delivered, but not confirmed")
	})
}

// At the end of the input the conversation ends; with Follow it continues.
func TestEndOfInput(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, Options{}, client.Options{})
		s.in.Close()
		s.ends("")
	})
	bubble(t, func(t *testing.T) {
		s := start(t, Options{Follow: true}, client.Options{})
		s.prints(greetings, "")
		s.in.Close()
		s.write(s.log(wire.Event{Type: wire.TypeMessage, From: "alice", Text: "still there?"}))
		s.prints("10:02 <alice> still there?\n", "")
		s.write(wire.Event{Type: wire.TypeBye, Code: wire.CodeBanned, Text: "out"})
		s.ends("the host says: out")
	})
	bubble(t, func(t *testing.T) {
		s := start(t, Options{Piped: true}, client.Options{})
		s.in.CloseWithError(errors.New("the tape is torn"))
		s.ends("read the input: the tape is torn")
	})
}

// Which events are printed, where, and how.
func TestPrinting(t *testing.T) {
	events := []wire.Event{
		{Type: wire.TypeMessage, From: "alice", Text: "soup\nis ready"},
		{Type: wire.TypeAction, From: "alice", Text: "waves"},
		{Type: wire.TypePrivate, From: "alice", To: "bob", Text: "save me some"},
		{Type: wire.TypeMessage, From: "bob", Client: "us", Text: "typed by us"},
		{Type: wire.TypePrivate, From: "bob", Client: "us", To: "alice", Text: "typed by us"},
		{Type: wire.TypePrivate, From: "bob", To: "carol", Text: "sent elsewhere"},
		{Type: wire.TypeJoin, Members: []string{"bob", "dave"}},
		{Type: wire.TypeJoin, Members: []string{"bob"}},
		{Type: wire.TypeLeave, Members: []string{"dave"}, Text: "bye"},
		{Type: wire.TypeNick, From: "bob", Client: "us", Nick: "bobby"},
		{Type: wire.TypeLeave, Members: []string{"bobby"}},
		{Type: wire.TypeNotice, Text: "alice is away"},
		{Type: wire.TypeError, Code: wire.CodeNoSuchNick, Text: "no one is called eve"},
	}
	const (
		messages = "10:02 <alice> soup\n10:02 <alice> is ready\n10:02 * alice waves\n10:02 [alice -> you] save me some\n10:02 [you -> carol] sent elsewhere\n"
		readable = "alice: soup\nalice: is ready\n* alice waves\nalice to you, privately: save me some\nbob to carol, privately: sent elsewhere\n"
		notices  = "* dave joined\n* dave left (bye)\n* alice is away\n! no one is called eve\n"
	)
	for _, test := range []struct {
		name      string
		opts      Options
		out, errs string
	}{
		{"on a terminal", Options{}, greetings + messages + notices, ""},
		{"into a pipe", Options{OutPiped: true}, messages, greetings + notices},
		{"for a screen reader", Options{Accessible: true}, greetings + readable + notices, ""},
		{"for a screen reader, into a pipe", Options{Accessible: true, OutPiped: true}, readable, greetings + notices},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := start(t, test.opts, client.Options{})
				for _, e := range events {
					s.write(s.log(e))
				}
				s.prints(test.out, test.errs)
				s.in.Close()
				s.ends("")
			})
		})
	}
	t.Run("as JSON", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := start(t, Options{JSON: true}, client.Options{})
			s.out.take() // the welcome
			var want strings.Builder
			for _, e := range events {
				e = s.log(e)
				s.write(e)
				want.Write(e.AppendJSON(nil))
			}
			s.prints(want.String(), LeaveHint)
			s.in.Close()
			s.ends("")
		})
	})
}

// A lost connection is reported once, whatever the number of attempts, and its end.
func TestReconnectNotices(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, Options{}, client.Options{})
		s.prints(greetings, "")
		s.conn.Close()
		time.Sleep(time.Minute) // many attempts
		s.prints("* connection lost; reconnecting (what you type is kept)\n", "")
		s.typing("kept\n")
		s.welcome(wire.Event{})
		r := s.want(wire.TypeSay)
		s.acknowledge(r)
		s.prints("* reconnected\n", "")

		s.write(wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Text: "the room closes"})
		s.conn.Close()
		time.Sleep(time.Second)
		s.typing("for the closed room\n")
		s.lastID = 0
		s.welcome(wire.Event{Room: "r2"})
		s.prints("* the room closes\n* waiting for the room to open again (what you type is kept)\n"+
			"! not sent, because its room was closed and this is a new one: for the closed room\n"+
			"* reconnected; the host was restarted with an empty room\n"+welcomed, "")
		s.in.Close()
		s.ends("")
	})
}

// In a room with several relays, the loss of one is a single line, if another one answers soon.
func TestNoticesOfRelays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, Options{}, client.Options{Addr: "a:1"})
		s.prints(greetings, "")
		relays := wire.Event{Type: wire.TypeRelays, Relays: []string{"a:1", "b:1"}}
		s.write(relays)
		time.Sleep(time.Second)
		s.write(wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Text: "the room closes"})
		s.conn.Close()
		s.welcome(wire.Event{Relays: relays.Relays})
		s.prints("* moved to another relay (b:1)\n", "")

		time.Sleep(time.Second)
		s.conn.Close()
		time.Sleep(20 * time.Second) // the first round ends when a dial takes too long
		s.prints("* connection lost; reconnecting (what you type is kept)\n", "")
		s.in.Close()
		s.ends("")
	})
}

// A host that restarts is not taken for one that closes its room.
func TestHostRestarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, Options{}, client.Options{})
		s.prints(greetings, "")
		s.write(wire.Event{Type: wire.TypeBye, Code: wire.CodeShutdown, Text: "the host restarts", Restart: 100})
		s.conn.Close()
		s.prints("* the host restarts; reconnecting (what you type is kept)\n", "")
		s.welcome(wire.Event{})
		s.prints("* reconnected\n", "")
		s.in.Close()
		s.ends("")
	})
}

// Another room at the address ends the conversation. The text that was not sent is printed.
func TestOtherRoom(t *testing.T) {
	for _, piped := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			s := start(t, Options{Piped: piped, OutPiped: piped}, client.Options{Addr: "192.168.1.5:24280"})
			s.conn.Close()
			time.Sleep(time.Second)
			synctest.Wait()
			s.out.take()
			s.errs.take()
			s.typing("my secret\n")
			s.accept("r2", "otherteam", "another key")
			if _, err := s.lines.ReadLine(); err == nil {
				t.Error("the other room's host gets another line")
			}
			s.ends("kitchen is gone; another room, otherteam, is at this address; 1 line was not delivered\n" +
				"hint: chat join --addr 192.168.1.5:24280 joins the room there")
			s.prints("", "! not sent: my secret\n")
			s.in.Close()
		})
	}
}

// A transcript has the messages from our time in the room, with their dates.
func TestTranscript(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chat.log")
	log, err := OpenTranscript(path)
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T) {
		s := &stage{}
		backlog := s.log(wire.Event{Type: wire.TypeMessage, From: "alice", Text: "from before"})
		s = start(t, Options{Log: log}, client.Options{}, backlog)
		s.write(s.log(wire.Event{Type: wire.TypeMessage, From: "alice", Text: "soup\nis ready"}),
			s.log(wire.Event{Type: wire.TypeJoin, Members: []string{"dave"}}),
			s.log(wire.Event{Type: wire.TypeMessage, From: "bob", Client: "us", Text: "coming"}))
		s.in.Close()
		s.ends("")
	})
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(path)
	want := "2026-11-25 10:02:00 <alice> soup\n2026-11-25 10:02:00 <alice> is ready\n2026-11-25 10:02:00 <bob> coming\n"
	if err != nil || string(got) != want {
		t.Errorf("the transcript has %q (%v), want %q", got, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("the transcript's mode is %v (%v), want one for its owner only", info.Mode(), err)
	}
}

// A transcript that can no longer be written to is reported once, and is the error in the
// end; the conversation continues.
func TestTranscriptFails(t *testing.T) {
	log, err := OpenTranscript(filepath.Join(t.TempDir(), "chat.log"))
	if err != nil {
		t.Fatal(err)
	}
	log.Close()
	bubble(t, func(t *testing.T) {
		s := start(t, Options{Log: log}, client.Options{})
		s.prints(greetings, "")
		for range 2 {
			s.write(s.log(wire.Event{Type: wire.TypeMessage, From: "alice", Text: "soup"}))
		}
		out := s.out.take()
		if strings.Count(out, "<alice> soup\n") != 2 || strings.Count(out, "! stopped writing the log: ") != 1 {
			t.Errorf("printed %q, want both messages and one error", out)
		}
		s.in.Close()
		if err := <-s.ended; err == nil || !strings.HasPrefix(err.Error(), "stopped writing the log: ") {
			t.Errorf("Run: %v, want the log's error", err)
		}
	})
	if _, err := OpenTranscript(filepath.Join(t.TempDir(), "none", "chat.log")); err == nil || !strings.Contains(err.Error(), "\nhint: ") {
		t.Errorf("a log in a missing folder: %v, want an error with a hint", err)
	}
	var none *Transcript
	if none.Add(wire.Event{}, wire.Viewer{}) != nil || none.failed() != nil || none.Close() != nil {
		t.Error("no transcript fails")
	}
}

// A brokenPipe rejects writes.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// A blocked terminal accepts no bytes until it is released.
type blocked struct{ release chan struct{} }

func (b blocked) Write(p []byte) (int, error) { <-b.release; return len(p), nil }

func TestOutputThatFails(t *testing.T) {
	t.Run("broken", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := start(t, Options{Out: brokenPipe{}}, client.Options{})
			s.ends("write the output: broken pipe")
		})
	})
	t.Run("blocked", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			release := make(chan struct{})
			s := start(t, Options{Out: blocked{release}}, client.Options{})
			begin := time.Now()
			s.in.Close()
			s.ends("the output is blocked; left without printing the last lines")
			if took := time.Since(begin); took > 2*stuckWait {
				t.Errorf("left after %v", took)
			}
			close(release)
		})
	})
}

// A message that the host cannot store for now, because its disk is full, does not count
// as rejected. It is reported once and resent.
func TestNotStored(t *testing.T) {
	for name, piped := range map[string]bool{"from a pipe": true, "typed": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := start(t, Options{Piped: piped, OutPiped: true}, client.Options{})
				s.errs.take()
				s.typing("soup is ready\n")
				for range 3 {
					r := s.want(wire.TypeSay)
					s.write(wire.Event{Type: wire.TypeError, Code: wire.CodeNotStored, Seq: r.Seq, Text: "the host's disk is full; this was not sent: soup"})
				}
				s.prints("", "! the host's disk is full; your messages are kept and will be resent\n")
				s.acknowledge(s.want(wire.TypeSay))
				s.prints("", "* your messages were delivered\n")
				s.in.Close()
				s.ends("")
			})
		})
	}
}

// Every command that the table leaves to this package is here, and no other.
func TestLocalCommands(t *testing.T) {
	n := 0
	for _, c := range wire.Commands {
		_, ok := localCommands[c.Name]
		if want := c.Local&wire.Plain != 0; ok != want {
			t.Errorf("/%s is carried out here: %v, want %v", c.Name, ok, want)
		}
		if ok {
			n++
		}
	}
	if n != len(localCommands) {
		t.Errorf("%d commands, of which the table has %d", len(localCommands), n)
	}
}

// This package carries out the commands about files, and reports mistakes in them.
func TestFileCommands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, Options{}, client.Options{})
		s.prints(greetings, "")
		const none = "no uploads yet; /send PATH uploads a file\n"
		for _, test := range []struct{ typed, errs string }{
			{"/files", "* " + none},
			{"/FILES", "* " + none},
			{"/send", "! usage: /send PATH\n"},
			{"/send  ", "! usage: /send PATH\n"},
			{"/get", "! " + none},
			{"/get x", "! " + none},
			{"/cancel", "! no transfer is running\n"},
			{"/cancel 3", "! no transfer is running\n"},
			{"/cancel x", "! usage: /cancel [N]\n"},
			{"/send /no/such/file", "! cannot upload file: cannot read the file: no such file or directory\n"},
			{"/send /no/such/\x1b[31mfile", "! cannot upload ␛[31mfile: cannot read the file: no such file or directory\n"},
		} {
			s.typing(test.typed + "\n")
			s.prints("", test.errs)
		}
		for n, name := range []string{"soup.pdf", "bread.pdf"} {
			file := &wire.File{Number: uint64(n + 1), Name: name, Size: 2_000_000, SHA256: "junk"}
			s.write(s.log(wire.Event{Type: wire.TypeAction, From: "alice", Text: "sent " + name, File: file}))
		}
		s.out.take()
		for _, test := range []struct{ typed, errs string }{
			{"/files", "* latest uploads; /get N downloads one:\n*    1  soup.pdf (2.0 MB)\n*    2  bread.pdf (2.0 MB)\n"},
			{"/get 7", "! no upload has the number 7; /files lists them\n"},
			{"/get x", "! usage: /get [N [DIR]]; /files lists the numbers\n"},
			{"/get", "! cannot download bread.pdf: the host describes the file wrongly\n"},
			{"/get #1", "! cannot download soup.pdf: the host describes the file wrongly\n"},
		} {
			s.typing(test.typed + "\n")
			s.prints("", test.errs)
		}
		s.in.Close()
		s.ends("")
	})
}

// The progress of a transfer is printed if it takes long, every 10 seconds.
func TestProgress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var errs output
		v := &conversation{Options: Options{Err: &errs}}
		report := v.reportProgress("uploading soup.iso")
		for second := range int64(31) {
			report(client.Progress{Done: second * 1_000_000, Total: 40_000_000})
			time.Sleep(time.Second)
		}
		report(client.Progress{}) // an empty file
		want := ""
		for _, percent := range []int{25, 50, 75} {
			want += fmt.Sprintf("* uploading soup.iso: %d %% of 40 MB\n", percent)
		}
		time.Sleep(progressEvery)
		report(client.Progress{Done: 30_000_000, Total: 40_000_000, Waiting: errors.New("the host says: no")})
		want += "* uploading soup.iso: 75 % of 40 MB; retrying: the host says: no\n"
		if got := errs.take(); got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
	})
}

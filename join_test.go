package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"chat/relay"
	"chat/relay/client"
	"chat/relay/discovery"
	"chat/relay/endpoint"
	"chat/relay/hostseal"
	"chat/relay/identity"
	"chat/relay/operatorfile"
	"chat/relay/plain"
	"chat/relay/privatefile"
	"chat/relay/screen"
	"chat/relay/seal"
	"chat/relay/wire"
)

// hostRoom serves a room on loopback.
func hostRoom(t *testing.T, opts relay.Options) (addr string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln.Addr().String(), serveRoom(t, ln, opts)
}

func serveRoom(t *testing.T, ln net.Listener, opts relay.Options) (stop func()) {
	t.Helper()
	opts.Title = cmp.Or(opts.Title, "kitchen")
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() {
		if err := relay.New(opts).Serve(ctx, ln); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	stop = func() { cancel(); served.Wait() }
	t.Cleanup(stop)
	return stop
}

// A witness is a member that records the messages of the others.
type witness struct {
	*client.Client
	mu    sync.Mutex
	lines []string // of the messages so far
	heard chan struct{}
}

func newWitness(t *testing.T, addr string) *witness {
	t.Helper()
	c, err := client.Join(context.Background(), client.Options{Addr: addr, Nick: "witness"})
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{Client: c, heard: make(chan struct{}, 1)}
	var reading sync.WaitGroup
	reading.Go(func() {
		for e := range c.Events() {
			if m, ok := e.(client.Received); ok && m.IsPublicMessage() && !m.Own {
				w.mu.Lock()
				w.lines = append(w.lines, strings.Split(m.Text, "\n")...)
				w.mu.Unlock()
				select {
				case w.heard <- struct{}{}:
				default:
				}
			}
		}
	})
	t.Cleanup(func() { c.Close(); reading.Wait() })
	return w
}

func (w *witness) received() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines)
}

// waitFor waits until there are n lines, and returns them.
func (w *witness) waitFor(t *testing.T, n int) []string {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		if lines := w.received(); len(lines) >= n {
			return lines
		}
		select {
		case <-w.heard:
		case <-late:
			t.Fatalf("%d lines arrived, want %d", len(w.received()), n)
		}
	}
}

// A buffer is written to by one goroutine and read by another.
type buffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	wrote chan struct{} // closed by the next Write; nil if no one waits for it
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wrote != nil {
		close(b.wrote)
		b.wrote = nil
	}
	return b.b.Write(p)
}

// contains reports whether text was written. If not, wrote is closed by the next Write.
func (b *buffer) contains(text string) (found bool, wrote <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wrote == nil {
		b.wrote = make(chan struct{})
	}
	return strings.Contains(b.b.String(), text), b.wrote
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// waitFor waits until text was written.
func (b *buffer) waitFor(t *testing.T, text string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		found, wrote := b.contains(text)
		if found {
			return
		}
		select {
		case <-wrote:
		case <-late:
			t.Fatalf("got %q, want %q in it", b.String(), text)
		}
	}
}

// A joinRun is one run of chat join in a test.
type joinRun struct {
	out, err buffer
	in       *io.PipeWriter // writes to its stdin
	typed    *io.PipeReader // its stdin
	ctx      context.Context
	cancel   context.CancelFunc // Ctrl-C
	done     chan error
}

func newJoinRun(t *testing.T) *joinRun {
	t.Helper()
	s := &joinRun{done: make(chan error, 1)}
	s.typed, s.in = io.Pipe()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	t.Cleanup(func() { s.cancel(); s.in.Close() })
	return s
}

func (s *joinRun) run(join func(context.Context) error) {
	go func() { s.done <- join(s.ctx) }()
}

func startJoin(t *testing.T, opts joinOptions) *joinRun {
	t.Helper()
	s := newJoinRun(t)
	if opts.In == nil {
		opts.In = plain.Read(s.typed)
	}
	opts.Out, opts.Err = &s.out, &s.err
	s.run(func(ctx context.Context) error { return runJoin(ctx, opts) })
	return s
}

// wait returns how the run ended.
func (s *joinRun) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.done:
		return err
	case <-time.After(30 * time.Second):
		buf := make([]byte, 1<<20)
		t.Fatalf("chat join is still running\nout: %s\nerr: %s\n%s", s.out.String(), s.err.String(), buf[:runtime.Stack(buf, true)])
		return nil
	}
}

func piped(addr string) joinOptions {
	return joinOptions{Options: plain.Options{Piped: true, OutPiped: true}, Addr: addr, Nick: "ci", Backlog: -1}
}

func typed(addr string) joinOptions { return joinOptions{Addr: addr, Nick: "alice", Backlog: -1} }

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func checkLines(t *testing.T, got []string, n int) {
	t.Helper()
	if len(got) != n {
		t.Errorf("%d lines arrived, want %d", len(got), n)
	}
	for i, line := range got {
		if want := fmt.Sprintf("line %d", i); line != want {
			t.Fatalf("line %d is %q", i, line)
		}
	}
}

func TestPipeSendsEveryLine(t *testing.T) {
	addr, _ := hostRoom(t, relay.Options{})
	w := newWitness(t, addr)
	opts := piped(addr)
	opts.In = plain.Read(strings.NewReader(lines(3000)))
	s := startJoin(t, opts)
	if err := s.wait(t); err != nil {
		t.Errorf("join: %v", err)
	}
	checkLines(t, w.waitFor(t, 3000), 3000)
	if got := s.out.String(); got != "" {
		t.Errorf("printed %q, though no one else sent a message", got)
	}
	if got := s.err.String(); !strings.HasPrefix(got, "* joined kitchen as ci (1 other here)\n") {
		t.Errorf("stderr is %q", got)
	}
}

func TestPipeLosesNothingOnBrokenConnections(t *testing.T) {
	host, _ := hostRoom(t, relay.Options{})
	w := newWitness(t, host)
	opts := piped(breakingProxy(t, host))
	opts.In = plain.Read(iotest.OneByteReader(strings.NewReader(lines(2500))))
	var s *joinRun
	for range 20 { // the first connection may break before the welcome
		s = startJoin(t, opts)
		err := s.wait(t)
		if err == nil {
			break
		}
		if len(w.received()) > 0 {
			t.Fatalf("join: %v", err)
		}
		opts.In = plain.Read(strings.NewReader(lines(2500)))
	}
	checkLines(t, w.waitFor(t, 2500), 2500)
	if got := s.err.String(); !strings.Contains(got, "* connection lost; reconnecting (no line is lost)\n* reconnected\n") {
		t.Errorf("stderr is %q", got)
	}
}

// breakingProxy forwards connections to addr, and resets each after some kilobytes.
func breakingProxy(t *testing.T, addr string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var proxies sync.WaitGroup
	proxies.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", addr)
			if err != nil {
				near.Close()
				continue
			}
			cut := func(to, from net.Conn, n int64) {
				io.CopyN(to, from, n)
				near.(*net.TCPConn).SetLinger(0)
				near.Close()
				far.Close()
			}
			proxies.Go(func() { cut(far, near, 1000+rand.Int64N(20_000)) })
			proxies.Go(func() { cut(near, far, 1000+rand.Int64N(20_000)) })
		}
	})
	t.Cleanup(func() { ln.Close(); proxies.Wait() })
	return ln.Addr().String()
}

func TestPipeSendsSlashes(t *testing.T) {
	addr, _ := hostRoom(t, relay.Options{})
	w := newWitness(t, addr)
	opts := piped(addr)
	opts.In = plain.Read(strings.NewReader("/quit\n\n/nick mallory\n//x"))
	if err := startJoin(t, opts).wait(t); err != nil {
		t.Error(err)
	}
	want := []string{"/quit", "", "/nick mallory", "//x"}
	if got := w.waitFor(t, 4); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestPipeSplitsMessagesThatAreTooLong(t *testing.T) {
	for _, limits := range []relay.Options{{MaxText: 500, MaxTextLines: 7}, {MaxJSONLine: 700}} {
		addr, _ := hostRoom(t, limits)
		w := newWitness(t, addr)
		opts := piped(addr)
		opts.In = plain.Read(strings.NewReader(lines(50) + strings.Repeat("é", 2000)))
		s := startJoin(t, opts)
		if err := s.wait(t); err != nil {
			t.Error(err)
		}
		want := strings.ReplaceAll(lines(50), "\n", "") + strings.Repeat("é", 2000)
		got := ""
		for n := 51; len(got) < len(want); n++ {
			got = strings.Join(w.waitFor(t, n), "")
		}
		if got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
		if strings.Contains(s.err.String(), "!") {
			t.Errorf("an error: %s", s.err.String())
		}
	}
}

// A host with the default limits accepts the largest message that chat join sends.
func TestLargestMessages(t *testing.T) {
	addr, _ := hostRoom(t, relay.Options{})
	w := newWitness(t, addr)
	texts := []string{strings.Repeat("\n", wire.MessageLines-1) + "x"}
	for _, fill := range []string{"a", `"`, "\t\\", "日"} {
		texts = append(texts, strings.Repeat(fill, wire.MessageBytes/len(fill)))
	}
	for _, text := range texts {
		if _, err := w.Say(t.Context(), text); err != nil {
			t.Errorf("%d bytes, as %q: %v", len(text), text[:10], err)
		}
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPipeReportsRejectedLines(t *testing.T) {
	addr, _ := hostRoom(t, relay.Options{HostToken: "hosthosthost"})
	boss, err := client.Join(t.Context(), client.Options{Addr: addr, Token: "hosthosthost", Nick: "boss"})
	if err != nil {
		t.Fatal(err)
	}
	muted := make(chan struct{})
	go func() {
		for e := range boss.Events() {
			if m, ok := e.(client.Received); ok && m.Type == wire.TypeNotice && strings.HasPrefix(m.Text, "ci is muted") {
				close(muted)
			}
		}
	}()
	defer boss.Close()
	s := startJoin(t, piped(addr))
	io.WriteString(s.in, "before\n")
	w := newWitness(t, addr)
	w.waitFor(t, 1)
	if _, err := boss.Do(t.Context(), wire.Request{Type: "mute", Nick: "ci"}); err != nil {
		t.Fatal(err)
	}
	<-muted
	io.WriteString(s.in, "after\n")
	s.err.waitFor(t, "! an operator muted you")
	s.in.Close()
	if err := s.wait(t); err == nil || err.Error() != "the host rejected 1 line" {
		t.Errorf("join: %v", err)
	}
}

func TestPipePrintsMessages(t *testing.T) {
	addr, _ := hostRoom(t, relay.Options{})
	w := newWitness(t, addr)
	if _, err := w.Say(t.Context(), "backlog"); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	opts := piped(addr)
	opts.Follow = true
	s := startJoin(t, opts)
	s.out.waitFor(t, "backlog\n")
	io.WriteString(s.in, "mine\n")
	w.waitFor(t, 1)
	s.in.Close()
	if _, err := w.Say(t.Context(), "one\ntwo"); err != nil {
		t.Fatal(err)
	}
	s.out.waitFor(t, "two\n")
	s.cancel()
	if err := s.wait(t); err != nil {
		t.Errorf("join: %v", err)
	}
	clock := regexp.MustCompile(`(?m)^\d\d:\d\d `)
	if got, want := clock.ReplaceAllString(s.out.String(), ""), "<witness> backlog\n<witness> one\n<witness> two\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestJSON(t *testing.T) {
	addr, _ := hostRoom(t, relay.Options{})
	opts := piped(addr)
	opts.JSON = true
	opts.In = plain.Read(strings.NewReader("hi\x1b[2J\n"))
	s := startJoin(t, opts)
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
	var types []string
	for line := range strings.Lines(s.out.String()) {
		var e wire.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if e.Token != "" {
			t.Errorf("the token is in %s", line)
		}
		if e.Type == wire.TypeMessage && (e.Text != "hi␛[2J" || e.From != "ci") {
			t.Errorf("own message: %s", line)
		}
		types = append(types, e.Type)
	}
	if got := strings.Join(types, " "); !strings.HasPrefix(got, "welcome") || !strings.Contains(got, "message") {
		t.Errorf("events: %s", got)
	}
}

func TestTyped(t *testing.T) {
	addr, _ := hostRoom(t, relay.Options{})
	w := newWitness(t, addr)
	s := startJoin(t, typed(addr))
	s.out.waitFor(t, plain.LeaveHint)
	io.WriteString(s.in, "hello\n\n//etc/hosts\n/me waves\n/nick al\n/foo\n")
	s.out.waitFor(t, "! unknown command /foo")
	if got, want := w.waitFor(t, 3), []string{"hello", "/etc/hosts", "waves"}; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	if _, err := w.Do(t.Context(), wire.Request{Type: "msg", To: "al", Text: "psst"}); err != nil {
		t.Fatal(err)
	}
	s.out.waitFor(t, "[witness -> you] psst")
	io.WriteString(s.in, "/quit\n")
	if err := s.wait(t); err != nil {
		t.Errorf("join: %v", err)
	}
	got := regexp.MustCompile(`(?m)^\d\d:\d\d `).ReplaceAllString(s.out.String(), "")
	want := "* Welcome to kitchen, alice (1 here: witness). /help for more.\n" +
		plain.PlainNotice + plain.LeaveHint +
		"* you are now al\n" +
		"! unknown command /foo; /help lists them\n" +
		"! put // in front to send it: //foo\n" +
		"[witness -> you] psst\n"
	got = strings.ReplaceAll(got, "* witness joined\n", "") // before or after our welcome
	if got != want {
		t.Errorf("printed:\n%s\nwant:\n%s", got, want)
	}
	if strings.ContainsRune(got, 0x1b) || s.err.String() != "" {
		t.Errorf("escape sequences in %q, or stderr %q", got, s.err.String())
	}
}

func TestTypedReconnectsToARestartedHost(t *testing.T) {
	opts := relay.Options{Secret: "the machine's"}
	addr, stop := hostRoom(t, opts)
	s := startJoin(t, typed(addr))
	s.out.waitFor(t, plain.LeaveHint)
	stop()
	s.out.waitFor(t, "* waiting for the room to open again (what you type is kept)\n")
	io.WriteString(s.in, "kept\n")
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skip("the port is taken: ", err)
	}
	serveRoom(t, ln, opts)
	s.out.waitFor(t, "* reconnected; the host was restarted with an empty room\n")
	s.out.waitFor(t, "! not sent, because its room was closed and this is a new one: kept\n")
	w := newWitness(t, addr)
	io.WriteString(s.in, "to the new room\n")
	if got := w.waitFor(t, 1); got[0] != "to the new room" {
		t.Errorf("sent %q", got)
	}
	s.cancel() // Ctrl-C
	if err := s.wait(t); err != nil {
		t.Errorf("join: %v", err)
	}
	if n := strings.Count(s.out.String(), "waiting for the room"); n != 1 {
		t.Errorf("reported the lost connection %d times", n)
	}
}

func TestPipeGivesUp(t *testing.T) {
	addr, stop := hostRoom(t, relay.Options{})
	how := (&joinOptions{Addr: addr, Options: plain.Options{Piped: true}, Nick: "ci"}).client()
	if how.GiveUp != pipeGiveUp {
		t.Errorf("a pipe gives up after %v, want %v", how.GiveUp, pipeGiveUp)
	}
	how.Addr, how.GiveUp = addr, 300*time.Millisecond
	c, err := client.Join(t.Context(), how)
	if err != nil {
		t.Fatal(err)
	}
	s := newJoinRun(t)
	opts := piped(addr).Options
	opts.In, opts.Out, opts.Err = plain.Read(s.typed), &s.out, &s.err
	s.run(func(ctx context.Context) error { return plain.Run(ctx, c, opts) })
	s.err.waitFor(t, "* joined")
	stop()
	s.err.waitFor(t, "* waiting for the room to open again")
	io.WriteString(s.in, "one\n\ntwo\n")
	err = s.wait(t)
	if err == nil || !strings.Contains(err.Error(), "gave up reconnecting; 3 lines were not delivered") {
		t.Errorf("join: %v", err)
	}
}

func TestLogFile(t *testing.T) {
	addr, _ := hostRoom(t, relay.Options{})
	w := newWitness(t, addr)
	if _, err := w.Say(t.Context(), "long ago"); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	opts := piped(addr)
	opts.LogFile = filepath.Join(t.TempDir(), "chat.log")
	opts.Follow = true
	s := startJoin(t, opts)
	s.out.waitFor(t, "long ago")
	io.WriteString(s.in, "one\ntwo\n")
	w.waitFor(t, 2)
	if _, err := w.Do(t.Context(), wire.Request{Type: "me", Text: "nods"}); err != nil {
		t.Fatal(err)
	}
	s.out.waitFor(t, "nods")
	s.cancel()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(opts.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	date := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d `)
	if got, want := date.ReplaceAllString(string(got), ""), "<ci> one\n<ci> two\n* witness nods\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
	if info, err := os.Stat(opts.LogFile); runtime.GOOS != "windows" && (err != nil || info.Mode().Perm() != 0o600) {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	opts.LogFile = t.TempDir()
	if err := startJoin(t, opts).wait(t); err == nil || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("a log that is a folder: %v", err)
	}
}

func TestOutputBreaks(t *testing.T) {
	addr, _ := hostRoom(t, relay.Options{})
	w := newWitness(t, addr)
	r, out := io.Pipe()
	r.Close()
	in, _ := io.Pipe()
	defer in.Close()
	opts := piped(addr)
	opts.In, opts.Out, opts.Err = plain.Read(in), out, io.Discard
	opts.Backlog = 10
	if _, err := w.Say(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	if err := runJoin(t.Context(), opts); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("join: %v", err)
	}
}

func TestChoose(t *testing.T) {
	kitchen, _ := hostRoom(t, relay.Options{Room: "00aa00aa00aa00aa"})
	pantry, _ := hostRoom(t, relay.Options{Room: "00bb00bb00bb00bb", Title: "pantry"})
	rooms := []discovery.Room{
		{RoomInfo: wire.RoomInfo{ID: "00aa00aa00aa00aa", Title: "kitchen", Members: 2}, Addr: kitchen},
		{RoomInfo: wire.RoomInfo{ID: "00bb00bb00bb00bb", Title: "pantry"}, Addr: pantry},
	}
	find := func(_ context.Context, match string, _ func(discovery.Room)) ([]discovery.Room, error) {
		found := slices.DeleteFunc(slices.Clone(rooms), func(r discovery.Room) bool { return match != "" && r.Title != match })
		if len(found) == 0 {
			return nil, &discovery.NoRoomError{Want: match}
		}
		return found, nil
	}
	t.Run("by number", func(t *testing.T) {
		opts := typed("")
		opts.find = find
		s := startJoin(t, opts)
		s.out.waitFor(t, "Join which one (1-2)? ")
		io.WriteString(s.in, "7\n")
		io.WriteString(s.in, "2\n")
		s.out.waitFor(t, "* Welcome to pantry")
		s.in.Close()
		if err := s.wait(t); err != nil {
			t.Error(err)
		}
		if got := s.out.String(); !strings.HasPrefix(got, "  1  kitchen  (2 here, "+kitchen+", id 00aa)\n  2  pantry") || strings.Count(got, "Join which") != 2 {
			t.Errorf("printed %q", got)
		}
	})
	t.Run("by title", func(t *testing.T) {
		opts := piped("")
		opts.Room, opts.find, opts.In = "pantry", find, plain.Read(strings.NewReader(""))
		s := startJoin(t, opts)
		if err := s.wait(t); err != nil || !strings.Contains(s.err.String(), "joined pantry") {
			t.Errorf("join: %v, %s", err, s.err.String())
		}
	})
	contested := func(context.Context, string, func(discovery.Room)) ([]discovery.Room, error) {
		two := []discovery.Room{rooms[0], rooms[0]}
		two[0].Contested, two[1].Contested, two[1].Addr = true, true, pantry
		return two, nil
	}
	const warning = "warning: 2 hosts claim to have the room kitchen (id 00aa00aa); all but one are false. Ask its host for the address\n"
	t.Run("contested", func(t *testing.T) {
		opts := typed("")
		opts.find, opts.Room = contested, "kitchen"
		s := startJoin(t, opts)
		s.out.waitFor(t, warning+"Join which one (1-2)? ")
		io.WriteString(s.in, "kitchen\n")
		s.out.waitFor(t, "Several hosts claim to have it: choose one by its number.\n")
		io.WriteString(s.in, "1\n")
		s.out.waitFor(t, "* Welcome to kitchen")
		s.in.Close()
		if err := s.wait(t); err != nil {
			t.Error(err)
		}
	})
	t.Run("contested, without terminal", func(t *testing.T) {
		opts := piped("")
		opts.find, opts.Room = contested, "kitchen"
		s := startJoin(t, opts)
		if err := s.wait(t); exitCode(err) != exitUsage || !strings.HasSuffix(err.Error(), "hint: name one by its address, e.g. chat join --addr "+kitchen) {
			t.Errorf("join: %v", err)
		}
		if !strings.HasSuffix(s.err.String(), warning) {
			t.Errorf("listed %q", s.err.String())
		}
	})
	t.Run("without terminal", func(t *testing.T) {
		opts := piped("")
		opts.find = find
		s := startJoin(t, opts)
		if err := s.wait(t); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "hint: name one") {
			t.Errorf("join: %v", err)
		}
		if !strings.Contains(s.err.String(), "  2  pantry") || s.out.String() != "" {
			t.Errorf("listed %q, printed %q", s.err.String(), s.out.String())
		}
	})
	t.Run("none", func(t *testing.T) {
		opts := piped("")
		opts.find, opts.Room = find, "attic"
		var none *discovery.NoRoomError
		if err := startJoin(t, opts).wait(t); !errors.As(err, &none) {
			t.Errorf("join: %v", err)
		}
	})
	t.Run("it became another room", func(t *testing.T) {
		opts := piped("")
		opts.find = func(context.Context, string, func(discovery.Room)) ([]discovery.Room, error) {
			return []discovery.Room{{RoomInfo: rooms[0].RoomInfo, Addr: pantry}}, nil
		}
		if err := startJoin(t, opts).wait(t); err == nil || !strings.HasPrefix(err.Error(), "another room is open there now\nhint:") {
			t.Errorf("join: %v", err)
		}
	})
	t.Run("a room and an address", func(t *testing.T) {
		opts := piped(kitchen)
		opts.Room = "kitchen"
		if err := startJoin(t, opts).wait(t); exitCode(err) != exitUsage {
			t.Errorf("join: %v", err)
		}
	})
}

func TestFindAgain(t *testing.T) {
	room := func(id, addr string) discovery.Room {
		return discovery.Room{RoomInfo: wire.RoomInfo{ID: id, Title: "kitchen"}, Addr: addr}
	}
	for _, test := range []struct {
		name  string
		found []discovery.Room
		want  []string
	}{
		{"all of the same ID first", []discovery.Room{room("b", "2"), room("a", "1"), room("a", "3")}, []string{"1", "3", "2"}},
		{"those of its title", []discovery.Room{room("b", "2"), room("c", "3")}, []string{"2", "3"}},
		{"none", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := joinOptions{find: func(context.Context, string, func(discovery.Room)) ([]discovery.Room, error) {
				if len(test.found) == 0 {
					return nil, &discovery.NoRoomError{}
				}
				return test.found, nil
			}}
			got, err := opts.findAgain(t.Context(), wire.RoomInfo{ID: "a", Title: "kitchen"})
			if !slices.Equal(got, test.want) || (err == nil) != (test.want != nil) {
				t.Errorf("found %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestJoinErrors(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	if err := startJoin(t, piped(addr)).wait(t); err == nil || !strings.HasPrefix(err.Error(), "connection refused by "+addr+"\nhint: ") {
		t.Errorf("no one listens: %v", err)
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{&client.RefusedError{Text: "the room is full"}, "the host says: the room is full"},
		{&client.RefusedError{Code: wire.CodeVersion, Text: "too old"}, "the host says: too old\nhint: "},
		{client.ErrNoRoom, "no chat room at X: another program answered\nhint: "},
		{&net.DNSError{Name: "nowhere", IsNotFound: true}, `unknown host "nowhere"` + "\nhint: "},
		{context.DeadlineExceeded, "no answer from X\nhint: "},
		{syscall.ETIMEDOUT, "no answer from X\nhint: "},
		{syscall.EHOSTUNREACH, "no route to X\nhint: "},
		{errors.New("odd"), "cannot join: odd\nhint: "},
		{&privatefile.ModeError{Path: "known_hosts", Mode: 0o644}, "known_hosts has mode 0644: other users can read it\nhint: chmod 600 known_hosts"},
		{&client.SecretError{Code: wire.CodeAuthFailed}, "the secret of the room is wrong\nhint: "},
	} {
		if got := joinError("X", fmt.Errorf("dial X: %w", test.err)).Error(); !strings.HasPrefix(strings.ReplaceAll(got, "dial X: ", ""), test.want) {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

// On the screen, which has a field for an address, no hint names an option.
func TestHintsOnTheScreen(t *testing.T) {
	refused := fmt.Errorf("dial X: %w", syscall.ECONNREFUSED)
	for _, err := range []error{
		&endpoint.AddressError{Address: "a b"}, joinError("X", refused), joinError("X", &client.RefusedError{Code: wire.CodeWrongRoom}),
		joinError("X", &net.DNSError{Name: "nowhere", IsNotFound: true}),
		&discovery.NoRoomError{Deaf: errors.New("no network")}, &discovery.NoRoomError{Want: "den", Others: []discovery.Room{{}}},
	} {
		before, hint, ok := strings.Cut(err.Error(), "\nhint: ")
		if got := forScreen(err).Error(); !ok || !strings.HasPrefix(got, before+"\nhint: ") || strings.Contains(got, "--addr") || strings.Contains(got, "chat join") {
			t.Errorf("%q, %q: on the screen it is %q", before, hint, got)
		}
		if left := forShell(forScreen(err)); left != err {
			t.Errorf("on the screen %q, and after leaving it %q", err, left)
		}
	}
	none := &discovery.NoRoomError{On: []string{"eth0", "wlan0"}, Waited: 5 * time.Second, Want: "den", Devices: 2}
	var nothing *screen.NothingFoundError
	if err := forScreen(none); !errors.As(err, &nothing) || nothing.What != `No room "den" found on this network` ||
		!strings.HasPrefix(nothing.Looked, "Looked for 5 s on eth0, wlan0. 2 other devices are here") || strings.Contains(nothing.Looked, "--addr") || !errors.Is(forShell(err), none) {
		t.Errorf("no room is %+v", err)
	}
	if err := errors.New("odd"); forScreen(err) != err {
		t.Error("an error without a hint changed")
	}
}

func TestCtrlCWhileSearching(t *testing.T) {
	opts := piped("")
	opts.find = func(ctx context.Context, _ string, _ func(discovery.Room)) ([]discovery.Room, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s := startJoin(t, opts)
	s.cancel()
	if err := s.wait(t); exitCode(err) != 130 {
		t.Errorf("join: %v", err)
	}
}

// operatorSecret is that of rooms of hostSealed.
const operatorSecret = seal.Secret("OPERATORABCDEFGH")

// hostSealed serves a sealed room on loopback, and returns its invite.
func hostSealed(t *testing.T, id string) seal.Invite {
	t.Helper()
	key, err := hostseal.LoadKey(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	source, err := hostseal.KeptCertificate(t.TempDir(), key, func() []string { return nil }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	secret := seal.NewSecret()
	addr, _ := hostRoom(t, relay.Options{Room: id, Title: "lab", Seal: &relay.Seal{TLS: source.Config(), Secrets: seal.RoomSecrets{Member: secret, Operator: operatorSecret}}})
	return seal.Invite{Addr: addr, Pin: source.Pin(), Secret: secret}
}

// Of several hosts that claim to have a sealed room, the one with the key that the user knows has it. A
// stranger is refused, and a plain room of its title is not taken for it.
func TestSealedRoomFound(t *testing.T) {
	const id = "00aa00aa00aa00aa"
	lab, impostor := hostSealed(t, id), hostSealed(t, id)
	plainAddr, _ := hostRoom(t, relay.Options{Title: "lab"})
	announced := func(i seal.Invite) discovery.Room {
		return discovery.Room{RoomInfo: wire.RoomInfo{ID: id, Title: "lab", Sealed: true, Pin: string(i.Pin)}, Addr: i.Addr, Contested: true}
	}
	plainLab := discovery.Room{RoomInfo: wire.RoomInfo{ID: "00bb00bb00bb00bb", Title: "lab"}, Addr: plainAddr}
	for name, test := range map[string]struct {
		rooms      []discovery.Room
		want, warn string
	}{
		"the known host":                      {[]discovery.Room{announced(lab)}, "", ""},
		"an impostor too":                     {[]discovery.Room{announced(impostor), announced(lab)}, "", "another host, at " + impostor.Addr + ", claims to have the room lab"},
		"only an impostor":                    {[]discovery.Room{announced(impostor)}, "the key of the host of lab, at " + impostor.Addr + ", has changed; nothing was sent\n", ""},
		"only a plain room of the same title": {[]discovery.Room{plainLab}, "a plain room called lab is at " + plainAddr + ", but the room of that title that you know is sealed; nothing was sent\nhint: ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			opts := piped("")
			opts.Secret, opts.Nick, opts.In = lab.Secret, "bob", plain.Read(strings.NewReader(""))
			if len(test.rooms) > 0 && !test.rooms[0].Sealed {
				opts.Secret = "" // it would say that the room is sealed
			}
			opts.known = identity.NewKnownHosts(dir, func(err error) { t.Error(err) })
			opts.known.Add(client.KnownHost{Room: id, Pin: lab.Pin, Title: "lab"})
			opts.find = func(context.Context, string, func(discovery.Room)) ([]discovery.Room, error) {
				return slices.Clone(test.rooms), nil
			}
			s := startJoin(t, opts)
			err := s.wait(t)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("join: %v, want %q", err, test.want)
			}
			if !strings.Contains(s.err.String(), test.warn) || test.want == "" && !strings.Contains(s.err.String(), "joined lab as bob") {
				t.Errorf("printed %q", s.err.String())
			}
		})
	}
}

// A secret that is kept for an earlier room of the same title and host is used, and no other.
func TestKeptSecret(t *testing.T) {
	lab := hostSealed(t, "00aa00aa00aa00aa")
	dir := t.TempDir()
	opts := piped(lab.Addr)
	opts.In = plain.Read(strings.NewReader(""))
	opts.identities, opts.known = identity.Open(dir), identity.NewKnownHosts(dir, func(err error) { t.Error(err) })
	opts.known.Add(client.KnownHost{Room: "earlier", Pin: lab.Pin, Title: "lab"}, client.KnownHost{Room: "of another host", Pin: "K7QZABCDEFGHIJKLMNOPQRSTUV", Title: "lab"}, client.KnownHost{Addr: lab.Addr, Pin: lab.Pin})
	for room, secret := range map[string]seal.Secret{"earlier": lab.Secret, "of another host": "ANOTHERSECRET234"} {
		claim, err := opts.identities.Claim(room, "alice", func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		claim.Keep(client.Identity{Room: room, Token: "token-of-alice", Secret: secret})
		claim.Release()
	}
	s := startJoin(t, opts)
	if err := s.wait(t); err != nil || !strings.Contains(s.err.String(), "joined lab") {
		t.Errorf("join: %v, %s", err, s.err.String())
	}
	if got := opts.identities.Secret("00aa00aa00aa00aa"); got != lab.Secret {
		t.Errorf("kept %q", string(got))
	}
	opts.Nick = "bob" // who has no identity there yet
	c, err := opts.joinAt(t.Context(), screen.Place{Addr: lab.Addr}, client.Questions{})
	if err != nil {
		t.Fatalf("on a screen: %v", err)
	}
	c.Close()
}

// A kept secret answers a question for the same room, or for one of the same title and host, once. Then the user is asked.
func TestKeptSecretAnswers(t *testing.T) {
	const pin, other = seal.Pin("K7QZABCDEFGHIJKLMNOPQRSTUV"), seal.Pin("BBBBABCDEFGHIJKLMNOPQRSTUV")
	const labSecret, otherSecret, denSecret, typed = seal.Secret("LABLABLABLABLABL"), seal.Secret("OTHEROTHEROTHERO"), seal.Secret("DENDENDENDENDEND"), seal.Secret("typed by the user")
	dir := t.TempDir()
	opts := piped("")
	opts.identities, opts.known = identity.Open(dir), identity.NewKnownHosts(dir, func(err error) { t.Error(err) })
	for _, room := range []struct {
		known  client.KnownHost
		secret seal.Secret
	}{
		{client.KnownHost{Room: "lab", Pin: pin, Title: "lab"}, labSecret},
		{client.KnownHost{Room: "lab of another host", Pin: other, Title: "lab"}, otherSecret},
		{client.KnownHost{Room: "den", Pin: pin, Title: "den"}, denSecret},
	} {
		opts.known.Add(room.known)
		claim, err := opts.identities.Claim(room.known.Room, "alice", func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		claim.Keep(client.Identity{Room: room.known.Room, Token: "token-of-alice", Secret: room.secret})
		claim.Release()
	}
	opts.known.Add(client.KnownHost{Room: "laboratory", Pin: other, Title: "lab"})
	ask := opts.withKept(client.Questions{AskSecret: func(context.Context, client.SecretQuestion) (seal.Secret, error) { return typed, nil }})
	none := opts.withKept(client.Questions{})
	for _, test := range []struct {
		question client.SecretQuestion
		want     seal.Secret
	}{
		{client.SecretQuestion{Room: "lab", Pin: pin, Title: "lab"}, labSecret},
		{client.SecretQuestion{Room: "new", Pin: pin, Title: "lab"}, labSecret},
		{client.SecretQuestion{Room: "new", Pin: pin, Title: "den"}, denSecret},
		{client.SecretQuestion{Room: "new", Pin: pin, Title: "attic"}, typed},
		{client.SecretQuestion{Room: "new", Pin: "ZZZZABCDEFGHIJKLMNOPQRSTUV", Title: "lab"}, typed},
		{client.SecretQuestion{Room: "new", Title: "lab"}, typed},
		{client.SecretQuestion{Room: "lab", Pin: pin, Title: "lab", Tries: 1}, typed},
	} {
		if got, err := ask.AskSecret(t.Context(), test.question); err != nil || got != test.want {
			t.Errorf("%+v: %q, %v; want %q", test.question, string(got), err, string(test.want))
		}
		got, err := none.AskSecret(t.Context(), test.question)
		refusal, _ := errors.AsType[*client.SecretError](err)
		if test.want != typed && (err != nil || got != test.want) || test.want == typed && (refusal == nil || (refusal.Code == wire.CodeAuthFailed) != (test.question.Tries > 0)) {
			t.Errorf("with no one to ask, %+v: %q, %v", test.question, string(got), err)
		}
	}
}

// The file of an operator names the host's key: a sealed room is joined with it without a question, at the address in the file or
// wherever the room is found. Another host that has the room gets nothing.
func TestOperatorFileOfSealedRoom(t *testing.T) {
	const id = "00aa00aa00aa00aa"
	lab, impostor := hostSealed(t, id), hostSealed(t, id)
	file := operatorfile.File{Room: id, Title: "lab", Invite: seal.Invite{Addr: lab.Addr, Pin: lab.Pin, Secret: operatorSecret}.URL()}
	path := filepath.Join(t.TempDir(), "lab.operator")
	if err := file.Write(path); err != nil {
		t.Fatal(err)
	}
	found := func(i seal.Invite, contested bool) discovery.Room {
		return discovery.Room{RoomInfo: wire.RoomInfo{ID: id, Title: "lab", Sealed: true, Pin: string(i.Pin)}, Addr: i.Addr, Contested: contested}
	}
	for name, test := range map[string]struct {
		room  string
		rooms []discovery.Room
		want  string // what the error begins with; "": the user is an operator
	}{
		"by its address":   {"", nil, ""},
		"by its title":     {"lab", []discovery.Room{found(lab, false)}, ""},
		"an impostor too":  {"lab", []discovery.Room{found(impostor, true), found(lab, true)}, ""},
		"only an impostor": {"lab", []discovery.Room{found(impostor, false)}, "the host at " + impostor.Addr + " has another key than its invite says; nothing was sent\n"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := piped("")
			opts.Room, opts.Options.JSON, opts.In = test.room, true, plain.Read(strings.NewReader(""))
			opts.known = identity.NewKnownHosts(t.TempDir(), func(err error) { t.Error(err) })
			opts.find = func(context.Context, string, func(discovery.Room)) ([]discovery.Room, error) {
				return slices.Clone(test.rooms), nil
			}
			if err := opts.readOperatorFile(path); err != nil {
				t.Fatal(err)
			}
			s := startJoin(t, opts)
			err := s.wait(t)
			if test.want == "" && (err != nil || !strings.Contains(s.out.String(), `"access":"operator"`)) || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("join: %v, printed %s", err, s.out.String())
			}
		})
	}
	opts := piped("")
	opts.Secret = lab.Secret
	if err := opts.readOperatorFile(path); exitCode(err) != exitUsage {
		t.Errorf("with another secret: %v", err)
	}
	opts = piped("")
	if c, err := opts.joinAt(t.Context(), screen.Place{Addr: impostor.Addr, Invite: lab}, client.Questions{}); err == nil || !strings.Contains(err.Error(), "has another key than its invite says") {
		t.Errorf("on a screen, with an invite to another host: %v, %v", c, err)
	}
	opts.Room = "lab"
	if err := opts.readOperatorFile(path); err != nil {
		t.Fatal(err)
	}
	if c, err := opts.joinAt(t.Context(), screen.Place{Title: "lab", Addr: impostor.Addr, ID: id, Sealed: true}, client.Questions{}); err == nil || !strings.HasPrefix(err.Error(), "the host at ") {
		t.Errorf("on a screen, with an impostor: %v, %v", c, err)
	}
}

// The address of a sealed room's page says that the room is sealed: a plain one is not joined by it.
func TestPageOfPlainRoom(t *testing.T) {
	addr, _ := hostRoom(t, relay.Options{})
	if err := startJoin(t, piped("https://"+addr+"/")).wait(t); err == nil || !strings.HasPrefix(err.Error(), "the room is sealed, but the program at "+addr+" does not encrypt; nothing was sent\n") {
		t.Errorf("join: %v", err)
	}
}

// What is named on the command line counts before variables, and CHAT_INVITE before CHAT_ADDR.
func TestInviteAndVariables(t *testing.T) {
	lab := hostSealed(t, "00aa00aa00aa00aa")
	for _, test := range []struct {
		args         []string
		addr, invite string
		code         int
	}{
		{[]string{lab.URL()}, "127.0.0.1:1", "", 0},
		{[]string{lab.URL()}, "", "https://127.0.0.1:1/#" + string(lab.Pin), 0},
		{nil, "127.0.0.1:1", lab.URL(), 0},
		{nil, "", lab.URL(), 0},
		{[]string{"--addr", "127.0.0.1:1"}, "", lab.URL(), exitFailed},
		{[]string{"--addr", lab.Addr, lab.URL()}, "", "", exitUsage},
		{[]string{strings.Replace(lab.URL(), "#", "#x", 1)}, "", "", exitUsage},
	} {
		t.Setenv("XDG_STATE_HOME", t.TempDir())
		t.Setenv("CHAT_ADDR", test.addr)
		t.Setenv("CHAT_INVITE", test.invite)
		var out bytes.Buffer
		if code := run(t.Context(), append([]string{"chat", "join", "--nick", "ci"}, test.args...), &out, &out); code != test.code {
			t.Errorf("chat join %q with CHAT_ADDR=%s CHAT_INVITE=%s: exit code %d, %s", test.args, test.addr, test.invite, code, out.String())
		}
		if strings.Contains(out.String(), string(lab.Secret)) {
			t.Errorf("printed the secret: %s", out.String())
		}
	}
}

// If another host is at the address after a lost connection, the hint says what to do: without a file that has the key, too.
func TestAnotherHostMeanwhile(t *testing.T) {
	for _, isKnown := range []bool{false, true} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := ln.Addr().String()
		sealed := func() (relay.Options, seal.Pin) {
			key, err := hostseal.LoadKey(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			source, err := hostseal.KeptCertificate(t.TempDir(), key, func() []string { return nil }, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return relay.Options{Title: "lab", Seal: &relay.Seal{TLS: source.Config(), Secrets: seal.RoomSecrets{Member: "MEMBERABCDEFGHIJ"}}}, source.Pin()
		}
		lab, pin := sealed()
		stop := serveRoom(t, ln, lab)
		opts, want := piped(addr), "ask the host whether its key is new"
		opts.find = func(context.Context, string, func(discovery.Room)) ([]discovery.Room, error) {
			return nil, &discovery.NoRoomError{}
		}
		opts.Follow, opts.Invite = true, seal.Invite{Addr: addr, Pin: pin, Secret: "MEMBERABCDEFGHIJ"}
		if isKnown {
			opts.known, want = identity.NewKnownHosts(t.TempDir(), func(err error) { t.Error(err) }), "If it really has a new key, delete line "
			opts.known.Add(client.KnownHost{Addr: addr, Pin: pin})
			opts.Invite.Pin = ""
		}
		s := startJoin(t, opts)
		s.err.waitFor(t, "joined lab")
		stop()
		if ln, err = net.Listen("tcp", addr); err != nil {
			t.Skip("the port is taken: ", err)
		}
		another, _ := sealed()
		serveRoom(t, ln, another)
		if err := s.wait(t); err == nil || !strings.Contains(err.Error(), "has another key than before") || !strings.Contains(err.Error(), "\nhint: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("known host %v: the end is %v", isKnown, err)
		}
	}
}

// An empty room, as of `chat join "$(chat invite lab)"` when the host is gone, does not stand for any room,
// which would get the piped messages.
func TestEmptyRoom(t *testing.T) {
	for _, args := range [][]string{{""}, {"--nick", "ci", ""}} {
		var out bytes.Buffer
		code := run(t.Context(), append([]string{"chat", "join"}, args...), &out, &out)
		if code != exitUsage || !strings.Contains(out.String(), "the room is empty\nhint: ") {
			t.Errorf("chat join %q: exit code %d, %s", args, code, out.String())
		}
	}
}

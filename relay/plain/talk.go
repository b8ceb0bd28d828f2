package plain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"chat/relay/client"
	"chat/relay/text"
	"chat/relay/wire"
)

// Options are where what is said comes from, and where what is heard goes.
//
// A person at a terminal types lines; one that begins with "/" is a command. From
// a pipe every line is said as it is, and when the host has them all, that is
// the end. On a terminal everything that happens is printed for people; into a
// pipe only what is said, or with JSON the events, and the rest goes to Err.
type Options struct {
	In       *Input
	Out, Err io.Writer
	Piped    bool        // In is no terminal
	OutPiped bool        // Out is no terminal
	JSON     bool        // print events as JSON lines
	Follow   bool        // stay when In has ended
	Log      *Transcript // keeps what is said; nil: nothing does

	// Accessible makes of what is said what a screen reader reads well: "alice:
	// soup is ready", without times and brackets.
	Accessible bool
}

// A talker is one conversation in a room: what comes in is said, what is said is
// printed.
type talker struct {
	Options
	client *client.Client

	// The listener's.
	out     *bufio.Writer
	outErr  error  // why nothing is printed any more
	nick    string // ours
	resumed bool   // the connection was lost before
	held    uint64 // number of what the host could not keep, and the client says again; 0: nothing

	// The speaker's.
	refused int // lines that the host did not take
	unsaid  int // lines taken from the input that did not get as far as the client

	transfers sync.WaitGroup // files on their way; begun by the speaker
}

// Talk talks in the room that c has joined, until what comes in has ended and
// was said, the client has, or ctx does. Then it closes c: the room sees somebody
// go, not a lost connection.
func Talk(ctx context.Context, c *client.Client, opts Options) (err error) {
	defer c.Close()
	t := &talker{Options: opts, client: c, out: bufio.NewWriterSize(opts.Out, 32<<10)}
	t.Err = &lockedWriter{w: opts.Err}
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		t.listen(ctx, leave)
	}()
	spoken := make(chan error, 1)
	go func() { spoken <- t.speak(ctx) }()
	select {
	case err = <-spoken:
		if err == nil && t.Follow {
			select {
			case <-ctx.Done():
			case <-heard:
			}
		}
	case <-heard:
		leave()
		err = <-spoken
	}
	leave()
	c.Close() // the lines that it complains of are counted below
	t.transfers.Wait()
	select {
	case <-heard:
	case <-time.After(stuckWait):
		return errors.New("what prints the talk takes nothing any more; left without its last lines")
	}
	return t.outcome(err)
}

// outcome says how it went. err is what the speaker could not do; when the client
// has ended or we leave, that is no news.
func (t *talker) outcome(err error) error {
	unsaid := t.unsaid
	for _, r := range t.client.Pending() {
		unsaid += 1 + strings.Count(r.Text, "\n")
	}
	if t.Piped {
		unsaid += t.In.left()
	}
	lost := ""
	if unsaid > 0 {
		lost = fmt.Sprintf("; %s not delivered", wire.Counted(unsaid, "line was", "lines were"))
	}
	end := t.client.Err()
	if refusal, ok := errors.AsType[*client.RefusedError](end); ok && refusal.Code == wire.CodeQuit {
		end = nil // as we asked
	}
	switch {
	case t.outErr != nil:
		return fmt.Errorf("write what is said: %w%s", t.outErr, lost)
	case errors.Is(end, client.ErrGaveUp):
		return fmt.Errorf("%w%s\nhint: is chat host still running there? chat join finds it when it is back", client.ErrGaveUp, lost)
	case end != nil && !errors.Is(end, context.Canceled):
		return fmt.Errorf("%w%s", end, lost)
	case unsaid > 0:
		return errors.New(strings.TrimPrefix(lost, "; "))
	case t.Log.failed() != nil:
		return t.Log.failed()
	case t.refused > 0:
		return fmt.Errorf("the host did not take %s", wire.Counted(t.refused, "line", "lines"))
	case errors.Is(err, errReadInput):
		return err
	}
	return nil
}

// stuckWait is how long the last lines may take to be printed: a terminal that
// was stopped (Ctrl-S) takes none.
const stuckWait = 2 * time.Second

// speak says what comes in, until its end or that of ctx.
func (t *talker) speak(ctx context.Context) error {
	say := t.sayBlock
	if !t.Piped {
		say = t.sayTyped
	}
	for {
		err := say(ctx)
		switch {
		case err == io.EOF, errors.Is(err, errLeave):
			return nil
		case errors.Is(err, client.ErrTooLong):
			fmt.Fprintln(t.Err, "! that is too long for one message; it was not sent")
		case err != nil:
			return err
		}
	}
}

// errLeave: the person wants to leave.
var errLeave = errors.New("leave")

// sayTyped says a line that a person typed, or asks the host to carry it out.
func (t *talker) sayTyped(ctx context.Context) error {
	line, err := t.In.Line(ctx)
	if err != nil {
		return err
	}
	verb, reason, _ := strings.Cut(line, " ")
	switch {
	case line == "":
	case verb == "/quit":
		if strings.TrimSpace(reason) != "" {
			t.client.Do(ctx, wire.Request{Type: "command", Text: line}) // the goodbye is said in any case
		}
		return errLeave
	case verb == "/send", verb == "/get", verb == "/files":
		t.file(ctx, verb, reason)
	case strings.HasPrefix(line, "//"):
		_, err = t.client.Say(ctx, line[1:])
	case strings.HasPrefix(line, "/"):
		_, err = t.client.Do(ctx, wire.Request{Type: "command", Text: line})
	default:
		_, err = t.client.Say(ctx, line)
	}
	return err
}

// file carries out a command about files. What takes time goes on beside the talk.
func (t *talker) file(ctx context.Context, verb, rest string) {
	switch verb {
	case "/files":
		fmt.Fprintln(t.Err, "* "+strings.ReplaceAll(client.FileLines(t.client.Files()), "\n", "\n* "))
	case "/send":
		path := client.TypedPath(rest)
		if path == "" {
			fmt.Fprintln(t.Err, "! usage: /send PATH")
			return
		}
		name := text.Clean(filepath.Base(path))
		t.transfers.Go(func() {
			if err := t.client.Send(ctx, path, t.progress("sending "+name)); err != nil {
				t.failed(ctx, name+" was not sent", err)
				return
			}
			fmt.Fprintln(t.Err, "* sent "+name)
		})
	default:
		f, dir, err := client.TypedGet(t.client.Files(), rest)
		if err != nil {
			fmt.Fprintln(t.Err, "! "+err.Error())
			return
		}
		t.transfers.Go(func() {
			path, err := t.client.Get(ctx, f, dir, t.progress("getting "+f.Name))
			if err != nil {
				t.failed(ctx, "no "+f.Name, err)
				return
			}
			fmt.Fprintln(t.Err, "* "+f.Name+" is in "+text.Clean(path))
		})
	}
}

// failed tells what became of a file, unless it is because we leave.
func (t *talker) failed(ctx context.Context, what string, err error) {
	if ctx.Err() == nil && !errors.Is(err, client.ErrClosed) {
		fmt.Fprintln(t.Err, "! "+what+": "+text.Clean(err.Error()))
	}
}

// progressEvery is how often one is told how far a file is.
const progressEvery = 10 * time.Second

// progress tells how far a file is, where it takes long.
func (t *talker) progress(what string) func(done, total int64) {
	told := time.Now()
	return func(done, total int64) {
		if total > 0 && time.Since(told) >= progressEvery {
			told = time.Now()
			fmt.Fprintf(t.Err, "* %s: %d %% of %s\n", what, 100*done/total, humanize.Bytes(uint64(total)))
		}
	}
}

// sayBlock says the lines that have come in from a pipe, and waits until the host
// has them. Meanwhile more come in, and go together: a host that takes 20
// messages a second takes 2,000 lines.
func (t *talker) sayBlock(ctx context.Context) error {
	lines, err := t.In.block(ctx)
	if err != nil {
		return err
	}
	return t.deliver(ctx, lines)
}

// deliver says lines as one message. A host may take less at once than most do:
// then each half is tried.
func (t *talker) deliver(ctx context.Context, lines []string) error {
	if _, err := t.client.Say(ctx, strings.Join(lines, "\n")); err != nil {
		t.unsaid += len(lines)
		return err
	}
	err := t.client.Flush(ctx)
	rejected, ok := errors.AsType[*client.RejectedError](err)
	if !ok {
		return err
	}
	why := rejected.Rejections[0]
	head, tail := halves(lines)
	if why.Code != wire.CodeTooLong || len(tail) == 0 {
		t.refused += len(lines)
		fmt.Fprintln(t.Err, "! "+why.Text)
		return nil
	}
	for i, half := range [][]string{head, tail} {
		if isBlank(half) {
			continue
		}
		if err := t.deliver(ctx, half); err != nil {
			if i == 0 {
				t.unsaid += len(tail)
			}
			return err
		}
	}
	return nil
}

// halves cuts lines in two: between lines, or where there is but one, within it.
// What cannot be cut is all in the head.
func halves(lines []string) (head, tail []string) {
	const least = 64 // bytes; a host that does not take so few takes nothing
	if n := len(lines); n > 1 {
		return lines[:n/2], lines[n/2:]
	}
	if len(lines[0]) <= least {
		return lines, nil
	}
	i := len(lines[0]) / 2
	for !utf8.RuneStart(lines[0][i]) {
		i--
	}
	return []string{lines[0][:i]}, []string{lines[0][i:]}
}

func isBlank(lines []string) bool {
	return !slices.ContainsFunc(lines, func(s string) bool { return s != "" })
}

// listen prints what happens until the client has ended. When what is printed
// finds no taker any more, it calls leave.
func (t *talker) listen(ctx context.Context, leave context.CancelFunc) {
	for e := range t.client.Events() {
		switch e := e.(type) {
		case client.Connected:
			t.connected(e)
		case client.Disconnected:
			if e.Attempt == 0 && ctx.Err() == nil {
				t.disconnected(e.Err)
			}
		case client.Received:
			t.received(e)
		}
		if len(t.client.Events()) == 0 {
			t.flush(leave)
		}
	}
	t.flush(leave)
}

// flush writes out what is printed. It is called when nothing more is there at
// the moment: one write for a thousand lines of a backlog, none late.
func (t *talker) flush(leave context.CancelFunc) {
	if err := t.out.Flush(); err != nil && t.outErr == nil {
		t.outErr = err
		leave()
	}
}

// tell prints what is not said but happens: in between on a terminal, else on Err.
func (t *talker) tell(lines string) {
	if !t.OutPiped && !t.JSON {
		t.out.WriteString(lines)
		return
	}
	io.WriteString(t.Err, lines)
}

// connected tells that we are in.
func (t *talker) connected(e client.Connected) {
	t.nick = e.Welcome.Nick
	t.resumed = e.Resumed
	if t.JSON {
		t.out.Write(e.Welcome.AppendJSON(nil))
	}
	switch {
	case e.NewRoom:
		t.tell("* connected again; the host was restarted, and begins with an empty room\n")
		t.tell(string(e.Welcome.AppendText(nil, t.viewer())))
	case e.Resumed:
		t.tell("* connected again\n")
	case t.Piped:
		t.tell(fmt.Sprintf("* joined %s as %s (%s)\n", e.Welcome.Title, t.nick, wire.Counted(e.Welcome.Count, "other here", "others here")))
	default:
		if !t.JSON {
			t.tell(string(e.Welcome.AppendText(nil, t.viewer())))
		}
		t.tell("* /quit or Ctrl-D to leave\n")
	}
}

func (t *talker) disconnected(why error) {
	kept := "what you type is kept"
	if t.Piped {
		kept = "no line is lost"
	}
	what := "connection lost; reconnecting"
	if refusal, ok := errors.AsType[*client.RefusedError](why); ok && refusal.Code == wire.CodeShutdown {
		what = "waiting for the room to open again"
	}
	t.tell("* " + what + " (" + kept + ")\n")
}

func (t *talker) viewer() wire.Viewer { return wire.Viewer{Zone: time.Local, Nick: t.nick} }

// received prints what the host sent.
func (t *talker) received(e client.Received) {
	if e.Own && e.Type == wire.TypeNick {
		t.nick = e.Nick
	}
	if spoken(e) && (t.resumed || !e.Past) { // the backlog was said before we came
		if err := t.Log.Add(e.Event, t.viewer()); err != nil {
			t.tell("! " + err.Error() + "\n")
		}
	}
	t.tellHeld(&e)
	switch {
	case t.JSON:
		t.out.Write(e.AppendJSON(nil))
	case e.Waits(), t.isEcho(&e):
	case spoken(e) && t.Accessible:
		t.out.WriteString(readable(&e.Event, t.nick))
	case spoken(e):
		t.out.Write(e.AppendText(nil, t.viewer()))
	default:
		t.tell(string(e.AppendText(nil, t.viewer())))
	}
}

// tellHeld tells, once, that the host cannot keep what is said just now, and that it can
// again.
func (t *talker) tellHeld(e *client.Received) {
	switch {
	case e.Waits() && t.held == 0:
		reason, _, _ := strings.Cut(e.Text, ";")
		t.tell("! " + reason + "; what you say is kept and sent again\n")
		t.held = e.Seq
	case e.Own && t.held > 0 && e.Seq >= t.held:
		t.tell("* the host has what you said meanwhile\n")
		t.held = 0
	}
}

// readable words what is said for a screen reader. No line of a text can pass for
// another's: each begins with its speaker.
func readable(e *wire.Event, us string) string {
	speaker := e.From + ": "
	switch {
	case e.Type == wire.TypeAction:
		speaker = "* " + e.From + " "
	case e.Type == wire.TypePrivate && e.To == us:
		speaker = e.From + " to you alone: "
	case e.Type == wire.TypePrivate:
		speaker = e.From + " to " + e.To + " alone: "
	}
	var b strings.Builder
	for line := range strings.SplitSeq(e.Text, "\n") {
		b.WriteString(speaker + line + "\n")
	}
	return b.String()
}

// spoken reports whether the event is words of somebody.
func spoken(e client.Received) bool { return e.Said() || e.Type == wire.TypePrivate }

// isEcho reports whether the person knows e already: from having typed it, or
// since it was told in another way.
func (t *talker) isEcho(e *client.Received) bool {
	switch e.Type {
	case wire.TypeJoin, wire.TypeLeave:
		e.Members = slices.DeleteFunc(e.Members, func(nick string) bool { return nick == t.nick })
		return len(e.Members) == 0
	case wire.TypeBye:
		return e.Code.Final() // the outcome tells it
	case wire.TypeError:
		return t.Piped && (e.Seq != 0 || e.Code == wire.CodeTooLong) // deliver tells it, if it is the last word
	}
	return e.Own && (spoken(*e) || e.Type == wire.TypeNick)
}

// A lockedWriter lets the speaker and the listener write to one writer.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

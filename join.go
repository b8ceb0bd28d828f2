package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"chat/relay/client"
	"chat/relay/wire"
)

// joinOptions are what `chat join` was told.
type joinOptions struct {
	conversation
	Room    string        // the title, or the beginning of the id; "": whichever is there
	Addr    string        // HOST[:PORT]; "": found by mDNS
	Nick    string        // "": the host gives one
	Plain   bool          // no full screen
	Backlog int           // messages to begin with; negative: as the host has it, but none in a pipe that does not follow
	Timeout time.Duration // to look for a room; 0: 5 s
	Retry   time.Duration // to look for a lost host; 0: for ever on a terminal, else a minute
	Ifaces  []string      // to look for a room on; none: all that lead to a LAN

	find findRooms // nil: by mDNS
}

// A conversation is where what is said comes from, and where what is heard goes.
//
// A person at a terminal types lines; one that begins with "/" is a command. From
// a pipe every line is said as it is, and when the host has them all, that is
// the end. On a terminal everything that happens is printed for people; into a
// pipe only what is said, or with JSON the events, and the rest goes to Err.
type conversation struct {
	In       io.Reader
	Out, Err io.Writer
	Piped    bool   // In is no terminal
	OutPiped bool   // Out is no terminal
	JSON     bool   // print events as JSON lines
	Follow   bool   // stay when In has ended
	LogFile  string // append what is said to this file; "": none

	input *input // what reads In; nil: nothing does yet
}

// joinOptionsOf reads the flags.
func joinOptionsOf(c *cli.Context) (joinOptions, error) {
	if c.NArg() > 1 {
		return joinOptions{}, usageErrorf("one room at a time, not %q\nhint: a title with spaces wants quotes", c.Args().Slice())
	}
	room, addr := c.Args().First(), c.String("addr")
	switch {
	case room != "" && addr == os.Getenv("CHAT_ADDR"): // what is typed comes before what is set
		addr = ""
	case room == "" && addr == "":
		room = os.Getenv("CHAT_ROOM")
	}
	return joinOptions{
		conversation: conversation{
			In:       os.Stdin,
			Out:      c.App.Writer,
			Err:      c.App.ErrWriter,
			Piped:    !isTerminal(os.Stdin),
			OutPiped: !isTerminal(os.Stdout),
			JSON:     c.Bool("json"),
			Follow:   c.Bool("follow"),
			LogFile:  c.String("log"),
		},
		Room:    room,
		Addr:    addr,
		Nick:    cmp.Or(c.String("nick"), loginName()),
		Plain:   c.Bool("plain"),
		Backlog: c.Int("backlog"),
		Timeout: c.Duration("timeout"),
		Ifaces:  c.StringSlice("iface"),
	}, nil
}

// isTerminal reports whether a person sits at the other end of f.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// findRooms returns the rooms whose title or id matches; none is an error.
type findRooms func(ctx context.Context, match string) ([]foundRoom, error)

const (
	// pipeRetry is how long a pipe waits for a lost host: a laptop that slept or a
	// host that was restarted is back by then, and a build must end some time.
	pipeRetry = time.Minute

	// lookingAfter is when somebody at a terminal is told that the search takes time.
	lookingAfter = 700 * time.Millisecond
)

// runJoin joins a room and stays until what comes in has ended and was said, the
// host ends it, or ctx does.
func runJoin(ctx context.Context, opts joinOptions) error {
	if opts.find == nil {
		opts.find = newFinder(opts.Ifaces, opts.Timeout).find
	}
	opts.Err = &lockedWriter{w: opts.Err}
	opts.input = readInput(opts.In)
	defer opts.input.close()
	how := opts.client()
	var err error
	if how.Addr, how.Room, err = opts.place(ctx); err != nil {
		return interrupted(ctx, err)
	}
	// Ctrl-C while we knock ends it at once; once we are in there is a goodbye.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	stop := context.AfterFunc(ctx, end)
	c, err := client.Join(life, how)
	if err != nil {
		return interrupted(ctx, joinError(how.Addr, err))
	}
	stop()
	return converse(ctx, c, opts.conversation)
}

// client returns the options of the client but for the place.
func (opts *joinOptions) client() client.Options {
	how := client.Options{Nick: opts.Nick, GiveUp: opts.Retry, Find: opts.findAgain}
	if how.GiveUp == 0 && opts.Piped {
		how.GiveUp = pipeRetry
	}
	switch {
	case opts.Backlog > 0:
		how.Backlog = opts.Backlog
	case opts.Backlog == 0, opts.Piped && !opts.Follow:
		how.Backlog = -1
	}
	return how
}

// interrupted returns err, or what Ctrl-C made of it.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitError{130, errors.New("interrupted")} // as shells count SIGINT
	}
	return err
}

// --- which room ------------------------------------------------------------------

// place returns where the room is, and its id if that is known.
func (opts *joinOptions) place(ctx context.Context) (addr, id string, err error) {
	if opts.Addr != "" {
		if opts.Room != "" {
			return "", "", usageErrorf("a room or an address, not both: %q, --addr %s", opts.Room, opts.Addr)
		}
		addr, err := parseAddr(opts.Addr)
		return addr, "", err
	}
	if !opts.OutPiped {
		looking := time.AfterFunc(lookingAfter, func() { fmt.Fprintln(opts.Err, "* looking for a room on this network") })
		defer looking.Stop()
	}
	rooms, err := opts.find(ctx, opts.Room)
	if err != nil {
		return "", "", err
	}
	room := rooms[0]
	if len(rooms) > 1 {
		if room, err = opts.choose(ctx, rooms); err != nil {
			return "", "", err
		}
	}
	return room.Addr, room.ID, nil
}

// choose asks the person which room is meant. Without a terminal it only lists them.
func (opts *joinOptions) choose(ctx context.Context, rooms []foundRoom) (foundRoom, error) {
	asking := !opts.Piped && !opts.OutPiped
	out := opts.Err
	if asking {
		out = opts.Out
	}
	for i, r := range rooms {
		fmt.Fprintf(out, "%3d  %s  (%d here, %s, id %.4s)\n", i+1, r.Title, r.Members, r.Addr, r.ID)
	}
	if !asking {
		return foundRoom{}, usageErrorf("there are %d rooms\nhint: name one by its title or id: chat join %.4s", len(rooms), rooms[0].ID)
	}
	for {
		fmt.Fprintf(out, "Which one (1-%d)? ", len(rooms))
		line, err := opts.input.line(ctx)
		if err != nil {
			fmt.Fprintln(out)
			return foundRoom{}, usageErrorf("no room was chosen")
		}
		answer := strings.TrimSpace(line)
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(rooms) {
			return rooms[n-1], nil
		}
		if i := slices.IndexFunc(rooms, func(r foundRoom) bool { return strings.EqualFold(r.Title, answer) }); i >= 0 {
			return rooms[i], nil
		}
	}
}

// findAgain finds the room when its host no longer answers where it was: the one
// with its id, or the only one with its title.
func (opts *joinOptions) findAgain(ctx context.Context, room wire.RoomInfo) (string, error) {
	rooms, err := opts.find(ctx, room.Title)
	if err != nil {
		return "", err
	}
	for _, r := range rooms {
		if r.ID == room.ID {
			return r.Addr, nil
		}
	}
	if len(rooms) > 1 {
		return "", fmt.Errorf("%d rooms are called %q", len(rooms), room.Title)
	}
	return rooms[0].Addr, nil
}

// parseAddr makes "host:port" of what people write for it: an IP address or a
// name, with or without port, an IPv6 address with or without brackets.
func parseAddr(s string) (string, error) {
	s = strings.TrimSpace(s)
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	port := strconv.Itoa(wire.DefaultPort)
	if ip, err := netip.ParseAddr(bare); err == nil {
		return net.JoinHostPort(ip.String(), port), nil
	}
	host := s
	if strings.ContainsAny(s, ":[]") {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", badAddr(s)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strings.ContainsAny(host, "/@ []\t") {
		return "", badAddr(s)
	}
	if host == "" {
		if s == "" {
			return "", badAddr(s)
		}
		host = "localhost"
	}
	return net.JoinHostPort(host, port), nil
}

func badAddr(s string) error {
	return usageErrorf("%q is no address\nhint: as in --addr 192.168.1.5, --addr 192.168.1.5:%d, --addr [fe80::1%%eth0]:%[2]d or --addr laptop.local",
		s, wire.DefaultPort)
}

// --- the talk --------------------------------------------------------------------

// A talker is one conversation in a room: what comes in is said, what is said is
// printed.
type talker struct {
	conversation
	client *client.Client

	// The listener's.
	out     *bufio.Writer
	outErr  error // why nothing is printed any more
	log     *transcript
	nick    string // ours
	resumed bool   // the connection was lost before

	// The speaker's.
	refused int // lines that the host did not take
	unsaid  int // lines taken from the input that did not get as far as the client
}

// converse talks in the room that c has joined, until what comes in has ended and
// was said, the client has, or ctx does. Then it closes c: the room sees somebody
// go, not a lost connection.
func converse(ctx context.Context, c *client.Client, how conversation) (err error) {
	defer c.Close()
	t := &talker{conversation: how, client: c, out: bufio.NewWriterSize(how.Out, 32<<10)}
	if t.input == nil {
		t.Err = &lockedWriter{w: how.Err}
		t.input = readInput(how.In)
		defer t.input.close()
	}
	if t.log, err = openTranscript(how.LogFile); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.log.close()) }()

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
	<-heard
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
		unsaid += t.input.left()
	}
	lost := ""
	if unsaid > 0 {
		lost = fmt.Sprintf("; %s not delivered", plural(unsaid, "line was", "lines were"))
	}
	switch end := t.client.Err(); {
	case t.outErr != nil:
		return fmt.Errorf("write what is said: %w%s", t.outErr, lost)
	case errors.Is(end, client.ErrGaveUp):
		return fmt.Errorf("%w%s\nhint: is chat host still running there? chat join finds it when it is back", client.ErrGaveUp, lost)
	case end != nil && !errors.Is(end, context.Canceled):
		return fmt.Errorf("%w%s", end, lost)
	case unsaid > 0:
		return errors.New(strings.TrimPrefix(lost, "; "))
	case t.refused > 0:
		return fmt.Errorf("the host did not take %s", plural(t.refused, "line", "lines"))
	case errors.Is(err, errReadInput):
		return err
	}
	return nil
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}

// joinError words why the room at addr cannot be joined.
func joinError(addr string, err error) error {
	refusal, refused := errors.AsType[*client.RefusedError](err)
	dns, unknown := errors.AsType[*net.DNSError](err)
	switch {
	case refused && refusal.Code == wire.CodeWrongRoom:
		return errors.New("another room is there now\nhint: chat rooms lists what is here")
	case refused && refusal.Code == wire.CodeVersion:
		return fmt.Errorf("%w\nhint: the older of the two programs wants an update", refusal)
	case refused:
		return refusal
	case errors.Is(err, client.ErrNoRoom):
		return fmt.Errorf("what answers at %s is not a chat room\nhint: chat host shows its address and port at the top", addr)
	case unknown && dns.IsNotFound:
		return fmt.Errorf("there is no host called %s\nhint: its IP address works too: chat join --addr 192.168.1.5", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens at %s\nhint: is chat host running there, and on this port? Without --addr, chat join finds it", addr)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer from %s\nhint: the address may be wrong, or a firewall there may not let the port in", addr)
	}
	return fmt.Errorf("cannot join: %w\nhint: chat doctor finds out what is wrong with the network here", err)
}

// --- saying ----------------------------------------------------------------------

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
	line, err := t.input.line(ctx)
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
	case strings.HasPrefix(line, "//"):
		_, err = t.client.Say(ctx, line[1:])
	case strings.HasPrefix(line, "/"):
		_, err = t.client.Do(ctx, wire.Request{Type: "command", Text: line})
	default:
		_, err = t.client.Say(ctx, line)
	}
	return err
}

// sayBlock says the lines that have come in from a pipe, and waits until the host
// has them. Meanwhile more come in, and go together: a host that takes 20
// messages a second takes 2,000 lines.
func (t *talker) sayBlock(ctx context.Context) error {
	lines, err := t.input.block(ctx)
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

// --- printing --------------------------------------------------------------------

// listen prints what happens until the client has ended. When what is printed
// finds no taker any more, it calls leave.
func (t *talker) listen(ctx context.Context, leave context.CancelFunc) {
	for e := range t.client.Events() {
		switch e := e.(type) {
		case client.Connected:
			t.connected(e)
		case client.Disconnected:
			if e.Attempt == 0 && ctx.Err() == nil {
				t.disconnected()
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
	case e.Resumed:
		t.tell("* connected again\n")
	case t.Piped:
		t.tell(fmt.Sprintf("* joined %s as %s (%s)\n", e.Welcome.Title, t.nick, plural(e.Welcome.Count, "other here", "others here")))
	default:
		if !t.JSON {
			t.tell(string(e.Welcome.AppendText(nil, t.viewer())))
		}
		t.tell("* /quit or Ctrl-D to leave\n")
	}
}

func (t *talker) disconnected() {
	kept := "what you type is kept"
	if t.Piped {
		kept = "no line is lost"
	}
	t.tell("* connection lost; reconnecting (" + kept + ")\n")
}

func (t *talker) viewer() wire.Viewer { return wire.Viewer{Zone: time.Local, Nick: t.nick} }

// received prints what the host sent.
func (t *talker) received(e client.Received) {
	if e.Own && e.Type == wire.TypeNick {
		t.nick = e.Nick
	}
	if spoken(e) && (t.resumed || !e.Past) { // the backlog was said before we came
		if err := t.log.add(e.Event, t.viewer()); err != nil {
			t.tell("! " + err.Error() + "; it is no longer written to\n")
		}
	}
	switch {
	case t.JSON:
		t.out.Write(e.AppendJSON(nil))
	case t.isEcho(&e):
	case spoken(e):
		t.out.Write(e.AppendText(nil, t.viewer()))
	default:
		t.tell(string(e.AppendText(nil, t.viewer())))
	}
}

// spoken reports whether the event is words of somebody.
func spoken(e client.Received) bool { return e.Said() || e.Type == wire.TypePrivate }

// isEcho reports whether the person knows e already: from having typed it, or
// since it was told in another way.
func (t *talker) isEcho(e *client.Received) bool {
	switch e.Type {
	case wire.TypeJoin:
		e.Members = slices.DeleteFunc(e.Members, func(nick string) bool { return nick == t.nick })
		return len(e.Members) == 0
	case wire.TypeBye:
		return e.Code == wire.CodeQuit
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

// --- the log file ----------------------------------------------------------------

// A transcript is a file to which is appended what is said while we are here, a
// line each with its date: "2026-11-25 10:02:11 <alice> hi". A nil transcript
// takes nothing.
type transcript struct {
	file *os.File
	err  error // why nothing is written any more
}

// openTranscript opens the file at path, readable for its owner alone if it is new.
func openTranscript(path string) (*transcript, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w\nhint: --log takes a file that can be written to", err)
	}
	return &transcript{file: f}, nil
}

// add appends what was said. It returns an error once; then nothing more is written.
func (l *transcript) add(e wire.Event, v wire.Viewer) error {
	if l == nil || l.err != nil {
		return nil
	}
	const clock = len("15:04 ") // at the front of each line of e's text
	date := e.Time.In(v.Zone).Format("2006-01-02 15:04:05 ")
	var b []byte
	for line := range bytes.Lines(e.AppendText(nil, v)) {
		b = append(append(b, date...), line[clock:]...)
	}
	if _, err := l.file.Write(b); err != nil {
		l.err = err
		return fmt.Errorf("write the log: %w", err)
	}
	return nil
}

func (l *transcript) close() error {
	if l == nil {
		return nil
	}
	if err := l.file.Close(); err != nil && l.err == nil {
		return fmt.Errorf("close the log: %w", err)
	}
	return nil
}

// --- what comes in ---------------------------------------------------------------

const (
	// A message of this size is taken by every host with the usual limits: 16 KiB
	// of text in 100 lines, and a line of JSON within client.MaxRequest.
	blockBytes = 16 << 10
	blockLines = 100
	blockJSON  = client.MaxRequest - 256 // the rest is for what stands around the text

	// aheadBytes is how much is read ahead while the host is slow or away. Past it
	// the program that writes to us waits.
	aheadBytes = 1 << 20
)

// errReadInput is in the error of an input that could not be read to its end.
var errReadInput = errors.New("read what is to be said")

// An input holds the lines that have come in and wait to be said, cleaned, and
// none longer than one message may be: a longer one comes in pieces. One
// goroutine takes them out.
//
// The goroutine that reads ends with what it reads. Nothing else can end it: a
// read of a terminal cannot be called off.
type input struct {
	more  chan struct{} // capacity 1: lines came, or the end
	space chan struct{} // capacity 1: lines were taken, or nobody will

	mu     sync.Mutex
	lines  []string
	bytes  int   // in lines
	err    error // io.EOF, or why no more lines come
	closed bool  // nobody takes them any more
}

// readInput begins to read r.
func readInput(r io.Reader) *input {
	in := &input{more: make(chan struct{}, 1), space: make(chan struct{}, 1)}
	go in.read(r)
	return in
}

func (in *input) read(r io.Reader) {
	lines := bufio.NewReaderSize(r, blockBytes)
	var held []byte // the beginning of a rune that a piece ended in
	inLine := false // a piece of the line was added already
	for {
		piece, err := lines.ReadSlice('\n')
		line := append(held, piece...)
		whole := len(line)
		if err == bufio.ErrBufferFull {
			whole = len(line) - unfinishedRune(line)
		}
		text, ok := strings.CutSuffix(string(line[:whole]), "\n")
		if ok {
			text = strings.TrimSuffix(text, "\r")
		}
		if ends := err == nil; text != "" || ends && !inLine {
			in.add(text)
		}
		inLine = err == bufio.ErrBufferFull
		held = append([]byte(nil), line[whole:]...)
		if err != nil && err != bufio.ErrBufferFull {
			in.end(err)
			return
		}
	}
}

// unfinishedRune returns how many bytes at the end of b begin a rune that goes on
// behind it.
func unfinishedRune(b []byte) int {
	for n := 1; n <= min(utf8.UTFMax-1, len(b)); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// add puts a line behind the others, in pieces if it is too long for a message.
func (in *input) add(line string) {
	line = wire.Clean(line)
	if strings.TrimSpace(line) == "" {
		line = ""
	}
	for {
		n := fits(line)
		in.mu.Lock()
		for in.bytes >= aheadBytes && !in.closed {
			in.mu.Unlock()
			<-in.space
			in.mu.Lock()
		}
		in.lines = append(in.lines, line[:n])
		in.bytes += n + 1
		in.mu.Unlock()
		wake(in.more)
		if line = line[n:]; line == "" {
			return
		}
	}
}

// fits returns how many bytes of line fit into one message, whole runes.
func fits(line string) int {
	if len(line) <= blockBytes/2 { // however it is escaped
		return len(line)
	}
	size := 0
	for i, r := range line {
		if size += escaped(r); size > blockJSON || i+utf8.RuneLen(r) > blockBytes {
			return i
		}
	}
	return len(line)
}

// escaped returns how many bytes a rune of clean text takes in JSON.
func escaped(r rune) int {
	switch r {
	case '"', '\\', '\t', '\n':
		return 2
	}
	return utf8.RuneLen(r)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// end tells that no more lines come.
func (in *input) end(err error) {
	if err != io.EOF {
		err = fmt.Errorf("%w: %w", errReadInput, err)
	}
	in.mu.Lock()
	in.err = err
	in.mu.Unlock()
	wake(in.more)
}

// close tells that nobody takes lines any more.
func (in *input) close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	wake(in.space)
}

// left returns how many lines wait, without the blank ones at the end.
func (in *input) left() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := len(in.lines)
	for n > 0 && in.lines[n-1] == "" {
		n--
	}
	return n
}

// line waits for the next line. It returns io.EOF behind the last one.
func (in *input) line(ctx context.Context) (string, error) {
	lines, err := in.take(ctx, func(lines []string) int { return min(len(lines), 1) })
	if err != nil {
		return "", err
	}
	return lines[0], nil
}

// block waits for lines, and returns as many as have come and fit into one
// message. Blank lines stay in their place within it; a message of blank lines
// alone there is not, so they wait for the line behind them, and those at the end
// of all are not said. It returns io.EOF behind the last line.
func (in *input) block(ctx context.Context) ([]string, error) {
	lines, err := in.take(ctx, blockOf)
	if err != nil {
		return nil, err
	}
	if len(lines) > blockLines || len(strings.Join(lines, "\n")) > blockBytes {
		for lines[0] == "" { // the blank lines at the front are too many: only these can be
			lines = lines[1:]
		}
	}
	return lines, nil
}

// blockOf returns how many of lines make a block: it ends in a line that is not
// blank, for at the end of a message blank lines go.
func blockOf(lines []string) int {
	bytes, size, n := 0, 0, 0
	for i, line := range lines {
		bytes += len(line) + 1
		size += 2
		for _, r := range line {
			size += escaped(r)
		}
		if n > 0 && (i >= blockLines || bytes > blockBytes || size > blockJSON) {
			break
		}
		if line != "" {
			n = i + 1
		}
	}
	return n
}

// take waits until want returns how many lines to take. At the end of what comes
// in it takes none.
func (in *input) take(ctx context.Context, want func([]string) int) ([]string, error) {
	for {
		in.mu.Lock()
		n, err := want(in.lines), in.err
		lines := in.lines[:n:n]
		in.lines = in.lines[n:]
		for _, line := range lines {
			in.bytes -= len(line) + 1
		}
		in.mu.Unlock()
		switch {
		case n > 0:
			wake(in.space)
			return lines, nil
		case err != nil:
			return nil, err
		}
		select {
		case <-in.more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

package front

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"chat/relay/internal/access"
	"chat/relay/internal/fanout"
	"chat/relay/internal/session"
	"chat/relay/wire"
)

// A Conn is an admitted connection. The HTTP handler gets it as a net.Conn, which returns
// the first line again.
type Conn struct {
	net.Conn // see fanout.NonBlocking

	// fixed
	front *Front
	visit *access.Credentials // that a visit (room.Member.Visit) has proven; nil: it is none

	// Whose connection it is. The goroutine that serves it may read this; it changes it with
	// front.mu locked, if a trusted proxy forwards the requests of others on it.
	address string   // see AddressOf
	group   string   // likewise; "" for a trusted proxy itself
	from    net.Addr // for log lines

	// owned by the goroutine that reads
	lines  *wire.LineReader
	bucket session.Bucket // guarded by mu while the connection speaks HTTP
	head   []byte         // input before the HTTP handler, which Read returns first

	isBrowser bool   // counted in front.browsers; guarded by front.mu
	since     uint32 // when it was admitted, in seconds since 1970; fixed
	place     place  // guarded by front.mu

	mu          sync.Mutex       // guards all below
	session     *session.Session // nil: it has none yet
	isHandled   bool             // the HTTP handler has it
	isSending   bool             // and a request on it waits for the outcome of its message
	inHandshake bool             // a TLS handshake runs
	isEnding    bool             // the room closes
	yields      *wire.Fault      // why another connection got its place; nil: none did
	ended       chan struct{}    // closed when isEnding is set; nil while no one waits for it
	isRemoved   bool             // from the front
	closed      func()           // called after the removal; may be nil
}

func newConn(f *Front, conn net.Conn, visit *access.Credentials) *Conn {
	c := &Conn{Conn: fanout.NonBlocking(conn), front: f, visit: visit, since: uint32(time.Now().Unix())}
	c.setPeer(conn.RemoteAddr())
	if f.isProxy(c) {
		c.group = ""
	}
	c.lines = wire.NewLineReader(c.Conn, f.door.CurrentLimits().Line)
	c.lines.OnRead = func(n int) { c.slowDown(c.bucket.Bytes(n)) }
	return c
}

func (c *Conn) log() *slog.Logger { return c.front.log.With("remote", c.from.String()) }

// logPassing logs a line about the connection, unless its address caused many already.
func (c *Conn) logPassing(message string, args ...any) {
	if skipped, ok := c.front.door.Logs.Allow(c.payer()); ok {
		c.log().Info(message, append(args, skipped...)...)
	}
}

// whenClosed has f called when the connection is closed. It is called once at most.
func (c *Conn) whenClosed(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = f
}

// Over implements [session.Place]: it removes the connection from the front after it was
// closed. Only the first call has an effect.
func (c *Conn) Over() {
	c.mu.Lock()
	removed, closed := c.isRemoved, c.closed
	c.isRemoved = true
	c.mu.Unlock()
	if removed {
		return
	}
	c.front.remove(c)
	if closed != nil {
		closed()
	}
}

// end ends the connection because the room closes.
func (c *Conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isEnding {
		return
	}
	c.isEnding = true
	if c.ended != nil {
		close(c.ended)
	}
	switch {
	case c.session != nil:
		c.session.Close()
	case c.isHandled:
		c.closeHandledLocked(endedAnswer)
	default:
		c.interruptLocked()
	}
}

// endingChan returns a channel that is closed when end is called.
func (c *Conn) endingChan() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		c.ended = make(chan struct{})
		if c.isEnding {
			close(c.ended)
		}
	}
	return c.ended
}

// newSession returns the session of the connection.
func (c *Conn) newSession() *session.Session { return c.newSessionAs(session.Conn{}) }

// newSessionAs is newSession; how says whether it is on a WebSocket.
func (c *Conn) newSessionAs(how session.Conn) *session.Session {
	how.Conn, how.Lines, how.Bucket = c.Conn, c.lines, &c.bucket
	how.Remote, how.Address, how.Payer, how.Visit = c.from, c.address, c.payer(), c.visit != nil
	if c.visit != nil {
		how.Proven = *c.visit
	}
	if how.Encrypted = c.IsEncrypted(); how.Encrypted {
		how.Exporter = c.Exporter
	}
	s := c.front.door.New(how, c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
	switch {
	case c.isEnding:
		s.Close()
	case c.yields != nil:
		s.End(c.yields)
	}
	return s
}

func (c *Conn) currentSession() *session.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// serve reads the first line and hands the connection to a session or the HTTP handler.
func (c *Conn) serve() {
	c.watchPeer()
	silence := Silence
	if c.front.opts.TLS != nil {
		var ok bool
		if silence, ok = c.startTLS(); !ok {
			return
		}
	}
	line, err := c.firstLine(silence)
	speaker := session.Person
	if err == nil {
		line = c.withNext(line)
		speaker = (table{}).lineBefore(line, c.lines.Pending())
	}
	fault := c.yielded()
	if fault == nil && (err == nil || err == errSilent) {
		fault = c.leaveProxy(speaker)
	}
	switch {
	case fault != nil:
		c.closeWith(lineOf(fault))
	case c.isBarred():
		c.answerBarred(line, speaker, err)
	case err == errSilent:
		c.newSession().ServePerson(nil, table{})
	case errors.Is(err, wire.ErrLineTooLong):
		c.serveTooLong()
	case err == errStranger:
		c.closeStranger(strangerBy(c.lines.Pending()))
	case err != nil:
		c.closeWith(c.farewell(err))
	case speaker == session.Program:
		c.newSession().ServeProgram(line)
	case strangerOf(line, c.lines.Pending()) != nil: // also RTSP and SIP, whose requests are like those of HTTP
		c.closeStranger(strangerOf(line, c.lines.Pending()))
	case speaker == session.Browser:
		c.serveHTTP(line)
	default:
		if len(line) == 0 { // the next line decides
			line = nil
		}
		c.newSession().ServePerson(line, table{})
	}
}

// lineOf returns fault as a line for people. It is not inlined: events would make the stack of
// serve larger, of which there is one for each connection that is silent.
//
//go:noinline
func lineOf(fault *wire.Fault) []byte {
	e := fault.Event(0)
	return e.AppendText(nil, wire.Viewer{})
}

// closeStranger closes the connection of a client that speaks another protocol, with an answer
// that it understands.
func (c *Conn) closeStranger(s *stranger) {
	c.logPassing("a handshake of another protocol on the chat port; closed", "protocol", s.protocol)
	c.closeWith([]byte(s.answer))
}

// withNext waits for up to Silence for the line after the first one, if only that shows whether
// a program or a person sent it. It returns the first line.
func (c *Conn) withNext(line []byte) []byte {
	if !awaitsNext(line, c.lines.Pending()) {
		return line
	}
	line = slices.Clone(line)
	c.readBy(Silence)
	for awaitsNext(line, c.lines.Pending()) {
		if err := c.lines.Fill(); err != nil {
			break // a timeout, or the session sees the error again
		}
	}
	c.readBy(session.Never)
	return line
}

// watchPeer has TCP find out if the peer is gone.
func (c *Conn) watchPeer() {
	if err := watchPeer(c.Conn, c.front.times.Load().deadPeer); err != nil {
		c.log().Debug("dead peers are found later than they could be", "error", err)
	}
}

// errSilent means that the peer sent nothing within Silence, as a person may; errUnfinished
// that its first line was not complete in time; errStranger that the start of the line is enough
// to recognize a stranger.
var (
	errSilent     = errors.New("no first line")
	errUnfinished = errors.New("the first line did not end in time")
	errStranger   = errors.New("another protocol")
)

// firstLine reads the first line, unless the peer is silent for so long.
func (c *Conn) firstLine(silence time.Duration) ([]byte, error) {
	c.readBy(silence)
	line, err := c.readFirst()
	if isTimeout(err) && len(c.lines.Pending()) == 0 && c.front.awaitsBrowser(c) {
		c.readBy(browserSilence - Silence)
		line, err = c.readFirst()
	}
	if !isTimeout(err) {
		return line, err
	}
	if (table{}).Start(c.lines.Pending()) == session.Person {
		return nil, errSilent
	}
	c.readBy(c.front.times.Load().firstLine - Silence)
	if line, err = c.readFirst(); isTimeout(err) {
		return nil, errUnfinished
	}
	return line, err
}

// readFirst reads a line, or until the start of one is a stranger's.
func (c *Conn) readFirst() ([]byte, error) {
	for {
		line, ok, err := c.lines.NextLine()
		switch {
		case ok || err != nil:
			return line, err
		case strangerBy(c.lines.Pending()) != nil:
			return nil, errStranger
		}
		if err := c.lines.Fill(); err != nil {
			return nil, err
		}
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// readBy sets the read deadline to d from now, unless end or yield has set one already.
func (c *Conn) readBy(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isEnding && c.yields == nil {
		c.Conn.SetReadDeadline(time.Now().Add(d))
	}
}

// serveTooLong serves a connection whose first line was too long.
func (c *Conn) serveTooLong() {
	switch start := c.lines.Dropped(); (table{}).Start(start) {
	case session.Person:
		c.newSession().ServeTooLong()
	case session.Browser:
		c.closeWith(httpError("414 URI Too Long", "the address is too long"))
	default:
		c.closeWith(nil)
	}
}

// farewell returns the last line for a peer that sent no complete first line; nil: none. It is not
// inlined, like lineOf.
//
//go:noinline
func (c *Conn) farewell(err error) []byte {
	if err != errUnfinished {
		return nil
	}
	e := wire.Event{Type: wire.TypeBye, Code: wire.CodeFirstLine, Text: err.Error()}
	return e.AppendText(nil, wire.Viewer{})
}

// closeWith sends b, unless it is empty, and closes the connection.
func (c *Conn) closeWith(b []byte) {
	if len(b) > 0 {
		sendAndClose(c.Conn, b)
	} else {
		c.Conn.Close()
	}
	c.Over()
}

// serveHTTP hands the connection to the HTTP handler. line is its first line.
func (c *Conn) serveHTTP(line []byte) {
	if c.front.opts.HTTP == nil {
		c.logPassing("an HTTP request on the chat port; rejected")
		c.closeWith(httpError("400 Bad Request", notHTTP))
		return
	}
	if err := c.admitHTTP(line); err != nil {
		c.closeWith(httpError("503 Service Unavailable", err.Error()))
		return
	}
	c.head = slices.Concat(line, []byte("\r\n"), c.lines.Pending())
	c.lines.Release()
	c.lines = nil
	if !c.giveToHandler() {
		c.closeWith(httpError("503 Service Unavailable", cmp.Or(c.yielded(), wire.Faultf(wire.CodeShutdown, "the room is closing")).Text))
		return
	}
	c.front.opts.HTTP(c)
}

// giveToHandler marks the connection as the HTTP handler's. It returns false if the room is
// closing.
func (c *Conn) giveToHandler() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isHandled = !c.isEnding && c.yields == nil
	if c.isHandled {
		c.Conn.SetReadDeadline(time.Time{})
	}
	return c.isHandled
}

// serveWebSocket serves a WebSocket. ahead are the bytes that the HTTP handler has read
// after the handshake; proven are the credentials of the request.
func (c *Conn) serveWebSocket(ahead []byte, proven access.Credentials) {
	ahead = append(ahead, c.head...)
	c.head = nil
	c.lines = wire.NewLineReader(c.Conn, c.front.door.CurrentLimits().JSONLine)
	c.newSessionAs(session.Conn{Page: true, WebSocket: true, Ahead: ahead, Proven: proven}).ServeProgram(nil)
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	if len(c.head) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.head)
	if c.head = c.head[n:]; len(c.head) == 0 {
		c.head = nil
	}
	return n, nil
}

// ReadFrom implements io.ReaderFrom: the system copies a file to the connection, if it can.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := c.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(onlyWriter{c.Conn}, r)
}

type onlyWriter struct{ io.Writer }

// Close implements net.Conn.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	if c.currentSession() == nil { // otherwise the session calls Over at its end
		c.Over()
	}
	return err
}

// NoteBrowser notes that the peer is a browser that asked for the page or its socket: spare
// connections from its address may stay silent for longer before they are greeted as people.
func (c *Conn) NoteBrowser() { c.front.addBrowser(c) }

// KeepPace counts an HTTP request as a line, and waits until the rate allows it.
func (c *Conn) KeepPace() {
	if wait, ok := c.front.paceOfClient(c); ok {
		c.slowDown(wait)
		return
	}
	c.mu.Lock()
	wait := c.bucket.Line()
	c.mu.Unlock()
	c.slowDown(wait)
}

// slowDown waits for d, as the rate asks.
func (c *Conn) slowDown(d time.Duration) {
	if d > 0 {
		c.front.door.Delays.Add(1)
	}
	c.wait(d)
}

// Delay returns how long the peer's address has to wait before it may cause more work.
func (c *Conn) Delay() time.Duration { return c.front.door.Costs.Delay(c.payer()) }

// Charge charges the peer's address for n bytes of an answer, and returns how long to wait
// before they are sent.
func (c *Conn) Charge(n int) time.Duration { return c.front.door.Costs.Bytes(c.payer(), n) }

// wait waits for d, or until the room closes.
func (c *Conn) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-c.endingChan():
	}
}

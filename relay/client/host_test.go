package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat/relay/wire"
)

// A scriptedHost lets a test play the host, line by line.
type scriptedHost struct {
	t     *testing.T
	conns chan *hostEnd
	addrs []string // dialed, in order; written by the client's goroutine while the test waits
}

func newScriptedHost(t *testing.T) *scriptedHost {
	return &scriptedHost{t: t, conns: make(chan *hostEnd)}
}

// dial is an Options.Dial: each connection goes to the next accept. If there is none
// within the dial timeout, it is refused.
func (h *scriptedHost) dial(ctx context.Context, addr string) (net.Conn, error) {
	h.addrs = append(h.addrs, addr)
	ours, theirs := net.Pipe()
	select {
	case h.conns <- &hostEnd{h.t, theirs, wire.NewLineReader(theirs, 1<<20)}:
		return ours, nil
	case <-ctx.Done():
		ours.Close()
		return nil, errors.New("no accept")
	}
}

func (h *scriptedHost) accept() *hostEnd { return <-h.conns }

// welcome accepts a connection and welcomes the client.
func (h *scriptedHost) welcome(e wire.Event) *hostEnd {
	h.t.Helper()
	end := h.accept()
	end.want(wire.TypeHello)
	end.send(welcomeTo("r1", e))
	return end
}

// welcomeTo returns e as a welcome to the room.
func welcomeTo(room string, e wire.Event) wire.Event {
	e.Type, e.Version, e.Room = wire.TypeWelcome, wire.Version, room
	if e.Title == "" {
		e.Title = "kitchen"
	}
	if e.Client == "" {
		e.Client = "me"
	}
	if e.Nick == "" {
		e.Nick = "alice"
	}
	if e.Next == 0 {
		e.Next = 1
	}
	if e.Key == "" {
		e.Key = testKey(e.Client)
	}
	return e
}

// testKey is the key by which scripted hosts prove themselves to a client.
func testKey(client string) string { return "key-of-" + client }

// answerTo returns the answer of a host with the key of room's members to a question.
func answerTo(room string, question wire.Request) wire.Event {
	return wire.Event{
		Type: wire.TypeRoom, Version: wire.Version, Room: room, Title: "kitchen", Instance: "i1",
		Proof: wire.ProofOf(testKey(question.Client), question.Room, room, question.Client, question.Nonce),
	}
}

// A hostEnd is the host's end of one connection.
type hostEnd struct {
	t     *testing.T
	conn  net.Conn
	lines *wire.LineReader
}

func (h *hostEnd) send(events ...wire.Event) {
	h.t.Helper()
	var b []byte
	for _, e := range events {
		b = e.AppendJSON(b)
	}
	h.sendText(string(b))
}

func (h *hostEnd) sendText(s string) {
	h.t.Helper()
	if _, err := h.conn.Write([]byte(s)); err != nil {
		h.t.Fatalf("host writes %q: %v", s, err)
	}
}

// want reads the next request and checks its type. Before a hello it proves that it has r1, if it
// is asked to.
func (h *hostEnd) want(kind string) wire.Request {
	h.t.Helper()
	r := h.wantAny(kind)
	if kind == wire.TypeHello && r.Nonce != "" {
		h.send(answerTo("r1", r))
		r = h.wantAny(kind)
	}
	return r
}

// wantAny is want that proves nothing.
func (h *hostEnd) wantAny(kind string) wire.Request {
	h.t.Helper()
	line, err := h.lines.ReadLine()
	if err != nil {
		h.t.Fatalf("host reads a %s: %v", kind, err)
	}
	r, err := wire.ParseRequest(line)
	if err != nil || r.Type != kind {
		h.t.Fatalf("host got %s (%v), want a %s", line, err, kind)
	}
	return r
}

// wantHangUp checks that the client closes the connection and sends no more lines.
func (h *hostEnd) wantHangUp() {
	h.t.Helper()
	if line, err := h.lines.ReadLine(); err == nil {
		h.t.Fatalf("host got %s, want nothing", line)
	}
}

// said returns the message event that acknowledges r.
func said(id uint64, r wire.Request) wire.Event {
	return wire.Event{Type: wire.TypeMessage, ID: id, Time: time.Now(), From: "alice", Client: "me", Seq: r.Seq, Text: r.Text}
}

// message returns a message from another member.
func message(id uint64, text string) wire.Event {
	return wire.Event{Type: wire.TypeMessage, ID: id, Time: time.Now(), From: "bob", Client: "bob", Seq: id, Text: text}
}

// nextEvent takes one event of type E from the client.
func nextEvent[E Event](t *testing.T, c *Client) E {
	t.Helper()
	select {
	case e, ok := <-c.Events():
		if got, isE := e.(E); isE {
			return got
		}
		t.Fatalf("the client delivers %T %+v (open: %v), want a %T", e, e, ok, *new(E))
	case <-time.After(time.Hour): // of the bubble's time
		t.Fatalf("the client delivers nothing, want a %T", *new(E))
	}
	panic("unreachable")
}

// join joins a scripted host; the function host plays it.
func join(t *testing.T, opts Options, host func(*scriptedHost) *hostEnd) (*Client, *scriptedHost, *hostEnd) {
	t.Helper()
	h := newScriptedHost(t)
	if opts.Dial == nil {
		opts.Dial = h.dial
	}
	if opts.Addr == "" {
		opts.Addr = "kitchen:24280"
	}
	ends := make(chan *hostEnd, 1)
	go func() { ends <- host(h) }()
	c, err := Join(t.Context(), opts)
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	return c, h, <-ends
}

// A smallRoom is a host in a few lines: it has a log, knows clients by their tokens, and
// its connections break at any byte.
type smallRoom struct {
	serving sync.WaitGroup // the connections
	config  *tls.Config    // of a sealed room; nil: it is plain
	relays  []string       // for the welcomes

	// Guarded by mu.
	mu      sync.Mutex
	rand    *rand.Rand
	log     []wire.Event
	highest map[string]uint64 // seq by token
	cut     int               // about how many bytes until a connection breaks; 0: never
	changed chan struct{}     // closed at the next append
	dials   int
}

func newSmallRoom(seed uint64, cut int) *smallRoom {
	return &smallRoom{
		rand: rand.New(rand.NewPCG(seed, 1)), cut: cut,
		highest: map[string]uint64{}, changed: make(chan struct{}),
		log: []wire.Event{{Type: wire.TypeJoin, ID: 1, Members: []string{"alice"}}}, // as in every log
	}
}

func (r *smallRoom) dial(context.Context, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dials++
	var host net.Conn = theirs
	if r.cut > 0 {
		host = &cutConn{Conn: theirs, in: r.rand.IntN(2*r.cut + 400), out: r.rand.IntN(2*r.cut+300) + 150} // with space for a question and its answer
	}
	if r.config != nil {
		host = tls.Server(host, r.config)
	}
	r.serving.Go(func() { r.serve(host) })
	return ours, nil
}

// appendLocked appends e to the log.
func (r *smallRoom) appendLocked(e wire.Event) {
	e.ID, e.Time = uint64(len(r.log)+1), time.Now()
	r.log = append(r.log, e)
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *smallRoom) say(e wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.appendLocked(e)
}

func (r *smallRoom) serve(conn net.Conn) {
	defer conn.Close()
	lines := wire.NewLineReader(conn, 1<<20)
	line, err := lines.ReadLine()
	if err != nil {
		return
	}
	hello, err := wire.ParseRequest(line)
	if err == nil && hello.Probe {
		answer := answerTo("r1", hello)
		if _, err = conn.Write(answer.AppendJSON(nil)); err == nil {
			line, err = lines.ReadLine()
		}
		if err == nil {
			hello, err = wire.ParseRequest(line)
		}
	}
	if err != nil {
		return
	}
	r.mu.Lock()
	welcome := welcomeTo("r1", wire.Event{Client: hello.Token, Seq: r.highest[hello.Token], Next: uint64(len(r.log) + 1), Relays: r.relays})
	r.mu.Unlock()

	answers := make(chan wire.Event, 10000)
	var writer sync.WaitGroup
	defer writer.Wait()
	gone := make(chan struct{})
	defer close(gone)
	writer.Go(func() { r.write(conn, welcome, int(hello.Since), answers, gone) })
	for {
		line, err := lines.ReadLine()
		if err != nil {
			return
		}
		req, err := wire.ParseRequest(line)
		if err != nil {
			continue
		}
		r.answer(hello.Token, req, answers)
		if req.Type == typeQuit {
			answers <- wire.Event{Type: wire.TypeBye, Code: wire.CodeQuit, Text: "goodbye"}
		}
	}
}

func (r *smallRoom) answer(token string, req wire.Request, answers chan<- wire.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case req.Type == wire.TypePing:
		answers <- wire.Event{Type: wire.TypePong}
	case req.Type != wire.TypeSay:
	case req.Seq <= r.highest[token]:
		answers <- wire.Event{Type: wire.TypeError, Code: wire.CodeDuplicate, Seq: req.Seq, Text: "twice"}
	case req.Text == "bad":
		answers <- wire.Event{Type: wire.TypeError, Code: wire.CodeMuted, Seq: req.Seq, Text: "mind your words"}
	default:
		r.highest[token] = req.Seq
		r.appendLocked(wire.Event{Type: wire.TypeMessage, From: "alice", Client: token, Seq: req.Seq, Text: req.Text})
	}
}

// write writes the log from the cursor, and the answers.
func (r *smallRoom) write(conn net.Conn, welcome wire.Event, cursor int, answers <-chan wire.Event, gone <-chan struct{}) {
	defer conn.Close()
	out := welcome.AppendJSON(nil)
	cursor = max(cursor, 1) // the members from before are in the welcome
	for {
		if _, err := conn.Write(out); err != nil {
			return
		}
		r.mu.Lock()
		out = out[:0]
		for ; cursor < len(r.log); cursor++ {
			out = r.log[cursor].AppendJSON(out)
		}
		changed := r.changed
		r.mu.Unlock()
		if len(out) > 0 {
			continue
		}
		select {
		case <-changed:
		case e := <-answers:
			out = e.AppendJSON(out)
		case <-gone:
			return
		}
	}
}

// texts returns the texts of the messages, in order.
func (r *smallRoom) texts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var texts []string
	for _, e := range r.log[1:] {
		texts = append(texts, e.Text)
	}
	return texts
}

// A cutConn breaks after a number of bytes in each direction.
type cutConn struct {
	net.Conn
	in, out int
}

func (c *cutConn) Read(p []byte) (int, error) {
	if c.in <= 0 {
		c.Close()
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(p[:min(len(p), c.in)])
	c.in -= n
	return n, err
}

func (c *cutConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:min(len(p), c.out)])
	c.out -= n
	if err == nil && n < len(p) {
		c.Close()
		return n, net.ErrClosed
	}
	return n, err
}

// bubble runs f in a synctest bubble, where time stands still while anything runs.
func bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func lineOf(n int) string { return fmt.Sprintf("line %d", n) }

// ListenForExample starts a host for the examples: bob asks for the robot, and after its
// first message the robot is kicked.
func ListenForExample() (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		conn, err := ln.Accept()
		ln.Close()
		if err != nil {
			return
		}
		defer conn.Close()
		lines := wire.NewLineReader(conn, 1<<20)
		lines.ReadLine()
		welcome := welcomeTo("r1", wire.Event{Nick: "robot"})
		asks := message(1, "is robot here?")
		conn.Write(asks.AppendJSON(welcome.AppendJSON(nil)))
		line, err := lines.ReadLine()
		if err != nil {
			return
		}
		r, _ := wire.ParseRequest(line)
		answer := said(2, r)
		answer.From = "robot"
		bye := wire.Event{Type: wire.TypeBye, Code: wire.CodeKicked, Text: "enough"}
		conn.Write(bye.AppendJSON(answer.AppendJSON(nil)))
	}()
	return ln.Addr().String()
}

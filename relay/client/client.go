package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"chat/relay/wire"
)

// Options say whom to join, and how. The zero value of each field works, but one
// of Addr, Find and Dial must be there.
type Options struct {
	Addr string // "host:port" of the host
	Room string // id of the room that is meant, from [Probe]; empty: whichever is there

	Nick    string // the nick wanted; empty: the host gives one
	Token   string // secret by which a host knows its client again; empty: a random one
	Backlog int    // messages to begin with; 0: as many as the host likes, -1: none

	MaxUnacked  int           // requests that wait for the host before Say blocks; 0: 1,000
	Idle        time.Duration // silence before a ping, and again before the connection counts as dead; 0: 10 s. At most 3 s while something is unacknowledged
	DialTimeout time.Duration // 0: 5 s
	GiveUp      time.Duration // how long a lost host is tried before the client ends; 0: for ever

	// Find returns the address of the room, when Addr is empty, and again when the
	// address known has failed three times: a laptop may have got another one. Of
	// the room it gets the id, if that is known, and once it was joined the title.
	Find func(ctx context.Context, room wire.RoomInfo) (addr string, err error)
	// Dial connects to addr; nil: by TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
}

func (o Options) withDefaults() Options {
	if o.Token == "" {
		o.Token = rand.Text()
	}
	if o.MaxUnacked == 0 {
		o.MaxUnacked = 1000
	}
	if o.Idle == 0 {
		o.Idle = 10 * time.Second
	}
	if o.DialTimeout == 0 {
		o.DialTimeout = 5 * time.Second
	}
	if o.Dial == nil {
		o.Dial = dialTCP
	}
	return o
}

// closeWait is how long Close waits for what is on its way.
const closeWait = time.Second

// eventsAhead is how many events are read before the program takes them.
const eventsAhead = 64

// A Client is in a room, and comes back to it when the connection is lost.
// All methods may run at the same time.
type Client struct {
	out    *outbox
	events chan Event         // sent on and closed by run
	done   chan struct{}      // closed by run at its end
	leave  context.CancelFunc // ends reconnecting and waiting for the program
	cancel context.CancelFunc // ends everything
	dial   func(ctx context.Context, addr string) (net.Conn, error)

	transfers sync.WaitGroup // files on their way; begun under mu, and none after closing

	mu       sync.Mutex
	closing  bool
	welcome  wire.Event      // the last one, without the token
	hostAddr string          // where the host is
	files    []wire.File     // those that were sent, oldest first; see Files
	fetching map[string]bool // paths of files that are on their way here
	err      error           // set before done is closed
}

// Join joins the room and returns when the host has welcomed us; the first
// attempt is the only one. From then on the client reconnects by itself, until
// [Client.Close], the end of ctx, or a host that refuses it for good.
//
// The error is a [*RefusedError] when the host said no, and wraps [ErrNoRoom]
// when something else answered.
func Join(ctx context.Context, opts Options) (*Client, error) {
	opts = opts.withDefaults()
	s := &membership{opts: opts, addr: opts.Addr, room: opts.Room, nick: opts.Nick, token: opts.Token}
	ctx, cancel := context.WithCancel(ctx)
	l, welcome, err := s.join(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	stay, leave := context.WithCancel(ctx)
	s.Client = &Client{
		out:    newOutbox(opts.MaxUnacked),
		events: make(chan Event, eventsAhead),
		done:   make(chan struct{}),
		leave:  leave,
		cancel: cancel,
		dial:   s.dial,

		fetching: make(map[string]bool),
	}
	s.adopt(l, welcome)
	go s.run(ctx, stay, l)
	return s.Client, nil
}

// Events returns what happens, beginning with a [Connected]. It must be read: as
// long as it is not, nothing is read from the host either. The channel is closed
// when the client has ended; [Client.Err] then says why.
func (c *Client) Events() <-chan Event { return c.events }

// Err returns why the client has ended: nil as long as it has not, and after
// [Client.Close].
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Welcome returns what the host said last at the beginning of a connection. The
// token in it is left out.
func (c *Client) Welcome() wire.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.welcome
}

// Say says text in the room; it may have several lines. It returns the seq under
// which the message will come back, as a [Received] with Own set, or as an error
// event. It does not wait for that, but for room among the unacknowledged ones.
func (c *Client) Say(ctx context.Context, text string) (seq uint64, err error) {
	return c.Do(ctx, wire.Request{Type: wire.TypeSay, Text: text})
}

// Do asks the host for something; r.Seq is set here. What is said to somebody
// (types say, me, msg and send, and commands that begin with /me or /msg) gets a seq,
// is kept until it is acknowledged, and arrives once, however often the
// connection is lost. Other requests have the seq 0, wait for a connection, and
// are lost if it ends just then.
func (c *Client) Do(ctx context.Context, r wire.Request) (seq uint64, err error) {
	return c.out.put(ctx, r)
}

// The types of requests that are commands, as far as a client must know them.
const (
	typeQuit    = "quit"
	typeMe      = "me"
	typeMsg     = "msg"
	typeCommand = "command" // as a person would type it
)

// isSaid reports whether the host acknowledges r.
func isSaid(r wire.Request) bool {
	switch r.Type {
	case wire.TypeSay, wire.TypeSend, typeMe, typeMsg:
		return true
	case typeCommand:
		verb, _, _ := strings.Cut(r.Text, " ")
		return strings.EqualFold(verb, "/me") || strings.EqualFold(verb, "/msg")
	}
	return false
}

// Unacked returns how many messages the host has not acknowledged yet.
func (c *Client) Unacked() int { return c.out.unacked() }

// Pending returns the messages that the host has not acknowledged yet, in order:
// after the end of the client, those that may not have arrived.
func (c *Client) Pending() []wire.Request { return c.out.pending() }

// Flush waits until the host has taken or rejected all that was said before, and
// all else is on its way. The error holds a [*RejectedError] with what was
// rejected since the last Flush, and why the rest did not arrive: the error of
// ctx, or of the client.
func (c *Client) Flush(ctx context.Context) error {
	left, rejected, err := c.out.flush(ctx)
	if left > 0 {
		err = fmt.Errorf("%d messages are not acknowledged: %w", left, err)
	}
	if rejected != nil {
		err = errors.Join(err, rejected)
	}
	return err
}

// Close leaves the room. What was said before still goes out if there is a
// connection, but Close waits no longer than a second; [Client.Flush] waits. Files on
// their way are given up.
// It returns when everything has ended; the error says how many messages were
// not acknowledged.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	c.out.close()
	c.leave()
	select {
	case <-c.done:
	case <-time.After(closeWait):
		c.cancel()
		<-c.done
	}
	c.transfers.Wait()
	if left := c.out.unacked(); left > 0 {
		return fmt.Errorf("%d messages are not acknowledged", left)
	}
	return nil
}

package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"chat/relay/diskspace"
	"chat/relay/wire"
)

// Options say which room to join, and how. The zero value of each field works, but one of
// Addr, Find and Dial is required.
type Options struct {
	Addr string // "host:port" of the host
	Room string // ID of the room, from [Probe]; empty: any room that the host has

	// Others are addresses of other relays of the room, which Join tries in turn if the host at Addr cannot be reached.
	Others []string

	Nick    string // the nick to ask for; empty: the host assigns one
	Token   string // secret by which a host recognizes its client; empty: a random one. The host at Addr gets it unproven
	Backlog int    // how many messages to begin with; 0: the host's default, -1: none

	MaxUnacked  int           // how many requests may wait for the host before Say blocks; 0: 1,000
	Idle        time.Duration // silence before a ping, and again before the connection counts as lost; 0: 10 s. At most 3 s while a message is unacknowledged
	DialTimeout time.Duration // 0: 5 s
	Gather      time.Duration // in a stream of events, how long they collect before they are read, which wakes the program less often; 0: each is read as it comes
	GiveUp      time.Duration // how long to retry a lost host before the client ends; 0: without end

	// Identity is that of an earlier client in the same room, which this one continues if the
	// host proves that it has the room. Any other host gets a new token. The zero value: a new
	// client.
	Identity Identity
	// Keeper keeps the client's identity; nil: it is forgotten when the client ends.
	Keeper Keeper
	// Identify returns Identity and Keeper once the host has said which room it has, by the
	// room's ID. It is called at most once, if Room is empty.
	Identify func(room string) (Identity, Keeper)

	// Find returns the addresses at which the room may be, at least one, best first. It is
	// called if Addr is empty, beside the first attempt to reconnect and every other one after
	// three, and if another room is at the address: the host may have a new one. Of the room it gets the ID, if known,
	// and after the first welcome the title. After that, the first host that proves that it has
	// the room is joined.
	Find func(ctx context.Context, room wire.RoomInfo) (addrs []string, err error)
	// Watch runs beside each connection by TCP that lasts two seconds, until ctx ends, and calls
	// suspect when there are signs that the host has left the address at. The client then
	// asks the host for an answer within 0.7 s, or else reconnects. nil: no one watches.
	Watch func(ctx context.Context, room wire.RoomInfo, at net.Addr, suspect func())
	// Seal says how to join a sealed room. The zero value: only plain rooms are joined.
	Seal Seal
	// Operator makes the client an operator of a plain room on this machine. The zero value: it is not.
	Operator OperatorToken
	// Dial connects to addr; nil: by TCP. In a sealed room the connection is then encrypted.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	dialSmall func(ctx context.Context, addr string) (net.Conn, error) // with small segments; nil: not possible

	network func() string // identifies the network that this machine is in; it may change
}

func (o Options) withDefaults() Options {
	if o.Identity.Token != "" {
		o.Room = o.Identity.Room
	}
	if o.Identity.Key == "" { // no host can prove that it knows the token
		o.Identity = Identity{Token: cmp.Or(o.Token, newToken()), Secret: o.Identity.Secret}
	}
	if o.Keeper == nil {
		o.Keeper = NoKeeper
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
	if o.network == nil {
		o.network = networkNow
	}
	if o.Dial == nil {
		o.Dial, o.dialSmall = dialTCP, dialSmall
	}
	return o
}

// closeWait is how long Close waits for pending messages.
const closeWait = time.Second

// eventsAhead is how many events are read before the program takes them.
const eventsAhead = 64

// A Client is a member of a room. It reconnects when the connection is lost.
// All methods may be called concurrently.
type Client struct {
	// Fixed after Join.
	out    *outbox
	events chan Event         // sent on and closed by run
	done   chan struct{}      // closed by run when it ends
	leave  context.CancelFunc // ends reconnecting, and waiting for the program to take events
	cancel context.CancelFunc // ends everything
	dial   func(ctx context.Context, addr string) (net.Conn, error)

	sealing *sealing

	space func(dir string) (free, total int64, err error) // diskspace.Of, except in tests

	transferred *lastTime // when an upload or download made progress

	transfers sync.WaitGroup // running uploads and downloads; added to with mu held, and not once closing is set

	// Guarded by mu.
	mu          sync.Mutex
	closing     bool
	welcome     wire.Event             // the last one, without the token
	hostAddr    string                 // of the last connection
	identity    Identity               // in its room
	files       []wire.File            // uploads to the room, oldest first; see Files
	carriers    map[*transferConn]bool // the open connections of uploads and downloads
	downloading map[string]bool        // paths of partial files that a Download is writing
	err         error                  // set before done is closed
}

// Join joins a room, and returns when the host has welcomed the client. It tries each address once.
// From then on the client reconnects until [Client.Close] is called, ctx ends, or the host
// refuses it permanently.
//
// It ends with an [*OtherRoomError] if its room is gone and another one is at the address.
//
// The error is a [*RefusedError] if the host refused, and wraps [ErrNoRoom] if the program
// at the address is not a chat host.
func Join(ctx context.Context, opts Options) (*Client, error) {
	opts = opts.withDefaults()
	s := &membership{opts: opts, addr: opts.Addr, room: opts.Room, nick: opts.Nick, known: opts.Identity, transferred: new(lastTime), seal: newSealing(&opts)}
	ctx, cancel := context.WithCancel(ctx)
	l, welcome, err := s.join(ctx)
	if err != nil {
		cancel()
		s.opts.Keeper.Release()
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

		sealing: s.seal,

		space:       diskspace.Of,
		transferred: s.transferred,
		downloading: make(map[string]bool),
		carriers:    make(map[*transferConn]bool),
	}
	s.adopt(l, welcome)
	go s.run(ctx, stay, l)
	return s.Client, nil
}

// Events returns the channel of events, the first of them a [Connected]. The program must
// read it: otherwise the client stops reading from the host. The channel is closed when
// the client has ended; [Client.Err] then returns the reason.
func (c *Client) Events() <-chan Event { return c.events }

// Err returns why the client has ended; nil while it runs, and after [Client.Close].
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Welcome returns the welcome of the last connection, without the token.
func (c *Client) Welcome() wire.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.welcome
}

// Say sends text to the room; it may have several lines. It returns the seq with which
// the message comes back: as a [Received] with Own set, or in an error event. It does not
// wait for that. It blocks while [Options.MaxUnacked] requests are waiting for the host.
func (c *Client) Say(ctx context.Context, text string) (seq uint64, err error) {
	return c.Do(ctx, wire.Request{Type: wire.TypeSay, Text: text})
}

// Do sends a request; r.Seq is set by Do. Messages (types say, me, msg and send, and
// commands that begin with /me or /msg) get a seq, are kept until they are acknowledged,
// and arrive once, however often the connection is lost. Other requests have seq 0, wait
// for a connection, and are lost if it fails while they are sent.
func (c *Client) Do(ctx context.Context, r wire.Request) (seq uint64, err error) {
	return c.out.add(ctx, r)
}

// The types of requests for commands that the client treats specially.
const (
	typeQuit    = "quit"
	typeMe      = "me"
	typeMsg     = "msg"
	typeCommand = "command" // a line as a person types it
)

// isMessage reports whether the host acknowledges r.
func isMessage(r wire.Request) bool {
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

// Pending returns the messages that the host has not acknowledged yet, in order. After
// the client has ended, they are the messages that possibly did not arrive; see [Client.Unconfirmed].
func (c *Client) Pending() []wire.Request { return c.out.pending() }

// Unconfirmed returns how many of these, the first ones, were sent, so that the host may have them. It
// certainly does not have the others.
func (c *Client) Unconfirmed() int { return c.out.unconfirmed() }

// Flush waits until the host has acknowledged or rejected all messages sent before the
// call, and other requests are written. The error wraps a [*RejectedError] with the
// messages rejected since the last Flush, and says why others are still unacknowledged:
// the error of ctx, or of the client.
func (c *Client) Flush(ctx context.Context) error {
	left, rejected, err := c.out.flush(ctx)
	if left > 0 {
		err = fmt.Errorf("%s not acknowledged: %w", wire.Counted(left, "message was", "messages were"), err)
	}
	if rejected != nil {
		err = errors.Join(err, rejected)
	}
	return err
}

// Close leaves the room. If there is a connection, pending messages are still sent, but
// Close waits no longer than a second for them; call [Client.Flush] before to wait longer.
// Running uploads and downloads are canceled. Close returns when everything has ended; the
// error says how many messages were not acknowledged.
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
		return fmt.Errorf("%s not acknowledged", wire.Counted(left, "message was", "messages were"))
	}
	return nil
}

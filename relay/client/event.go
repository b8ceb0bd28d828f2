package client

import (
	"time"

	"chat/relay/wire"
)

// An Event is what a client has to tell: a [Connected], a [Disconnected], or
// something [Received] from the host.
type Event interface{ event() }

// Connected is the first event of each connection, the first one included.
type Connected struct {
	Welcome wire.Event // what the host said; without the token
	Addr    string     // where the host is, as it was dialled
	Resumed bool       // not the first connection: what was missed follows, each event once
	NewRoom bool       // Resumed, but the host was restarted: ids and history begin afresh
}

// Disconnected follows the loss of a connection, and each attempt in vain to get
// it back. What is said in the meantime is kept, and sent later.
type Disconnected struct {
	Err     error         // what ended the connection or the attempt
	RetryIn time.Duration // when the next attempt is made
	Attempt int           // how many were made in vain since the loss; 0: it was lost just now
}

// Received is an event from the host, its texts cleaned. Pongs, welcomes and
// acknowledgements that nobody asked for twice are not among them. Own and Past are
// said of the event itself, not of the old ones that a history has in it.
type Received struct {
	wire.Event
	Own  bool // said or done by this client
	Past bool // happened before the last welcome: backlog, or caught up on
}

// Waits reports whether e says that the host cannot keep something of ours just now, as
// its disk is full. That one is not rejected: the client keeps it, with all behind it, and
// says it again until the host has it. It is told once, and that it is over by the
// message itself.
func (e *Received) Waits() bool {
	return e.Type == wire.TypeError && e.Code == wire.CodeNotStored && e.Seq != 0
}

func (Connected) event()    {}
func (Disconnected) event() {}
func (Received) event()     {}

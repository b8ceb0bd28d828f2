package client

import (
	"slices"
	"time"

	"chat/relay/text"
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

// What a program may keep of a host's events has bounds: a hostile host must not fill its
// memory, or have it sort names without end. Lists of members have at most
// [wire.MaxMembers] names, see [wire.ParseEvent].
const (
	// maxName is how many bytes a member's name in a list may have. Nicks have at most
	// text.MaxNickBytes, before the host composes their letters.
	maxName = 4 * text.MaxNickBytes

	// maxCount is the highest Count; programs may add up some of them.
	maxCount = 1 << 30
)

// sanitize cleans the texts of e, drops names that are too long for a nick from its lists
// (Count has them still), and bounds Count.
func sanitize(e wire.Event) wire.Event {
	e = e.Clean()
	boundMembers(&e)
	for i := range e.Events {
		boundMembers(&e.Events[i])
	}
	return e
}

// boundMembers changes lists that belong to e alone, as those of [wire.Event.Clean] do.
func boundMembers(e *wire.Event) {
	isLong := func(name string) bool { return len(name) > maxName }
	if n := len(e.Members); slices.ContainsFunc(e.Members, isLong) {
		e.Members, e.Count = slices.DeleteFunc(e.Members, isLong), max(e.Count, n)
	}
	e.Hosts = slices.DeleteFunc(e.Hosts, isLong)
	e.Count = min(max(e.Count, 0), maxCount)
}

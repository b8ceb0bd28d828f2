package client

import (
	"slices"
	"time"

	"chat/relay/text"
	"chat/relay/wire"
)

// An Event is what [Client.Events] delivers: a [Connected], a [Disconnected] or a
// [Received].
type Event interface{ event() }

// Connected is the first event of each connection.
type Connected struct {
	Welcome wire.Event // the host's, without the token
	Addr    string     // of the host, as dialed
	Resumed bool       // false on the first connection; missed events follow, each once
	NewRoom bool       // Resumed, but the room is a new one: IDs and history start over
	Moved   bool       // Resumed, at another relay of the same room than before

	Sealed bool   // the room is sealed: the connection is encrypted, and the host has the expected key
	Access string // "listen": the client may only read; "operator": it may moderate; "": it is a member

	// Unproven says that the host did not prove that it knows Options.Identity: the client is a
	// new one, and the host perhaps not that of the room.
	Unproven bool

	// SmallPackets says that the connection uses small packets, because large ones seem not to
	// arrive. On some networks, such as VPNs, they do not.
	SmallPackets bool

	// Unanswered says that the last connection died while a message was unanswered, which is
	// sent again on this one.
	Unanswered bool
}

// SmallPacketsNotice explains [Connected]'s SmallPackets to people.
const SmallPacketsNotice = "large packets seem to get lost on the way to the host, as on some VPNs; using small ones"

// Disconnected follows the loss of a connection and each failed attempt to reconnect.
// Messages sent in the meantime are kept.
type Disconnected struct {
	Err     error         // why the connection or the attempt failed
	RetryIn time.Duration // until the next attempt
	Attempt int           // failed attempts since the loss; 0: the connection was just lost

	// Elsewhere says that the room has other relays: if one of them lives, the client is back within 3 s.
	Elsewhere bool
}

// Received is an event from the host, with cleaned texts. Welcomes, pongs and errors about
// duplicates are left out, and the goodbye of a relay that closes while the room has others. Own and Past describe the event itself, not the old messages in
// a history event.
type Received struct {
	wire.Event
	Own  bool // sent or caused by this client
	Past bool // from before the last welcome: backlog, or missed while disconnected
}

// Waits reports whether e says that the host cannot store a message of this client for
// now, because its disk is full. The message is not rejected: the client keeps it and all
// later ones, and retries. The event comes once; the message itself shows that the host
// has it.
func (e *Received) Waits() bool {
	return e.Type == wire.TypeError && e.Code == wire.CodeNotStored && e.Seq != 0
}

func (Connected) event()    {}
func (Disconnected) event() {}
func (Received) event()     {}

// A hostile host must not fill the memory of a program that keeps lists of members. They
// have at most [wire.MaxMembers] names; see [wire.ParseEvent].
const (
	// maxName is the longest name in a list, in bytes. A nick has at most
	// text.MaxNickBytes before the host composes its letters.
	maxName = 4 * text.MaxNickBytes

	// maxCount is the highest Count: programs may add up several.
	maxCount = 1 << 30
)

// sanitize cleans the texts of e, removes names from its lists that are too long for a
// nick (they still count in Count), removes addresses that are not valid, and bounds Count.
func sanitize(e wire.Event) wire.Event {
	e = e.Clean()
	e.Relays = wire.Relays(e.Relays)
	boundMembers(&e)
	for i := range e.Events {
		boundMembers(&e.Events[i])
	}
	return e
}

// boundMembers changes the lists in place: they must belong to e, as after [wire.Event.Clean].
func boundMembers(e *wire.Event) {
	isLong := func(name string) bool { return len(name) > maxName }
	if n := len(e.Members); slices.ContainsFunc(e.Members, isLong) {
		e.Members, e.Count = slices.DeleteFunc(e.Members, isLong), max(e.Count, n)
	}
	e.Hosts = slices.DeleteFunc(e.Hosts, isLong)
	e.Count = min(max(e.Count, 0), maxCount)
}

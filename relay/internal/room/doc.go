// Package room is a chat room: who is in it, and the rules by which it changes.
//
// The durable part is a [State]: the fold of the room's log. A request is decided on the
// state ([State.decide]), which returns an event or a [wire.Fault]; the event goes into
// the log and is applied to the state ([State.apply]). Replaying the log gives the same
// state again, so a restart, another process that reads the log, and a test all agree.
// What no reader may see, a banned address or the hash of a token, is in hidden events
// ([hidden]), which the log keeps beside the others.
//
// A [Room] is the state and its present members, behind one lock. It knows a connection
// only as a [Peer] and gets the time with each request. It starts no goroutine, reads no
// clock and writes no log lines; a caller gets back what to report. The waiting and the
// timers are its callers'.
//
// If the history file rejects events, [Room.CommitFailed] rebuilds the state from the
// last committed one and the events that are still to be written, and their senders get
// a fault.
package room

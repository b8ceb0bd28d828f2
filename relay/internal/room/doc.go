// Package room is a chat room: its members, its state, and the rules by which they change.
//
// The durable part is a [State], the fold of the room's log. [State.decide] turns a request
// into an event or a [wire.Fault]. The event is appended to the log and applied to the
// state by [State.apply]. Replaying the log gives the same state, so a restart, another
// process that reads the log, and a test all agree. Data that no client may see, such as a
// banned address or the hash of a token, is in hidden events ([hidden]), which the log keeps
// with the others.
//
// A [Room] is the state and the members who are present, behind one lock. It knows a
// connection only as a [Peer], and each request brings its time. A Room starts no
// goroutines, reads no clock and writes no log lines; its callers wait, run timers and log.
//
// If the history file cannot be written, [Room.CommitFailed] rebuilds the state from the
// committed one and the events still to be written. The senders of rejected messages get a
// fault.
package room

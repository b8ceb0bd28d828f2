// Package session serves one connection of a person or a program.
//
// A [Door] makes the sessions of a room. A [Session] reads lines, decodes each into a
// checked and cleaned request, and has the room carry it out. Its outbox sends the log
// from the session's cursor on and, beside it, a bounded queue of events for this session
// only.
//
// A session has one goroutine that reads. Package fanout writes; a session whose
// connection takes less than there is gets a goroutine that writes until it has caught up.
package session

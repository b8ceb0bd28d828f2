// Package session serves one connection of a person or a program.
//
// A [Door] creates the sessions of a room. A [Session] reads lines, decodes each into a
// checked and cleaned request, and has the room carry it out. Its outbox sends the log from
// the session's cursor and a bounded queue of events for this session only.
//
// Each session has one goroutine that reads. Package fanout writes. A session whose peer
// reads too slowly gets a goroutine that writes until it has caught up.
package session

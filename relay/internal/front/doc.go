// Package front is what a connection meets first: the accept loop, the limits and bans at
// the door, and the first line, from which one port tells programs, people and browsers
// apart.
//
// A connection is admitted once, as a [Conn], and counts against the limits until it is
// closed, whichever protocol it speaks. Its first line is looked up in one table
// ([recognizers]) and hands it to its door once: a session (package session), or the HTTP
// handler. A WebSocket that the handler accepts continues on the connection's own admission.
package front

// Package front accepts connections: it enforces limits and bans, and reads the first line,
// by which one port distinguishes programs, people and browsers.
//
// A connection is admitted once, as a [Conn], and counts against the limits until it is
// closed, whatever its protocol. One table ([recognizers]) decides by the first line who
// serves the connection: a session (package session) or the HTTP handler. A WebSocket that
// the handler accepts is the same connection and is not admitted again.
package front
